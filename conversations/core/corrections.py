"""A filled slot gets another value: where the conversation takes up again, and when it asks first."""

from collections.abc import Mapping
from typing import Final

from conversations.core.run import Run
from flows.core.program import integration_calls
from flows.core.types import IntegrationConfig, Json

REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
PENDING: Final = "_correction"  # the values that wait for a yes, among the variables of the flow; no author can use the name


def reader(run: Run, names: frozenset[str]) -> str:
    """The earliest visited state that read one of these slots; "" when the conversation has passed none.

    Only within the flow at the bottom: the history does not tell the states of several flows apart.
    """
    if len(run.work.frames) > 1:
        return ""
    program, here = run.plan.program, run.work.frames[-1].state
    visited = (state for state in run.work.history if state != here and state in program.flow.states)
    return next((state for state in visited if program.reads.get(state, frozenset()) & names), "")


def sent_since(run: Run, state: str) -> bool:
    """Whether a call that must not be repeated has succeeded since `state` was first visited."""
    passed = {*run.work.history[run.work.history.index(state) :], run.work.frames[-1].state}
    calls = integration_calls(run.plan.program.flow)
    return any(name in passed and call.integration_id in run.work.results and not _repeatable(call) for name, call in calls)


def _repeatable(call: IntegrationConfig) -> bool:
    return call.method.upper() in REPEATABLE or bool(call.retry_config.get("idempotent"))


def take_up(run: Run, state: str) -> None:
    """Leave the present state and go on from `state`, which now reads the new value."""
    run.note(note="corrected", enters=state)
    run.ops.append(["go", state])


def hold(run: Run, values: Mapping[str, Json]) -> None:
    run.emit("variables_set", {"set": {PENDING: dict(values)}})


def release(run: Run) -> None:
    run.emit("variables_set", {"set": {}, "cleared": [PENDING]})


def held(run: Run) -> Mapping[str, Json]:
    """The values that wait for a yes; empty when none do."""
    found: Mapping[str, Json] = run.work.frames[-1].variables.get(PENDING) or {}
    return found
