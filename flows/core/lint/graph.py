"""Which transitions of a flow can be taken at all, and how its states hang together."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from flows.core.program import in_order, timeout_ms
from flows.core.sites import state_actions
from flows.core.types import Condition, Flow, HandlerMode, IntegrationConfig, OnError, State, StateType, Transition

ENTRY: Final = frozenset((Condition.EXPRESSION, Condition.SLOT_FILLED))  # tried when a state is entered
MESSAGE: Final = frozenset((Condition.ANY_INPUT, Condition.INTENT_MATCH, Condition.LOW_CONFIDENCE))
WAITING: Final = ENTRY | MESSAGE | {Condition.TIMEOUT}
ENABLED: Final[Mapping[StateType, frozenset[Condition]]] = {
    StateType.RESPONSE: WAITING,
    StateType.INTENT: WAITING,
    StateType.SLOT_FILLING: WAITING,
    StateType.WAIT: WAITING,
    StateType.CONDITION: ENTRY,
    StateType.INTEGRATION: frozenset((Condition.INTEGRATION_SUCCESS, Condition.INTEGRATION_ERROR, Condition.EXPRESSION, Condition.TIMEOUT)),
    StateType.END: frozenset(),
}


def is_always(transition: Transition) -> bool:
    return transition.condition is Condition.EXPRESSION and transition.expression == "true"


def is_never(transition: Transition) -> bool:
    return transition.condition is Condition.EXPRESSION and transition.expression == "false"


@dataclass(frozen=True, slots=True)
class Sorted:
    """The transitions of a state as they are tried: those that can be taken, and those that cannot, with the reason."""

    live: tuple[Transition, ...]
    dead: tuple[tuple[Transition, str], ...]


def sort(state: State) -> Sorted:
    live: list[Transition] = []
    dead: list[tuple[Transition, str]] = []
    for transition in in_order(state):
        reason = mute(state, transition) or shadow(state, live, transition)
        if reason:
            dead.append((transition, reason))
        else:
            live.append(transition)
    return Sorted(tuple(live), tuple(dead))


def mute(state: State, transition: Transition) -> str:
    """Why this transition could never be taken, whatever the others are."""
    condition = transition.condition
    if condition not in ENABLED[state.type]:
        return f"a state of type {state.type} does not react to {condition}"
    if condition is Condition.TIMEOUT and state.type is not StateType.INTEGRATION and not timeout_ms(state, transition):
        return "there is no duration: neither `condition_value` nor the state's `timeout_ms` gives one"
    return "the expression is false" if is_never(transition) else ""


def shadow(state: State, earlier: Iterable[Transition], transition: Transition) -> str:
    """Why an earlier transition is always taken instead of this one."""
    for other in earlier:
        for covers, reason in SHADOWS:
            if covers(state, other, transition):
                return f"transition {other.index}, which {reason}, comes first"
    return ""


def takes_any_input(state: State, other: Transition, transition: Transition) -> bool:
    """In a slot_filling state low_confidence is the way out after too many refused answers, which comes before everything."""
    in_slots = state.type is StateType.SLOT_FILLING and transition.condition is Condition.LOW_CONFIDENCE
    return other.condition is Condition.ANY_INPUT and transition.condition in MESSAGE and not in_slots


def takes_any_intent(_state: State, other: Transition, transition: Transition) -> bool:
    return other.condition is transition.condition is Condition.INTENT_MATCH and not other.condition_value


def takes_any_error(state: State, other: Transition, transition: Transition) -> bool:
    errors = (Condition.INTEGRATION_ERROR, Condition.TIMEOUT) if state.type is StateType.INTEGRATION else ()
    return other.condition is Condition.INTEGRATION_ERROR and not other.condition_value and transition.condition in errors


def is_equal(_state: State, other: Transition, transition: Transition) -> bool:
    keys = [(one.condition, one.condition_value, one.expression) for one in (other, transition)]
    return keys[0] == keys[1]


SHADOWS: Final = (
    (lambda _state, other, _transition: is_always(other), "is always taken"),
    (takes_any_input, "takes any input"),
    (takes_any_intent, "takes any intent"),
    (takes_any_error, "takes any error"),
    (is_equal, "has the same condition"),
)


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one state to another. `transition` is None for the `goto` of a failing action or call."""

    source: str
    target: str
    transition: Transition | None


def edges(flow: Flow, live: Mapping[str, tuple[Transition, ...]]) -> list[Edge]:
    """Every way between existing states."""
    found = [Edge(name, transition.target_state, transition) for name, items in live.items() for transition in items]
    found += [Edge(name, target, None) for name in live for target in error_targets(flow.states[name])]
    return [edge for edge in found if edge.target in flow.states]


def error_targets(state: State) -> Iterator[str]:
    """Where a failing action, or a failing call that no transition takes, goes."""
    for _, _, action in state_actions(state):
        if action.on_error is OnError.GOTO:
            yield action.goto
    if isinstance(state.config, IntegrationConfig):
        yield str(state.config.error_handling.get("goto", ""))


def handler_targets(flow: Flow) -> frozenset[str]:
    """States that a handler can go to, from anywhere."""
    found = [handler.target_state for handler in flow.handlers if handler.mode is HandlerMode.GOTO]
    found += [action.goto for handler in flow.handlers for action in handler.actions if action.on_error is OnError.GOTO]
    return frozenset(name for name in found if name in flow.states)


def neighbours(found: Iterable[Edge]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for edge in found:
        out.setdefault(edge.source, []).append(edge.target)
    return out


def reachable(starts: Iterable[str], out: Mapping[str, list[str]]) -> frozenset[str]:
    seen, queue = set(starts), deque(starts)
    while queue:
        for target in out.get(queue.popleft(), ()):
            if target not in seen:
                seen.add(target)
                queue.append(target)
    return frozenset(seen)


def cycles(out: Mapping[str, list[str]]) -> list[list[str]]:
    """One shortest cycle of each knot of states that reach each other, as [a, b, a]."""
    found: list[list[str]] = []
    for knot in knots(out):
        inside = {name: [target for target in out[name] if target in knot] for name in out if name in knot}
        found.append(shortest_cycle(next(iter(inside)), inside))
    return found


def shortest_cycle(start: str, out: Mapping[str, list[str]]) -> list[str]:
    """From `start` back to itself; there must be a way."""
    came_from: dict[str, str] = {}
    queue = deque([start])
    while start not in came_from:
        name = queue.popleft()
        for target in out[name]:
            if target not in came_from:
                came_from[target] = name
                queue.append(target)
    path = [start]
    while len(path) == 1 or path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def knots(out: Mapping[str, list[str]]) -> list[frozenset[str]]:
    """The strongly connected components that have a cycle (Tarjan's algorithm, without recursion)."""
    search = Tarjan(out)
    for name in out:
        search.visit(name)
    return [knot for knot in search.found if len(knot) > 1 or next(iter(knot)) in out.get(next(iter(knot)), ())]


class Tarjan:
    """The state of one search; Tarjan, "Depth-first search and linear graph algorithms", 1972."""

    def __init__(self, out: Mapping[str, list[str]]) -> None:
        self.out = out
        self.number: dict[str, int] = {}
        self.low: dict[str, int] = {}
        self.stack: list[str] = []
        self.on_stack: set[str] = set()
        self.found: list[frozenset[str]] = []

    def visit(self, root: str) -> None:
        if root in self.number:
            return
        walk = [(root, self.enter(root))]
        while walk:
            name, targets = walk[-1]
            target = next(targets, None)
            if target is None:
                walk.pop()
                self.leave(name, walk[-1][0] if walk else None)
            elif target not in self.number:
                walk.append((target, self.enter(target)))
            elif target in self.on_stack:
                self.low[name] = min(self.low[name], self.number[target])

    def enter(self, name: str) -> Iterator[str]:
        self.number[name] = self.low[name] = len(self.number)
        self.stack.append(name)
        self.on_stack.add(name)
        return iter(self.out.get(name, ()))

    def leave(self, name: str, parent: str | None) -> None:
        if parent is not None:
            self.low[parent] = min(self.low[parent], self.low[name])
        if self.low[name] != self.number[name]:
            return
        knot = [self.stack.pop()]
        while knot[-1] != name:
            knot.append(self.stack.pop())
        self.on_stack.difference_update(knot)
        self.found.append(frozenset(knot))
