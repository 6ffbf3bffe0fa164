"""What a person does in a conversation that was handed over: joins it, says something, gives it back to the bot, ends it.

The log is one: what an agent says is an event like the bot's replies, and while the conversation is handed over the bot stays silent.
"""

from collections.abc import Callable, Mapping

from conversations.core import handlers, handover, products, slots, states
from conversations.core.run import NO_PLAN, Run
from conversations.core.types import Attended, Status
from conversations.core.words import clean, sentence
from flows.core.types import Json

LONGEST_TEXT = 10_000
UNANSWERED = "unanswered"  # the reason of a return to the bot when nobody has taken the conversation


def refusal(run: Run, event: Attended) -> dict[str, Json] | None:
    """Why this cannot be done now, as a Step.error."""
    work = run.work
    if event.deed not in DEEDS:
        return _error(run, "VALIDATION_ERROR", f"there is no deed {event.deed}")
    if event.deed == "handed_over":
        return None if work.status is not Status.HANDOFF else _error(run, "ALREADY_HANDED_OVER", "the conversation is handed over already")
    if work.status is not Status.HANDOFF:
        return _error(run, "NOT_HANDED_OVER", "the conversation is not handed over to a person")
    if event.state and (run.plan is NO_PLAN or event.state not in run.plan.states):
        return _error(run, "STATE_NOT_FOUND", f"there is no state {event.state} in this flow")
    unfit = [name for name, value in event.slots.items() if _fitting(run, name, value) is None]
    return _error(run, "VALIDATION_ERROR", f"no valid value for the slot {unfit[0]}", slots=unfit) if unfit else None


def _error(run: Run, code: str, message: str, **facts: Json) -> dict[str, Json]:
    return {"code": code, "message": message, "state": run.work.frames[-1].state, **facts}


def _fitting(run: Run, name: str, value: Json) -> slots.Extracted | None:
    rule = run.plan.program.flow.slots.get(name) if run.plan is not NO_PLAN else None
    found = slots.accept(products.with_names(run, rule), value, locale=run.work.locale, now=run.now) if rule is not None else None
    return found if isinstance(found, slots.Extracted) else None


def record(run: Run, event: Attended) -> bool:
    run.consumed = True
    kind, data = DEEDS[event.deed]
    run.emit(kind, {**_who(event), **data(run, event)})
    return True


def react(run: Run, event: Attended) -> None:
    follow = _THEN.get(event.deed)
    if follow is not None:
        run.left = True  # the timers of the state were cancelled when the person took over, or are now
        follow(run, event)


def _who(event: Attended) -> dict[str, Json]:
    return {key: value for key, value in (("agent", event.agent), ("name", event.name)) if value}


def _reason(run: Run, event: Attended) -> dict[str, Json]:
    return {"reason": event.reason} if event.reason else {}


# deed -> the kind of its event, and what the event says beside who did it
DEEDS: Mapping[str, tuple[str, Callable[[Run, Attended], dict[str, Json]]]] = {
    "handed_over": ("handed_over", lambda run, event: handover.terms(run, event.reason or "taken over")),
    "joined": ("agent_joined", lambda run, event: {}),
    "left": ("agent_left", _reason),
    "said": ("agent_said", lambda run, event: {"text": clean(event.text[:LONGEST_TEXT])}),
    "resumed": ("resumed", _reason),
    "ended": ("agent_left", _reason),
}


def _quiet(run: Run, event: Attended) -> None:
    """The bot stops where it is."""


def _go_on(run: Run, event: Attended) -> None:
    """Where the bot was, or in the state that was chosen, with the slots that the agent has filled."""
    _fill(run, event.slots)
    state = event.state
    if event.reason == UNANSWERED:
        run.say(handover.nobody(run))
        wanted = handover.wanted(run).get("timeout_state")
        state = wanted if isinstance(wanted, str) and wanted in run.plan.states else ""
    else:
        run.say(sentence("handed_back", run.work.locale))
    if state:
        handlers.go(run, state)
    else:
        run.ops.append(["ask"])


def _finish(run: Run, event: Attended) -> None:
    states.finish(run, event.reason or "ended_by_agent")


def _fill(run: Run, given: Mapping[str, Json]) -> None:
    values = {name: found.value for name, value in given.items() if (found := _fitting(run, name, value)) is not None}
    if not values:
        return
    secret = run.secrets(values)
    run.emit("slots_filled", {"slots": values, **({"sensitive": secret} if secret else {})})
    run.changed()


_THEN: Mapping[str, Callable[[Run, Attended], None]] = {"handed_over": _quiet, "resumed": _go_on, "ended": _finish}
