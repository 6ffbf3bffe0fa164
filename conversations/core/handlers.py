"""What comes before or instead of the current state: system commands, and the flow's own handlers from the flow on top down to the root.

A handler of a lower flow runs with that flow's variables and texts; where it goes, the flows above it are left.
"""

from collections.abc import Callable

from conversations.core import frames, states
from conversations.core.run import Fault, Run
from conversations.core.words import sentence
from flows.core.types import Handler, HandlerMode, HandlerTrigger, Json

DIGRESSION = 0.75  # how certain an intent must be to fire a handler
FREE_TEXT_DIGRESSION = 0.85  # the same while any text would be an answer

Hit = tuple[int, Handler]  # the frame it belongs to, and the handler

# Neither a careless `interruptible: false` nor a flow that forgot them may lock a user in; a state can still mask them by name.
ALWAYS = frozenset({"restart", "stop", "human"})


def find(run: Run, on: HandlerTrigger, value: str = "", *, always: bool = False) -> Hit | None:
    here = run.here()
    if not here.interruptible and not always:
        return None
    for level in range(len(run.work.frames) - 1, -1, -1):
        for handler in run.plan_at(level).handlers.get((on, value), ()):
            if handler.name not in here.masked:
                return level, handler
    return None


def for_intent(run: Run, certain: float) -> Hit | None:
    """The handler of the most certain intent that has one."""
    if not run.understanding.intents or not _any_intent_handlers(run):
        return None
    for intent, confidence in run.understanding.intents:
        if confidence < certain:
            return None
        hit = find(run, HandlerTrigger.INTENT, intent)
        if hit is not None:
            return hit
    return None


def _any_intent_handlers(run: Run) -> bool:
    if len(run.work.frames) == 1:
        return run.plan.has_intent_handlers
    return any(run.plan_at(level).has_intent_handlers for level in range(len(run.work.frames)))


def fire(run: Run, hit: Hit, *, fallback: bool = False) -> None:
    """Actions, then the handler's text, then where its mode leads."""
    level, handler = hit
    data: dict[str, Json] = {"handler": handler.name, "on": handler.on.value, "mode": handler.mode.value}
    if fallback:
        data["fallback"] = True
    run.emit("handled", data)
    run.note(note="handler", **data, value=handler.value, flow=run.work.frames[level].flow_id)
    run.consumed = True
    at = -1 if level == len(run.work.frames) - 1 else level
    MODES[handler.mode](run, at, handler)
    if handler.texts:
        run.ops.append(["say", at, handler.name])
    if handler.actions:
        run.ops.append(["acts", at, "", handler.name, 0])


def _inline(run: Run, at: int, handler: Handler) -> None:
    run.ops.append(["ask"])


def _push(run: Run, at: int, handler: Handler) -> None:
    run.ops.append(["ask"])
    run.ops.append(["push", handler.flow_id])


def _replace(run: Run, at: int, handler: Handler) -> None:
    run.ops.append(["replace", at, handler.flow_id])


def _goto(run: Run, at: int, handler: Handler) -> None:
    run.ops.append(["goto", at, handler.target_state])


MODES: dict[HandlerMode, Callable[[Run, int, Handler], None]] = {
    HandlerMode.INLINE: _inline,
    HandlerMode.PUSH: _push,
    HandlerMode.REPLACE: _replace,
    HandlerMode.GOTO: _goto,
}


# ── the operations that handlers leave on the stack ─────────────────────────────────────────────────────────────────────────────────


def say(run: Run, at: int, name: str) -> None:
    plan = run.plan_at(at)
    for handler in plan.program.flow.handlers:
        if handler.name == name:
            run.say(run.words(handler.texts, level=at))


def push(run: Run, flow_id: str) -> None:
    if not frames.push(run, flow_id, variables={}, returns={}):
        raise Fault("FLOW_NOT_FOUND", f"there is no flow {flow_id}")


def replace(run: Run, at: int, flow_id: str) -> None:
    depth = len(run.work.frames) if at == -1 else at + 1
    if not frames.replace(run, flow_id, depth=depth, variables={}):
        raise Fault("FLOW_NOT_FOUND", f"there is no flow {flow_id}")


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


# ── system commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def command(run: Run, name: str) -> bool:
    """The flow's own handler for it, else what it means by default. False when the state masks it or nobody knows it."""
    here = run.here()
    if name in here.masked or name not in DEFAULTS:
        return False
    hit = find(run, HandlerTrigger.COMMAND, name, always=name in ALWAYS)
    if hit is not None:
        fire(run, hit)
        return True
    if name == "cancel" and not here.interruptible:
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
    run.say(sentence("stop", run.work.locale))
    states.finish(run, "stopped")


def human(run: Run) -> None:
    """From now on the bot is silent; an operator's `resume` brings it back."""
    run.say(sentence("human", run.work.locale))
    run.emit("handed_over", {"reason": "asked for"})
    run.left = True
    run.ops.clear()


def assist(run: Run) -> None:
    run.say(sentence("help", run.work.locale))
    run.ops.append(["ask"])


def cancel(run: Run) -> None:
    """Leave the flow on top for the one below; the root flow ends."""
    run.say(sentence("cancelled", run.work.locale))
    if len(run.work.frames) > 1:
        frames.pop(run, {})
    else:
        states.finish(run, "cancelled")


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
    "repeat": repeat,
    "resume": resume,
}
