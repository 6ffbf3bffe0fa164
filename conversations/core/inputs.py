"""The six inputs: which of them a conversation takes in its present status, how each is recorded, and how each sets the machine going."""

from collections.abc import Callable, Mapping
from typing import Any

from conversations.core import answers, attending, frames, handlers, products, slots
from conversations.core.choices import picked, table
from conversations.core.conditions import choose
from conversations.core.corrections import repeatable
from conversations.core.plan import StatePlan
from conversations.core.run import Fault, Run
from conversations.core.states import open_slot
from conversations.core.states import take as take_move
from conversations.core.types import Attended, Command, Input, Postback, Returned, Said, Snapshot, Started, Status, TimerFired, Understanding
from conversations.core.values import Unfit, kept, typed
from conversations.core.words import clean, command_of, folded
from flows.core.types import CallIntegration, IntegrationConfig, Json, Program, SlotType

# Slots that a number answers by itself: there it is no option's number.
DIGITS = frozenset(
    {SlotType.INTEGER, SlotType.NUMBER, SlotType.MONEY, SlotType.PHONE, SlotType.DATE, SlotType.TIME, SlotType.DATETIME, SlotType.PATTERN}
    | {SlotType.DATE_RANGE, SlotType.TIME_RANGE}
)
LONGEST_COMMAND = 48  # characters of a message that may be a system command


def refusal(run: Run, event: Input) -> dict[str, Json] | None:
    """Why this input cannot be taken now, as a Step.error; None when it can. Nothing is recorded of a refused input."""
    work = run.work
    if isinstance(event, Returned | TimerFired):
        return None  # a stale one changes nothing, which is not an error
    if work.awaiting:
        return _error("AWAITING", "an integration call is under way; the message must wait", work.awaiting)
    if isinstance(event, Started):
        return None if frames.program_for(run, event.flow_id, fall_back=True) else _error("FLOW_NOT_FOUND", f"there is no flow {event.flow_id}", "")
    if not work.frames:
        return _error("CONTEXT_LOAD_ERROR", "the conversation has not started", "")
    if work.status is Status.ENDED and not (isinstance(event, Command) and event.name == "restart"):
        return _error("CONVERSATION_ENDED", "the conversation has ended", work.frames[-1].state)
    if isinstance(event, Attended):
        return attending.refusal(run, event)
    if isinstance(event, Command) and event.name not in handlers.DEFAULTS:
        return _error("VALIDATION_ERROR", f"there is no command {event.name}", work.frames[-1].state)
    return None


def _error(code: str, message: str, state: str) -> dict[str, Json]:
    return {"code": code, "message": message, "state": state}


def take(run: Run, event: Input) -> None:
    """Record the input and put what follows from it on the stack."""
    if record(run, event):
        _REACT[type(event)](run, event)


def record(run: Run, event: Input) -> bool:
    """Write the input's own event; False when it is stale and nothing happened."""
    return _RECORD[type(event)](run, event)


def _record_start(run: Run, event: Started) -> bool:
    program = frames.program_for(run, event.flow_id, fall_back=True)
    if program is None:
        raise Fault("FLOW_NOT_FOUND", f"there is no flow {event.flow_id}")
    values, variables = _sorted_inputs(run, program, event.inputs)
    work = run.work
    data = {**frames.opening(program, variables), "slots": values, "locale": work.locale, "channel": work.channel, "profile": work.profile}
    if program.flow.flow_id != event.flow_id:
        data["wanted"] = event.flow_id
    secret = [name for name in values if program.flow.slots[name].sensitive]
    if secret:
        data["sensitive"] = secret
    run.emit("started", data)
    return True


def _sorted_inputs(run: Run, program: Program, given: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Inputs that are slots of the flow, checked like answers, and the others, which become variables. What does not fit is left out."""
    values: dict[str, Json] = {}
    variables: dict[str, Json] = {}
    flow = program.flow
    for name, value in given.items():
        rule = flow.slots.get(name)
        try:
            if rule is None:
                variables[name] = typed(value, flow.variables.get(name))
                continue
        except Unfit as failure:
            run.note(note="input_refused", name=name, why=str(failure))
            continue
        found = slots.accept(products.with_names(run, rule), value, locale=run.work.locale, now=run.now)
        if isinstance(found, slots.Extracted):
            values[name] = found.value
        else:
            run.note(note="input_refused", name=name, why=found.reason if isinstance(found, slots.Refused) else "no value")
    return values, variables


def _record_message(run: Run, event: Said) -> bool:
    run.understanding = event.understanding
    intents = event.understanding.intents
    intent, confidence = intents[0] if intents else ("", 0.0)
    text = clean(event.text)
    run.heard = {"text": text, "intent": intent, "confidence": confidence, "attributes": event.attributes}
    run.consumed = False
    data: dict[str, Json] = {"text": text}
    if event.event:
        data["event"] = event.event
    if intent:
        data["intent"] = intent
        data["confidence"] = confidence
    if event.understanding.models:
        data["models"] = dict(event.understanding.models)
    if event.attachment:
        data["attachment"] = True
    run.emit("message", data)
    run.hide(run.secrets(_asked(run)))
    return True


def _asked(run: Run) -> tuple[str, ...]:
    """The slot that the message may be the answer to; nothing while a person listens. Never raises: it also looks when a step has failed."""
    here = run.plan.states.get(run.work.frames[-1].state) if run.work.frames else None
    slot = open_slot(run, here) if here is not None and run.work.status is not Status.HANDOFF else ""
    return (slot,) if slot else ()


def _record_postback(run: Run, event: Postback) -> bool:
    run.understanding = Understanding(intents=((event.intent, 1.0),) if event.intent else ())
    run.heard = {"text": "", "intent": event.intent, "confidence": 1.0 if event.intent else 0.0, "attributes": {}}
    run.consumed = False
    data: dict[str, Json] = {"text": "", "postback": dict(event.slots)}
    if _fresh(run, event) and event.intent:
        data["intent"] = event.intent
    run.emit("message", data)
    run.hide(run.secrets(event.slots))
    return True


def _fresh(run: Run, event: Postback) -> bool:
    """A button without a token (a fixed menu) may name an intent, but not fill slots."""
    return event.token == run.token() if event.token else not event.slots


def _record_command(run: Run, event: Command) -> bool:
    run.emit("command", {"name": event.name})
    return True


def _record_timer(run: Run, event: TimerFired) -> bool:
    work = run.work
    ref = work.timers.get(event.token)
    if ref is None or work.awaiting or work.status in (Status.ENDED, Status.HANDOFF):
        run.note(note="stale_timer", token=event.token)
        return False
    run.heard = {"timer": int(ref.rpartition("#")[2])}
    run.live.remove(event.token)
    run.emit("timer_fired", {"token": event.token, "ref": ref})
    return True


def _record_return(run: Run, event: Returned) -> bool:
    if not run.work.awaiting or run.work.awaiting != event.effect_id:
        run.note(note="stale_effect", effect_id=event.effect_id)
        return False
    outcome = event.outcome
    run.ops.extend(run.work.agenda)
    config = _config_of(run)
    data: dict[str, Json] = {
        "effect_id": event.effect_id,
        "integration_id": config.integration_id if config is not None else "",
        "success": outcome.success,
        "status_code": outcome.status_code,
        "execution_time_ms": outcome.execution_time_ms,
        "retries": outcome.retries,
        "data": kept(outcome.data) if outcome.success else None,
    }
    if config is not None and outcome.success and not repeatable(config):
        data["once"] = True
    if not outcome.success:
        data |= {"code": outcome.code, "error": outcome.error[:500]}
    run.outcome = outcome
    run.changed()
    run.emit("returned", data)
    return True


def _config_of(run: Run) -> IntegrationConfig | None:
    """Which integration the parked work was waiting for."""
    name, *operands = run.work.agenda[-1]
    if name == "generated":
        return None
    if name == "result":
        config = run.at(operands[0]).config
        return config if isinstance(config, IntegrationConfig) else None
    level, state, place, number = operands
    action = run.plan_at(level).actions[state, place][number]
    return action.call if isinstance(action, CallIntegration) else None


_RECORD: dict[type, Callable[[Run, Any], bool]] = {
    Started: _record_start,
    Said: _record_message,
    Postback: _record_postback,
    Command: _record_command,
    Attended: attending.record,
    TimerFired: _record_timer,
    Returned: _record_return,
}


def _start(run: Run, event: Started) -> None:
    run.consumed = False
    frames.begin(run)


def _hear(run: Run, event: Said) -> None:
    if _silent_or_again(run):
        return
    here = run.here()
    if event.event:
        answers.happen(run, here, event.event)
        return
    option = _option(run, here, event.text) if run.before.offered else None
    if option is not None and "postback" in option:
        _take_option(run, here, option["postback"])
        return
    name = command_of(event.text) if 0 < len(event.text) <= LONGEST_COMMAND else ""
    if name and not _is_choice(run, event.text) and handlers.command(run, name):
        return
    answers.hear(run, here, event)


def _option(run: Run, here: StatePlan, text: str) -> Mapping[str, Json] | None:
    """The option of the last replies that was typed: its label, or its number where a number is no answer by itself."""
    rule = run.plan.program.flow.slots.get(open_slot(run, here))
    token = run.token()
    live = [one for one in run.before.offered if one.get("postback", {}).get("token", token) == token]
    found = picked(live, text, numbers=rule is None or rule.type not in DIGITS)
    if found is not None:
        run.note(note="option", label=found.get("label", ""))
    return found


def spelled_out(before: Snapshot, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message that names an option which says something else ("2" for "the blue one"): with what it says in its place."""
    if not before.offered or content.get("type", "text") != "text":
        return content
    option = picked(before.offered, str(content.get("text", "")), numbers=all("say" in one for one in before.offered))
    return {**content, "text": option["say"]} if option is not None and "say" in option else content


def _take_option(run: Run, here: StatePlan, postback: Mapping[str, Json]) -> None:
    """As if the button had been pressed. One of a question that is not asked any more is not on offer."""
    intent = str(postback.get("intent") or "")
    if intent:
        run.understanding = Understanding(intents=((intent, 1.0),), entities=run.understanding.entities)
        run.heard = {**run.heard, "intent": intent, "confidence": 1.0}
    answers.pressed(run, here, intent, postback.get("slots") or {})


def _silent_or_again(run: Run) -> bool:
    """A person talks to the user: the bot only listens. A conversation that failed before it ever waited tries its state again."""
    status = run.work.status
    if status is Status.HANDOFF:
        run.note(note="handoff", why="a person has taken over")
        return True
    if status is Status.FAILED:
        run.consumed = True
        frames.begin(run)
        return True
    return False


def _is_choice(run: Run, text: str) -> bool:
    """ "stop" may be an answer, when the question offers it."""
    rule = run.plan.program.flow.slots.get(open_slot(run, run.here()))
    return rule is not None and rule.type is SlotType.ENUM and folded(text) in table(rule)


def _press(run: Run, event: Postback) -> None:
    if _silent_or_again(run):
        return
    if _fresh(run, event):
        answers.pressed(run, run.here(), event.intent, event.slots)
        return
    run.note(note="stale_postback", token=event.token)
    run.consumed = True
    run.say(run.sentence("stale"))
    run.ops.append(["ask"])


def _command(run: Run, event: Command) -> None:
    if run.work.status is Status.HANDOFF and event.name not in ("restart", "stop", "resume"):
        return
    if event.name == "resume" and run.work.status is not Status.HANDOFF:
        return
    if not handlers.command(run, event.name):
        run.note(note="masked", command=event.name)


def _time_is_up(run: Run, event: TimerFired) -> None:
    run.consumed = False
    here = run.here()
    move = choose(run, here, here.timer)
    if move is not None:
        take_move(run, here, move)


def _go_on(run: Run, event: Returned) -> None:
    """The parked work is on the stack already."""


_REACT: dict[type, Callable[[Run, Any], None]] = {
    Started: _start,
    Said: _hear,
    Postback: _press,
    Command: _command,
    Attended: attending.react,
    TimerFired: _time_is_up,
    Returned: _go_on,
}
