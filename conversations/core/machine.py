"""`advance`: what a conversation does with one input. Pure, total, deterministic and bounded.

It takes an input, changes a working copy of the snapshot through events (fold.APPLY), and collects effects for the shell to carry out.
It runs until every flow waits: for the user, for a timer, or for a blocking effect.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from conversations.core import actions, codec, filling, handlers, inputs, states, undoing
from conversations.core.fold import fold
from conversations.core.run import MICROSTEPS, NO_PLAN, Fault, Run
from conversations.core.types import Book, CancelTimer, Event, Input, Reply, Returned, SetTimer, Snapshot, Started, Status, Step
from conversations.core.words import best_text, sentence
from flows.core.types import HandlerTrigger, Json

RECOVERY_STEPS = 10  # microsteps of an error handler
LONGEST_TRACE = 400  # lines


def advance(book: Book, snapshot: Snapshot, event: Input, now: datetime, *, conversation_id: str = "") -> Step:
    """The conversation after `event`. Never raises: what goes wrong is in `Step.error`, and then the conversation stays where it was.

    `conversation_id` goes into timer tokens and is what `conversation.id` means in expressions.
    """
    run = Run(book, snapshot, now, conversation_id)
    try:
        refusal = inputs.refusal(run, event)
        if refusal is not None:
            return Step(snapshot=snapshot, error=refusal)
        inputs.take(run, event)
        drain(run)
        return close(run)
    except Fault as fault:
        return recover(run, event, fault)
    except Exception as error:  # noqa: BLE001  total: a fault of ours must not lose the turn; the shell logs Step.error
        return recover(run, event, Fault("INTERNAL_ERROR", f"{type(error).__name__}: {error}"))


def drain(run: Run) -> None:
    """Carry out what is on the stack until nothing is left, or until a blocking effect has parked it."""
    ops = run.ops
    while ops:
        name, *operands = ops.pop()
        OPS[name](run, *operands)


def _body(run: Run, state: str) -> None:
    here = run.at(state)
    states.BODY[here.type](run, here)


OPS: dict[str, Callable[..., None]] = {
    "begin": lambda run, state: states.enter(run, state, None, moved=False),
    "enter": states.enter,
    "go": handlers.go,
    "acts": actions.perform,
    "called": actions.called,
    "result": lambda run, state: states.result(run, run.at(state)),
    "body": _body,
    "ask": states.ask,
    "say": handlers.say,
    "push": handlers.push,
    "replace": handlers.replace,
    "goto": handlers.goto,
    "each": actions.each,
    "generated": lambda run, state: states.generated(run, run.at(state)),
    "undo": undoing.undo,
    "undone": undoing.undone,
    "abandon": states.leave,
    "volunteer": filling.volunteer,
}


def close(run: Run, error: dict[str, Json] | None = None) -> Step:
    work = run.work
    _set_timers(run)
    data: dict[str, Json] = {}
    if run.replies:
        data["messages"] = [codec.reply_to_json(reply) for reply in run.replies]
        if run.offers:
            data["offered"] = list(run.offers)
    if run.events and work.status in (Status.ACTIVE, Status.FAILED) and error is None:
        data["status"] = Status.WAITING.value
    if data or (work.stable and not work.awaiting):
        run.emit("replied", data)
    return Step(
        snapshot=work.frozen() if run.events else run.before,
        events=tuple(run.events),
        effects=tuple(run.effects),
        replies=tuple(run.replies),
        actions=tuple(run.actions),
        confidence=dict(run.understanding.intents),
        trace=_shortened(run.trace),
        visits=tuple(run.visits),
        completed=run.completed,
        error=error,
    )


def _shortened(trace: list[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """A runaway turn looks at thousands of transitions; its beginning and its end tell enough."""
    if len(trace) <= LONGEST_TRACE:
        return tuple(trace)
    half = LONGEST_TRACE // 2
    return (*trace[:half], {"note": "left_out", "lines": len(trace) - 2 * half}, *trace[-half:])


def _set_timers(run: Run) -> None:
    """A timer belongs to the state that waits: leaving it voids the timer, waiting anew sets one per timeout transition."""
    work = run.work
    old = run.live
    if not run.left or not work.frames:
        return
    waits = not work.awaiting and work.status not in (Status.ENDED, Status.HANDOFF)
    here = run.here() if waits else None
    timeouts = here.timeouts if here is not None else ()
    if not old and not timeouts:
        return
    state = work.frames[-1].state
    new = {f"{run.conversation_id}:t{work.effects + number}": (f"{state}#{index}", after) for number, (index, after) in enumerate(timeouts, start=1)}
    data: dict[str, Json] = {"set": {token: ref for token, (ref, _) in new.items()}, "n": work.effects + len(new)}
    if old:
        data["cancelled"] = old
    run.emit("timers", data)
    run.effects.extend([CancelTimer(token=token) for token in old])
    run.effects.extend([SetTimer(token=token, after_ms=after) for token, (_, after) in new.items()])


def recover(broken: Run, event: Input, fault: Fault) -> Step:
    """Back to the last waiting state, through the flow's error handler when it has one, else with the flow's apology. Never raises.

    Nothing of the broken run counts but its trace and its visits.
    """
    try:
        return _recovered(broken, event, fault, handled=True)
    except Exception as second:  # noqa: BLE001  the handler failed too: without it, then
        broken.note(note="error_handler_failed", why=str(second))
    try:
        return _recovered(broken, event, fault, handled=False)
    except Exception as third:  # noqa: BLE001  not even that: the conversation stays exactly as it was
        error: dict[str, Json] = {"code": fault.code, "message": f"{fault.message}; then {third}", "state": broken.before.state}
    if isinstance(event, Returned):
        return _let_go(broken, error)
    return Step(snapshot=broken.before, error=error, trace=_shortened(broken.trace))


def _let_go(broken: Run, error: Mapping[str, Json]) -> Step:
    """The effect is over and its outcome cannot be taken in: nothing else would ever wake a conversation that went on awaiting it."""
    before = broken.before
    data = {"code": error["code"], "message": error["message"]}
    if not before.stable or before.status is Status.FAILED:
        data["status"] = Status.FAILED.value
    apology = Reply(text=sentence("apology", before.locale), state=before.state)
    events = (
        Event(seq=before.seq + 1, kind="failed", data=data),
        Event(seq=before.seq + 2, kind="replied", data={"messages": [codec.reply_to_json(apology)]}),
    )
    return Step(snapshot=fold(events, start=before), events=events, replies=(apology,), trace=_shortened(broken.trace), error=error)


def _recovered(broken: Run, event: Input, fault: Fault, *, handled: bool) -> Step:
    snapshot = broken.before
    run = Run(broken.book, snapshot, broken.now, broken.conversation_id)
    inputs.record(run, event)
    if broken.events:  # what the broken run has read from the message stays hidden
        run.hide(broken.events[0].data.get("sensitive", ()))
    run.trace = list(broken.trace)
    run.visits = list(broken.visits)
    run.ops.clear()
    state = run.work.frames[-1].state if run.work.frames else ""
    error: dict[str, Json] = {"code": fault.code, "message": fault.message, "state": state}
    failed = {"code": fault.code, "message": fault.message}
    if isinstance(event, Started) or (snapshot.awaiting and not snapshot.stable) or snapshot.status is Status.FAILED:
        failed["status"] = Status.FAILED.value  # it has never waited: the next message tries its state again
    run.emit("failed", failed)
    run.note(note="failed", **error)
    run.error = {"code": fault.code, "message": fault.message}
    run.steps = broken.steps  # counted on: a handler that leads back to a call that fails must come to an end
    run.limit = min(broken.steps, MICROSTEPS) + RECOVERY_STEPS
    run.switch()
    run.left = run.work.frames != snapshot.frames
    hit = handlers.find(run, HandlerTrigger.ERROR, always=True) if handled and run.plan is not NO_PLAN else None
    if hit is not None:
        handlers.fire(run, hit)
        drain(run)
        return close(run)
    run.say(fault.said or _apology(run))
    return close(run, error)


def _apology(run: Run) -> str:
    """The flow's `metadata.apology`, a text or texts by locale, said as it is written: a template could fail again."""
    work = run.work
    flow = run.plan.program.flow if run.plan is not NO_PLAN else None
    own = flow.metadata.get("apology") if flow is not None else None
    if isinstance(own, str) and own:
        return own
    if isinstance(own, dict) and flow is not None:
        texts = {key: text for key, text in own.items() if isinstance(text, str)}
        return best_text(texts, work.locale, work.channel, flow.default_locale) or run.sentence("apology")
    return run.sentence("apology")
