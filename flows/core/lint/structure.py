"""The shape of a flow: states that nothing reaches, dead ends, transitions that cannot fire, loops that no user can stop."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from flows.core.expressions import chains
from flows.core.lint.graph import (
    ENTRY,
    Edge,
    Sorted,
    cycles,
    edges,
    handler_targets,
    is_always,
    knots,
    neighbours,
    reachable,
    sort,
)
from flows.core.lint.implied import filled_when_taken, unfilled_when_passed, unfilled_when_taken
from flows.core.sites import state_actions, state_path
from flows.core.types import (
    CallIntegration,
    ClearVariable,
    Condition,
    Flow,
    IntegrationConfig,
    Problem,
    SetVariable,
    Severity,
    SlotFillingConfig,
    State,
    StateType,
    Transition,
    TriggerFlow,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """A flow with its transitions sorted out, made once for all checks."""

    flow: Flow
    sorted: Mapping[str, Sorted]
    edges: list[Edge]
    reached: frozenset[str]

    def live(self, state: str) -> tuple[Transition, ...]:
        return self.sorted[state].live


def shape_of(flow: Flow) -> Shape:
    found = {state.name: sort(state) for state in flow.states.values()}
    ways = edges(flow, {name: item.live for name, item in found.items()})
    starts = [name for name in (flow.initial_state, *sorted(handler_targets(flow))) if name in flow.states]
    return Shape(flow, found, ways, reachable(starts, neighbours(ways)))


def warning(path: str, code: str, message: str, expected: str = "") -> Problem:
    return Problem(path=path, code=code, message=message, expected=expected, severity=Severity.WARNING)


def check(shape: Shape) -> list[Problem]:
    return [*unreachable(shape), *dead_ends(shape), *never_fire(shape), *without_default(shape), *half_handled(shape), *loops(shape)]


def unreachable(shape: Shape) -> Iterator[Problem]:
    for name in shape.flow.states:
        if name not in shape.reached:
            yield warning(state_path(name), "unreachable_state", f'Nothing leads to the state "{name}".', "a transition or a handler to it")


def dead_ends(shape: Shape) -> Iterator[Problem]:
    for state in shape.flow.states.values():
        if state.type is StateType.END or shape.live(state.name):
            continue
        yield Problem(
            path=f"{state_path(state.name)}.transitions",
            code="dead_end",
            message="No transition leaves this state." if not state.transitions else "None of these transitions can be taken.",
            expected="a transition that can be taken, or type end",
        )


def never_fire(shape: Shape) -> Iterator[Problem]:
    for name, found in shape.sorted.items():
        for transition, reason in found.dead:
            yield warning(f"{state_path(name)}.transitions[{transition.index}]", "never_fires", f"This is never taken: {reason}.")


def without_default(shape: Shape) -> Iterator[Problem]:
    """States that only try guards: when none is true, nothing can wake the conversation."""
    for state in shape.flow.states.values():
        live = shape.live(state.name)
        if not live or state.type not in STUCK_WITHOUT or covers_both_ways(live):
            continue
        if any(transition.condition not in ENTRY or is_always(transition) or not tried_on_entry(state, transition) for transition in live):
            continue
        if state.type is StateType.SLOT_FILLING and any(item.condition is Condition.SLOT_FILLED for item in live):
            continue
        yield warning(
            f"{state_path(state.name)}.transitions",
            "no_default",
            "When no expression is true, the conversation fails here.",
            'a last transition with the expression "true"',
        )


STUCK_WITHOUT: Final = frozenset((StateType.RESPONSE, StateType.CONDITION, StateType.SLOT_FILLING))


def tried_on_entry(state: State, transition: Transition) -> bool:
    """A guard over the message is tried when a message comes, except in condition states, which never wait."""
    over_message = any(name.startswith("message.") for name in chains(transition.expression))
    return transition.condition in ENTRY and (state.type is StateType.CONDITION or not over_message)


def covers_both_ways(transitions: tuple[Transition, ...]) -> bool:
    """Whether a guard and its negation are both there."""
    guards = {transition.expression for transition in transitions}
    return any(f"!{guard}" in guards or f"!({guard})" in guards for guard in guards)


def half_handled(shape: Shape) -> Iterator[Problem]:
    """Integration states that know what to do with only one of the two results."""
    for state in shape.flow.states.values():
        live = shape.live(state.name)
        if not isinstance(state.config, IntegrationConfig) or not live or any(map(is_always, live)):
            continue
        conditions = {transition.condition for transition in live}
        path = f"{state_path(state.name)}.transitions"
        if Condition.INTEGRATION_SUCCESS not in conditions:
            yield warning(path, "no_success_branch", "When the call succeeds, the conversation fails here.", "a transition on integration_success")
        if Condition.INTEGRATION_ERROR not in conditions and "goto" not in state.config.error_handling:
            yield warning(path, "no_error_branch", "When the call fails, the turn ends with an apology.", "a transition on integration_error")


def loops(shape: Shape) -> Iterator[Problem]:
    """Cycles that the engine goes round without waiting for anybody."""
    silent = [edge for edge in shape.edges if goes_on_alone(shape.flow, edge)]
    silent = [edge for edge in silent if not waits_for_slot(shape, edge, silent)]
    hard = [edge for edge in silent if not edge_calls(shape.flow, edge)]
    certain = neighbours(unchanged(shape, hard))
    for cycle in cycles(certain):
        yield Problem(
            path=state_path(cycle[0]),
            code="silent_loop",
            message=f"This goes round without waiting for input: {shown(cycle)}.",
            expected="a state that waits for a message, or a transition that is not taken again; filled slots stay filled",
        )
    yield from doubtful(neighbours(hard), certain, "possible_loop", "This goes round without waiting until its data says otherwise")
    yield from doubtful(neighbours(silent), neighbours(hard), "call_loop", "This calls integrations again and again without waiting for input")


def doubtful(wide: Mapping[str, list[str]], narrow: Mapping[str, list[str]], code: str, message: str) -> Iterator[Problem]:
    """The cycles of `wide` that are not cycles of `narrow` already."""
    known = {name for knot in knots(narrow) for name in knot}
    rest = {name: [target for target in targets if not {name, target} <= known] for name, targets in wide.items()}
    for cycle in cycles(rest):
        yield warning(state_path(cycle[0]), code, f"{message}: {shown(cycle)}.")


def shown(cycle: list[str]) -> str:
    names = cycle if len(cycle) <= 12 else [*cycle[:10], "…", cycle[-1]]
    return " → ".join(names)


def goes_on_alone(flow: Flow, edge: Edge) -> bool:
    """Whether this way can be taken without input, a timer or a sub-flow (which may wait)."""
    state, transition = flow.states[edge.source], edge.transition
    if transition is None:
        return False
    alone = state.type is StateType.INTEGRATION or (tried_on_entry(state, transition) and not asks_again(state, transition))
    actions = (*state.entry_actions, *state.exit_actions, *transition.actions)
    return alone and not any(isinstance(action, TriggerFlow) for action in actions)


def asks_again(state: State, transition: Transition) -> bool:
    """A state that asks anew on every entry waits before its slots are filled."""
    config = state.config
    if not isinstance(config, SlotFillingConfig):
        return False
    rated = {config.csat.score} if config.csat is not None else set[str]()
    anew = {*config.ask_again, *rated} & set(config.required_slots)
    every = transition.condition is Condition.SLOT_FILLED and not transition.condition_value
    return bool(anew & (set(config.required_slots) if every else filled_when_taken(transition)))


def waits_for_slot(shape: Shape, edge: Edge, silent: list[Edge]) -> bool:
    """Whether this way is taken only while a slot is open for which every way back to here would wait."""
    return any(edge.source not in reachable([edge.target], around(shape.flow, slot, silent)) for slot in open_slots(shape, edge))


def open_slots(shape: Shape, edge: Edge) -> frozenset[str]:
    """The slots that are known not to be filled when this way is taken."""
    if edge.transition is None:
        return frozenset()
    found = set(unfilled_when_taken(edge.transition))
    for earlier in shape.live(edge.source):
        if earlier is edge.transition:
            break
        found |= unfilled_when_passed(earlier)
    return frozenset(found)


def around(flow: Flow, slot: str, silent: list[Edge]) -> dict[str, list[str]]:
    """The silent ways that do not lead through a state which asks for the slot."""
    return neighbours(edge for edge in silent if not asks_for(flow, edge.source, slot))


def asks_for(flow: Flow, state: str, slot: str) -> bool:
    config = flow.states[state].config
    return isinstance(config, SlotFillingConfig) and slot in config.required_slots


def edge_calls(flow: Flow, edge: Edge) -> bool:
    state = flow.states[edge.source]
    taken = edge.transition.actions if edge.transition else ()
    actions = (*state.entry_actions, *state.exit_actions, *taken)
    return state.type is StateType.INTEGRATION or any(isinstance(action, CallIntegration) for action in actions)


def unchanged(shape: Shape, silent: list[Edge]) -> list[Edge]:
    """Without the edges whose guard, or one that is tried before it, reads a variable that its own knot sets: those may end."""
    flow = shape.flow
    changed: dict[str, frozenset[str]] = {}
    for knot in knots(neighbours(silent)):
        changed |= dict.fromkeys(knot, variables_set_in(flow, knot))
    return [edge for edge in silent if not decided_by(shape, edge) & changed.get(edge.source, frozenset())]


def variables_set_in(flow: Flow, names: Collection[str]) -> frozenset[str]:
    actions = [action for name in names for _, _, action in state_actions(flow.states[name])]
    changed = [action for action in actions if isinstance(action, SetVariable | ClearVariable)]
    variables = (f"variables.{action.name}" for action in changed if action.name)
    return frozenset((*variables, *(f"{root}.{action.slot}" for action in changed if action.slot for root in ("slots", "filled"))))


def decided_by(shape: Shape, edge: Edge) -> frozenset[str]:
    """What decides whether this way is taken: its own guard, and those that are tried before it."""
    if edge.transition is None:
        return frozenset()
    found = guard_reads(shape.flow.states[edge.source], edge.transition)
    for earlier in shape.live(edge.source):
        if earlier is edge.transition:
            break
        found |= guard_reads(shape.flow.states[edge.source], earlier)
    return found


def guard_reads(state: State, transition: Transition) -> frozenset[str]:
    if transition.condition is Condition.SLOT_FILLED:
        required = state.config.required_slots if isinstance(state.config, SlotFillingConfig) else ()
        return frozenset(f"slots.{name}" for name in ((transition.condition_value,) if transition.condition_value else required))
    source = transition.expression if transition.condition is Condition.EXPRESSION else ""
    return frozenset(".".join(chain.split(".")[:2]) for chain in chains(source))
