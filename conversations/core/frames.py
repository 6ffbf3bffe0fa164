"""The stack of flows: start, push, pop, replace, unwind."""

from collections.abc import Mapping

from conversations.core.run import Fault, Run
from conversations.core.types import Frame
from flows.core.types import Json, Program

DEPTH = 10


def program_for(run: Run, flow_id: str, *, fall_back: bool) -> Program | None:
    """The current version of a flow, else (`fall_back`) of the tenant's default flow, else None."""
    book = run.book
    wanted = (flow_id, book.default_flow) if fall_back and book.default_flow else (flow_id,)
    for name in wanted:
        program = book.programs.get(book.current.get(name, ""))
        if program is not None:
            if name != flow_id:
                run.note(note="default_flow", missing=flow_id, used=name)
            return program
    return None


def opening(program: Program, variables: Mapping[str, Json]) -> dict[str, Json]:
    """The event data that every new frame begins with. Inputs that the flow does not declare are kept: templates may name them."""
    flow = program.flow
    initial = {name: one.initial for name, one in flow.variables.items() if one.initial is not None}
    return {"program": program.key, "flow_id": flow.flow_id, "state": flow.initial_state, "variables": {**initial, **variables}}


def begin(run: Run) -> None:
    """The frame on top is new: run its first state."""
    run.switch()
    run.changed()
    run.ops.append(["begin", run.work.frames[-1].state])


def push(run: Run, flow_id: str, *, variables: Mapping[str, Json], returns: Mapping[str, str], on_cancel: str = "") -> bool:
    """Run another flow, then come back to what is left to do now. False when there is no such flow."""
    program = program_for(run, flow_id, fall_back=False)
    if program is None:
        return False
    if len(run.work.frames) >= DEPTH:
        raise Fault("STATE_EXECUTION_ERROR", f"more than {DEPTH} flows inside each other")
    data = {**opening(program, variables), "returns": dict(returns), "agenda": list(run.ops)}
    if on_cancel:
        data["on_cancel"] = on_cancel
    run.emit("pushed", data)
    run.ops.clear()
    begin(run)
    return True


def pop(run: Run, outputs: Mapping[str, Json]) -> None:
    """The flow on top has ended: hand its outputs to the caller and go on with what the caller had left to do."""
    frames = run.work.frames
    caller: Frame = frames[-2]
    kept = {variable: outputs[name] for variable, name in frames[-1].returns.items() if name in outputs}
    run.emit("popped", {"flow_id": frames[-1].flow_id, "set": kept})
    run.switch()
    run.changed()
    run.ops.clear()
    run.ops.extend(caller.agenda)


def unwind(run: Run, depth: int) -> None:
    """Abandon the flows above the lowest `depth` ones."""
    if depth < len(run.work.frames):
        run.emit("unwound", {"depth": depth})
        run.switch()
        run.ops.clear()


def replace(run: Run, flow_id: str, *, depth: int, variables: Mapping[str, Json]) -> bool:
    """Leave the flow at `depth` (1 = the root), and those above it, for another. False when there is none, not even a default one."""
    program = program_for(run, flow_id, fall_back=True)
    if program is None:
        return False
    left = run.work.frames[depth - 1]
    data = {**opening(program, variables), "returns": dict(left.returns), "depth": depth - 1}
    if left.on_cancel:
        data["on_cancel"] = left.on_cancel
    run.emit("replaced", data)
    run.ops.clear()
    begin(run)
    return True
