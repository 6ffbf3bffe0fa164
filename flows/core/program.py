"""From a parsed flow to what the engine runs: every expression and template compiled once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from flows.core.definition.reading import IDENTIFIER
from flows.core.durations import milliseconds
from flows.core.expressions import Environment, Fault, ScopeTypes
from flows.core.sites import TEMPLATES, all_actions, sites, state_sites
from flows.core.templates import compile_in
from flows.core.types import (
    CallIntegration,
    Each,
    Expression,
    Flow,
    IntegrationConfig,
    Problem,
    Program,
    SetVariable,
    SlotFillingConfig,
    SlotRule,
    SlotType,
    State,
    Template,
    Transition,
    TriggerFlow,
)

SLOT_TYPES: Final[Mapping[SlotType, str]] = {
    **dict.fromkeys(SlotType, "string"),
    SlotType.INTEGER: "int",
    SlotType.NUMBER: "double",
    SlotType.MONEY: "double",
    SlotType.BOOLEAN: "bool",
    SlotType.ATTACHMENT: "map",
    SlotType.DATE_RANGE: "map",
    SlotType.TIME_RANGE: "map",
}
ALWAYS: Final[ScopeTypes] = {
    "profile": "map",
    "message.text": "string",
    "message.intent": "string",
    "message.confidence": "double",
    "message.attributes": "map",
    "conversation.id": "string",
    "conversation.locale": "string",
    "conversation.channel": "string",
    "error.code": "string",
    "error.message": "string",
    "now": "timestamp",
    "columns": "map",
}
LISTED: Final = frozenset((SlotType.ENUM, SlotType.PRODUCT))
# Only slot rules, response mappings and the engine's sentences get values for these.
EXTRA: Final[ScopeTypes] = {"value": "dyn", "response": "dyn", "facts": "map"}


def slot_type(rule: SlotRule) -> str:
    """The CEL type of the slot's value."""
    return "list" if rule.multiple and rule.type in LISTED else SLOT_TYPES[rule.type]


def scope_types(flow: Flow) -> dict[str, str]:
    """The names that expressions of this flow may use, dotted, with their CEL types.

    Variables that the flow sets without declaring them are of type dyn. An integration whose id is no identifier is read as
    `results["its-id"]`: then the whole of `results` is in scope too.
    """
    ids = integration_ids(flow)
    return {
        **ALWAYS,
        **{f"slots.{name}": slot_type(rule) for name, rule in flow.slots.items()},
        **{f"filled.{name}": "bool" for name in flow.slots},
        **{f"labels.{name}": "string" for name, rule in flow.slots.items() if rule.type in LISTED},
        **{f"products.{name}": "list" if rule.multiple else "map" for name, rule in flow.slots.items() if rule.type is SlotType.PRODUCT},
        **{f"variables.{name}": "dyn" for name in variables_set(flow)},
        **{f"variables.{name}": variable.type for name, variable in flow.variables.items()},
        **{f"results.{name}": "dyn" for name in ids if IDENTIFIER.fullmatch(name)},
        **({} if all(IDENTIFIER.fullmatch(name) for name in ids) else {"results": "map"}),
    }


def integration_calls(flow: Flow) -> Iterator[tuple[str, IntegrationConfig]]:
    """(state, call) of every integration that the flow calls, by states and by actions."""
    for state in flow.states.values():
        if isinstance(state.config, IntegrationConfig):
            yield state.name, state.config
    for _, state_name, action in all_actions(flow):
        if isinstance(action, CallIntegration):
            yield state_name, action.call


def integration_ids(flow: Flow) -> frozenset[str]:
    return frozenset(call.integration_id for _, call in integration_calls(flow))


def variables_set(flow: Flow) -> frozenset[str]:
    """The variables that something in the flow gives a value."""
    found = {name for _, call in integration_calls(flow) for name in call.response_mapping}
    for _, _, action in all_actions(flow):
        if isinstance(action, SetVariable):
            found.add(action.name)
        if isinstance(action, TriggerFlow):
            found.update(action.outputs)
        found.update(names_of(action.for_each))
    return frozenset(found - {""})


def names_of(each: Each | None) -> tuple[str, ...]:
    """The variables that a loop over a list sets."""
    return (each.item, each.index) if each is not None else ()


def compile_program(flow: Flow, key: str) -> tuple[Program | None, list[Problem]]:
    """The program, or a problem for each expression and template that does not compile. `lint.check` says more."""
    environment = Environment({**scope_types(flow), **EXTRA})
    expressions: dict[str, Expression] = {}
    templates: dict[str, Template] = {}
    problems: list[Problem] = []
    for site in sites(flow):
        known: dict[str, Expression] | dict[str, Template] = templates if site.kind in TEMPLATES else expressions
        if site.source in known:
            continue
        compiled, faults = compile_in(environment, site.source) if site.kind in TEMPLATES else environment.compile(site.source)
        problems += problems_of(site.path, "bad_template" if site.kind in TEMPLATES else "bad_expression", faults)
        if compiled is not None:
            known[site.source] = compiled  # type: ignore[assignment]  # the dict was chosen by the kind of site
    if problems:
        return None, problems
    reads = {state.name: slots_read(state, expressions, templates) for state in flow.states.values()}
    metadata = reads_metadata(flow, (*expressions.values(), *templates.values()))
    made = Program(key=key, flow=flow, ordered=ordered(flow), expressions=expressions, templates=templates, reads=reads, reads_metadata=metadata)
    return made, []


def reads_metadata(flow: Flow, compiled: Iterable[Expression | Template]) -> bool:
    """Whether a step needs the tenant's product metadata."""
    return any(rule.type is SlotType.PRODUCT for rule in flow.slots.values()) or any("columns" in one.reads for one in compiled)


def problems_of(path: str, code: str, faults: list[Fault]) -> list[Problem]:
    return [Problem(path=path, code=code, message=f"Column {column}: {message}.") for column, message in faults]


def ordered(flow: Flow) -> dict[str, tuple[Transition, ...]]:
    return {state.name: in_order(state) for state in flow.states.values()}


def in_order(state: State) -> tuple[Transition, ...]:
    """The transitions as they are tried: by priority, ties in document order."""
    return tuple(sorted(state.transitions, key=lambda transition: (transition.priority, transition.index)))


def slots_read(state: State, expressions: Mapping[str, Expression], templates: Mapping[str, Template]) -> frozenset[str]:
    names = set[str]()
    for site in state_sites(state):
        names |= (templates if site.kind in TEMPLATES else expressions)[site.source].reads
    required = state.config.required_slots if isinstance(state.config, SlotFillingConfig) else ()
    return frozenset(name.partition(".")[2] for name in names if name.startswith(("slots.", "filled.", "labels.", "products."))) | frozenset(required)


def timeout_ms(state: State, transition: Transition) -> int:
    """How long a `timeout` transition waits: what it says, or else the state's own; 0 when neither says anything."""
    return milliseconds(transition.condition_value) or state.timeout_ms
