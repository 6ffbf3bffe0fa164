"""What comes before or instead of the current state: system commands, and the flow's own handlers from the flow on top down to the root.

A handler of a lower flow runs with that flow's variables and texts; where it goes, the flows above it are left.
"""

from collections.abc import Callable

from conversations.core import frames, handover, states, undoing
from conversations.core.plan import StatePlan
from conversations.core.run import NO_PLAN, Fault, Level, Run
from conversations.core.scope import Guard
from flows.core.types import EvaluationFailed, Handler, HandlerMode, HandlerTrigger, Json

DIGRESSION = 0.75  # how certain an intent must be to fire a handler
FREE_TEXT_DIGRESSION = 0.85  # the same while any text would be an answer

TENANT = ""  # the level of what belongs to no flow

Hit = tuple[Level, Handler]  # the frame it belongs to (or TENANT), and the handler

# Neither a careless `interruptible: false` nor a flow that forgot them may lock a user in; a state can still mask them by name.
ALWAYS = frozenset({"restart", "stop", "human"})


def find(run: Run, on: HandlerTrigger, value: str = "", *, always: bool = False) -> Hit | None:
    here = run.here()
    if not always and not interruptible(run, here):
        return None
    for level in range(len(run.work.frames) - 1, -1, -1):
        for handler in run.plan_at(level).handlers.get((on, value), ()):
            if handler.name not in here.masked and _applies(run, level, handler):
                return level, handler
    return _tenants_own(run, here, on, value)


def _tenants_own(run: Run, here: StatePlan, on: HandlerTrigger, value: str) -> Hit | None:
    plan = run.tenant
    if plan is NO_PLAN:
        return None
    for handler in plan.handlers.get((on, value), ()):
        if handler.name not in here.masked and _applies(run, TENANT, handler):
            return TENANT, handler
    return None


def interruptible(run: Run, here: StatePlan) -> bool:
    """Whether handlers fire here: a flag of the state, or an expression that is asked now. One that fails says no."""
    if here.interruptible_when is None:
        return bool(here.interruptible)
    return _true(run, here.interruptible_when, -1)


def _applies(run: Run, level: Level, handler: Handler) -> bool:
    """The handler's own `when`."""
    guard = run.plan_at(level).guard(handler.when) if handler.when else None
    return not handler.when or (guard is not None and _true(run, guard, level))


def _true(run: Run, guard: Guard, level: Level) -> bool:
    before, run.level = run.level, level
    try:
        return guard.value(run) is True
    except EvaluationFailed:
        return False
    finally:
        run.level = before


def for_intent(run: Run, certain: float) -> Hit | None:
    """The handler of the most certain intent that has one: of the flows on the stack, then of the tenant, then what triggers a flow."""
    heard = run.understanding
    if heard.intents and _any_intent_handlers(run):
        for intent, confidence in heard.intents:
            if confidence < certain:
                break
            hit = find(run, HandlerTrigger.INTENT, intent)
            if hit is not None:
                return hit
    if heard.tenant or heard.triggers:
        return _from_afar(run, certain)
    return None


def _from_afar(run: Run, certain: float) -> Hit | None:
    """Intents that no flow on the stack knows: the tenant's, then those that start a flow."""
    here = run.here()
    if not interruptible(run, here):
        return None
    for intent, confidence in run.understanding.tenant:
        hit = _tenants_own(run, here, HandlerTrigger.INTENT, intent) if confidence >= certain else None
        if hit is not None:
            return hit
    running = {frame.flow_id for frame in run.work.frames}
    for flow_id, confidence in run.understanding.triggers:
        if flow_id in running or flow_id in here.masked:
            continue
        for trigger in run.book.triggers.get(flow_id, ()):
            if confidence >= max(certain, trigger.confidence):
                mode = HandlerMode.REPLACE if trigger.replace else HandlerMode.PUSH
                return TENANT, Handler(name=flow_id, on=HandlerTrigger.INTENT, value=trigger.intent, mode=mode, flow_id=flow_id)
    return None


def _any_intent_handlers(run: Run) -> bool:
    if run.tenant.has_intent_handlers:
        return True
    if len(run.work.frames) == 1:
        return run.plan.has_intent_handlers
    return any(run.plan_at(level).has_intent_handlers for level in range(len(run.work.frames)))


def fire(run: Run, hit: Hit, *, fallback: bool = False) -> None:
    """Actions, then the handler's text, then where its mode leads."""
    level, handler = hit
    data: dict[str, Json] = {"handler": handler.name, "on": handler.on.value, "mode": handler.mode.value}
    if fallback:
        data["fallback"] = True
    if isinstance(level, str):
        data["scope"] = "tenant" if handler.name not in run.book.triggers else "trigger"
    if handler.value:
        data["value"] = handler.value
    run.emit("handled", data)
    run.note(note="handler", **data, flow=run.work.frames[level].flow_id if isinstance(level, int) else "")
    run.consumed = True
    at: Level = -1 if level == len(run.work.frames) - 1 else level
    MODES[handler.mode](run, at, handler)
    if handler.texts:
        run.ops.append(["say", at, handler.name])
    if handler.actions:
        run.ops.append(["acts", at, "", handler.name, 0])


def _inline(run: Run, at: Level, handler: Handler) -> None:
    run.ops.append(["ask"])


def _push(run: Run, at: Level, handler: Handler) -> None:
    run.ops.append(["ask"])
    run.ops.append(["push", handler.flow_id])


def _replace(run: Run, at: Level, handler: Handler) -> None:
    run.ops.append(["replace", at, handler.flow_id])


def _goto(run: Run, at: Level, handler: Handler) -> None:
    run.ops.append(["goto", at, handler.target_state])


MODES: dict[HandlerMode, Callable[[Run, Level, Handler], None]] = {
    HandlerMode.INLINE: _inline,
    HandlerMode.PUSH: _push,
    HandlerMode.REPLACE: _replace,
    HandlerMode.GOTO: _goto,
}


def say(run: Run, at: Level, name: str) -> None:
    plan = run.plan_at(at)
    for handler in plan.program.flow.handlers:
        if handler.name == name:
            run.tell(handler.texts, level=at)


def push(run: Run, flow_id: str) -> None:
    if not frames.push(run, flow_id, variables={}, returns={}):
        raise Fault("FLOW_NOT_FOUND", f"there is no flow {flow_id}")
    run.ops.append(["volunteer"])


def replace(run: Run, at: Level, flow_id: str) -> None:
    """The flow that the handler belongs to, and those above it, make room; for a handler of nobody's all of them do."""
    depth = 1 if isinstance(at, str) else len(run.work.frames) if at == -1 else _number(at) + 1
    if not frames.replace(run, flow_id, depth=depth, variables={}):
        raise Fault("FLOW_NOT_FOUND", f"there is no flow {flow_id}")
    run.ops.append(["volunteer"])


def _number(at: Level) -> int:
    return at if isinstance(at, int) else -1


def goto(run: Run, at: int, state: str) -> None:
    """Within the flow that the handler belongs to."""
    if at != -1:
        frames.unwind(run, at + 1)
    run.ops.clear()
    run.ops.append(["go", state])


def go(run: Run, state: str) -> None:
    here = run.here()
    run.ops.append(["enter", state, None])
    if here.exits:
        run.ops.append(["acts", -1, here.name, "exit", 0])


def command(run: Run, name: str) -> bool:
    """The flow's own handler for it, else what it means by default. False when the state masks it or nobody knows it."""
    here = run.here()
    if name in here.masked or name not in DEFAULTS:
        return False
    hit = find(run, HandlerTrigger.COMMAND, name, always=name in ALWAYS)
    if hit is not None:
        fire(run, hit)
        return True
    if name in ("cancel", "cancel_all") and not interruptible(run, here):
        return False
    run.note(note="command", command=name)
    run.consumed = True
    DEFAULTS[name](run)
    return True


def restart(run: Run) -> None:
    """The root flow again from its beginning, in its current version; slots, variables and results are forgotten."""
    root = run.work.frames[0]
    program = frames.program_for(run, root.flow_id, fall_back=False) or run.book.programs[root.program]
    run.emit("restarted", frames.opening(program, {}))
    run.ops.clear()
    frames.begin(run)


def stop(run: Run) -> None:
    run.say(run.sentence("stop"))
    states.finish(run, "stopped")


def human(run: Run, reason: str = "asked for") -> None:
    """From now on the bot is silent; an operator's `resume` brings it back."""
    run.say(run.sentence("human"))
    run.emit("handed_over", handover.terms(run, reason))
    run.left = True
    run.ops.clear()


def assist(run: Run) -> None:
    run.say(run.sentence("help"))
    run.ops.append(["ask"])


def cancel(run: Run) -> None:
    """Leave the flow on top for the one below, after taking back what it did; the root flow ends."""
    run.say(run.sentence("cancelled"))
    undoing.abandon(run, len(run.work.frames) - 1)


def cancel_all(run: Run) -> None:
    """Every flow on the stack: the conversation ends."""
    run.say(run.sentence("cancelled"))
    undoing.abandon(run, 0)


def repeat(run: Run) -> None:
    run.ops.append(["ask"])


def resume(run: Run) -> None:
    run.emit("resumed", {})
    run.left = True  # its timers were cancelled when the person took over
    run.ops.append(["ask"])


DEFAULTS: dict[str, Callable[[Run], None]] = {
    "restart": restart,
    "stop": stop,
    "human": human,
    "help": assist,
    "cancel": cancel,
    "cancel_all": cancel_all,
    "repeat": repeat,
    "resume": resume,
}
