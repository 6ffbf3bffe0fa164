"""Between flows: what a call gives to a sub-flow and takes from it must be what that flow has."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from flows.core.definition.reading import json_step, listed, suggestion
from flows.core.program import variables_set
from flows.core.sites import all_actions
from flows.core.types import EndConfig, Flow, Problem, Severity, TriggerFlow

ALWAYS: Final = frozenset(("completion",))  # every flow gives how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What a flow takes and gives. `given` is what every end gives, `outputs` what at least one does."""

    inputs: frozenset[str]
    outputs: frozenset[str]
    given: frozenset[str]


def interface_of(flow: Flow) -> Interface:
    ends = [frozenset(state.config.outputs) for state in flow.states.values() if isinstance(state.config, EndConfig)]
    return Interface(
        inputs=frozenset((*flow.variables, *variables_set(flow), *flow.slots)),
        outputs=frozenset[str]().union(*ends) | ALWAYS,
        given=(frozenset.intersection(*ends) if ends else frozenset()) | ALWAYS,
    )


def check(flow: Flow, others: Mapping[str, Interface]) -> Iterator[Problem]:
    known = {**others, flow.flow_id: interface_of(flow)}
    for path, _, action in all_actions(flow):
        if isinstance(action, TriggerFlow) and action.flow_id in known:
            yield from call_problems(path, action, known[action.flow_id])


def call_problems(path: str, action: TriggerFlow, other: Interface) -> Iterator[Problem]:
    for name in action.inputs:
        if name not in other.inputs:
            yield problem(f"{path}.inputs{json_step(name)}", "unknown_input", f'"{action.flow_id}" has no variable "{name}"', name, other.inputs)
    for variable, name in action.outputs.items():
        here = f"{path}.outputs{json_step(variable)}"
        if name not in other.outputs:
            yield problem(here, "unknown_output", f'"{action.flow_id}" gives no output "{name}"', name, other.outputs, Severity.ERROR)
        elif name not in other.given:
            yield problem(here, "maybe_no_output", f'Not every end of "{action.flow_id}" gives "{name}"', name, ())


def problem(path: str, code: str, message: str, name: str, known: Collection[str], severity: Severity = Severity.WARNING) -> Problem:
    hint = suggestion(name, known) or "."
    return Problem(path=path, code=code, message=f"{message}{hint}", expected=listed(sorted(known)), severity=severity)
