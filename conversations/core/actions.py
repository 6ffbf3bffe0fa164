"""The six actions. Each returns True when it took over: it blocked, pushed a flow or went somewhere else.

A failing send or log carries on; a failing set_variable, call or trigger follows its `on_error` (continue | goto | fail).
"""

from collections.abc import Callable
from typing import Any

from conversations.core import calls, filling, frames, undoing
from conversations.core.run import Fault, Level, Run
from conversations.core.slots import Extracted, Refused
from conversations.core.values import Unfit, plain, typed
from flows.core.types import (
    Action,
    CallIntegration,
    ClearVariable,
    Each,
    EvaluationFailed,
    Json,
    LogEvent,
    OnCancel,
    OnError,
    SendMessage,
    SetVariable,
    TriggerFlow,
)

MOST_ROUNDS = 1_000  # of one action over one list


def perform(run: Run, level: Level, state: str, place: str, start: int) -> None:
    """Run a list of actions from number `start` until its end, or until one of them takes over."""
    plan = run.plan_at(level)
    actions = plan.actions[state, place]
    run.level = level
    for number in range(start, len(actions)):
        action = actions[number]
        at = [level, state, place, number]
        if action.for_each is not None:
            run.ops.append(["acts", level, state, place, number + 1])
            run.ops.append(["each", *at, 0])
            break
        if (not action.when or _holds(run, action)) and ACTIONS[type(action)](run, action, at):
            break
    run.level = -1


def each(run: Run, level: Level, state: str, place: str, number: int, index: int) -> None:
    """One action for every item of a list, from item `index`. The list is worked out anew for every round: it may change on the way."""
    action = run.plan_at(level).actions[state, place][number]
    loop = action.for_each
    run.level = level
    while loop is not None and index < MOST_ROUNDS and (items := _items(run, loop)) and index < _rounds(items, loop):
        _set_item(run, loop, items, index)
        index += 1
        if action.when and not _holds(run, action):
            continue
        run.ops.append(["each", level, state, place, number, index])
        if ACTIONS[type(action)](run, action, [level, state, place, number]):
            run.level = -1
            return
        run.ops.pop()
    run.level = -1


def _items(run: Run, loop: Each) -> list[Json]:
    """What is no list, or cannot be worked out, has no items; a map's items are {key, value}."""
    try:
        value = plain(_value(run, loop.items))
    except (EvaluationFailed, Unfit) as failure:
        run.note(note="for_each", why=str(failure))
        return []
    if isinstance(value, dict):
        return [{"key": key, "value": item} for key, item in value.items()]
    return value if isinstance(value, list) else []


def _rounds(items: list[Json], loop: Each) -> int:
    return -(-len(items) // loop.page_size) if loop.page_size else len(items)


def _set_item(run: Run, loop: Each, items: list[Json], index: int) -> None:
    size = loop.page_size
    item = items[index * size : (index + 1) * size] if size else items[index]
    calls.set_variables(run, {loop.item: item, **({loop.index: index} if loop.index else {})})


def _holds(run: Run, action: Action) -> bool:
    """The action's `when`; one that fails is false."""
    try:
        return _value(run, action.when) is True
    except EvaluationFailed as failure:
        run.note(note="action_when", action=type(action).__name__, why=str(failure))
        return False


def send_message(run: Run, action: SendMessage, at: list[Json]) -> bool:
    run.tell(action.text, level=run.level, delay_ms=action.delay_ms)
    run.actions.append("send_message")
    return False


def set_variable(run: Run, action: SetVariable, at: list[Json]) -> bool:
    if action.slot:
        return _set_slot(run, action)
    plan = run.plan_at(run.level)
    declared = plan.program.flow.variables.get(action.name)
    try:
        value = _value(run, action.expression) if action.expression else action.value
        value = typed(value, declared)
    except (EvaluationFailed, Unfit) as failure:
        return failed(run, action, f"set_variable:{action.name}", str(failure))
    calls.set_variables(run, {action.name: value})
    run.actions.append(f"set_variable:{action.name}")
    return False


def _set_slot(run: Run, action: SetVariable) -> bool:
    """A slot takes only what its rule allows."""
    try:
        value = plain(_value(run, action.expression)) if action.expression else action.value
    except (EvaluationFailed, Unfit) as failure:
        return failed(run, action, f"set_variable:slots.{action.slot}", str(failure))
    found = filling.accepted(run, filling.anywhere(run, action.slot), value)
    if not isinstance(found, Extracted):
        why = found.reason if isinstance(found, Refused) else "the slot does not take this value"
        return failed(run, action, f"set_variable:slots.{action.slot}", why)
    filling.fill(run, {action.slot: found.value})
    run.actions.append(f"set_variable:slots.{action.slot}")
    return False


def _value(run: Run, source: str) -> Any:
    guard = run.plan_at(run.level).guard(source)
    if guard is None:
        raise EvaluationFailed(f"{source} was not compiled")
    return guard.value(run)


def clear_variable(run: Run, action: ClearVariable, at: list[Json]) -> bool:
    """Back to its initial value, if it has one; a slot is empty again."""
    if action.slot:
        filling.clear(run, (action.slot,))
        run.actions.append(f"clear_variable:slots.{action.slot}")
        return False
    initial = run.plan_at(run.level).initial
    if action.name in initial:
        calls.set_variables(run, {action.name: initial[action.name]})
    else:
        calls.set_variables(run, {}, cleared=(action.name,))
    run.actions.append(f"clear_variable:{action.name}")
    return False


def log_event(run: Run, action: LogEvent, at: list[Json]) -> bool:
    plan = run.plan_at(run.level)
    data = {}
    for key, source in action.data.items():
        words = plan.words(source)
        data[key] = words.text(run) if words is not None else source
    run.emit("logged", {"name": action.name, "data": data})
    run.actions.append(f"log_event:{action.name}")
    return False


def call_integration(run: Run, action: CallIntegration, at: list[Json]) -> bool:
    level, state, place, number = at
    call = calls.call_for(run, action.call, f"{state}/{place}/{number}")
    if isinstance(call, str):
        return failed(run, action, f"call_integration:{action.call.integration_id}", call)
    run.block(call, ["called", level, state, place, number], calls.facts_of(call))
    return True


def called(run: Run, level: Level, state: str, place: str, number: int) -> None:
    """A call_integration action came back: settle it and go on with the rest of its list."""
    action = run.plan_at(level).actions[state, place][number]
    outcome = run.outcome
    if not isinstance(action, CallIntegration) or outcome is None:
        raise Fault("STATE_EXECUTION_ERROR", "an effect came back to an action that did not ask for it")
    run.level = level
    calls.settle(run, action.call, outcome)
    name = f"call_integration:{action.call.integration_id}"
    took_over = False
    if outcome.success:
        run.actions.append(name)
        if action.compensation:
            undoing.remember(run, level, state, f"{place}.{number}.undo")
    else:
        took_over = failed(run, action, name, outcome.error or outcome.code, code=outcome.code or "INTEGRATION_ERROR")
    run.level = -1
    if not took_over and action.for_each is None:
        perform(run, level, state, place, number + 1)


def trigger_flow(run: Run, action: TriggerFlow, at: list[Json]) -> bool:
    level, state, place, number = at
    try:
        inputs = {name: plain(_value(run, source)) for name, source in action.inputs.items()}
    except (EvaluationFailed, Unfit) as failure:
        return failed(run, action, f"trigger_flow:{action.flow_id}", str(failure))
    if action.replace:
        found = frames.replace(run, action.flow_id, depth=_depth(run, level), variables=inputs)
    else:
        if action.for_each is None:
            run.ops.append(["acts", level, state, place, number + 1])
        on_cancel = action.on_cancel.value if action.on_cancel is not OnCancel.CONTINUE else ""
        found = frames.push(run, action.flow_id, variables=inputs, returns=action.outputs, on_cancel=on_cancel)
        if not found and action.for_each is None:
            run.ops.pop()
    if not found:
        return failed(run, action, f"trigger_flow:{action.flow_id}", f"there is no flow {action.flow_id}", code="FLOW_NOT_FOUND")
    run.actions.append(f"trigger_flow:{action.flow_id}")
    return True


def _depth(run: Run, level: Level) -> int:
    """How many flows are left with the one that is replaced as the last; what belongs to no flow replaces all."""
    if not isinstance(level, int):
        return 1
    return level + 1 if level >= 0 else len(run.work.frames)


def failed(run: Run, action: Action, name: str, why: str, *, code: str = "STATE_EXECUTION_ERROR") -> bool:
    """Do what `on_error` says; True when that leads elsewhere."""
    run.actions.append(f"{name}:failed")
    run.note(note="action_failed", action=name, why=why, on_error=action.on_error.value)
    run.error = {"code": code, "message": why}
    if action.on_error is OnError.FAIL:
        raise Fault(code, f"{name}: {why}")
    if action.on_error is OnError.GOTO and action.goto:
        if isinstance(run.level, int) and run.level != -1:
            frames.unwind(run, run.level + 1)
        run.ops.clear()
        run.ops.append(["enter", action.goto, None])
        return True
    return False


ACTIONS: dict[type, Callable[[Run, Any, list[Json]], bool]] = {
    SendMessage: send_message,
    SetVariable: set_variable,
    ClearVariable: clear_variable,
    LogEvent: log_event,
    CallIntegration: call_integration,
    TriggerFlow: trigger_flow,
}
