"""What differs between two versions of a flow, as documents and as behaviour."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from flows.core.definition import export
from flows.core.definition.reading import json_step
from flows.core.types import Flow, IntentConfig, Json, SlotFillingConfig, State


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference of the two documents. `before` is None for what was added, `after` for what was removed."""

    path: str
    kind: ChangeKind
    before: Json
    after: Json


MISSING: Final = object()
NOT_COMPARED: Final = frozenset(("version", "tenant_id"))  # labels, not content


def compare(before: Flow, after: Flow) -> list[Change]:
    """Every difference, in the order of the documents."""
    old, new = ({key: value for key, value in export(flow).items() if key not in NOT_COMPARED} for flow in (before, after))
    return list(differences("$", old, new))


def differences(path: str, old: Json, new: Json) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from keyed(f"{path}{json_step(key)}", old.get(key, MISSING), new.get(key, MISSING))
    elif isinstance(old, list) and isinstance(new, list):
        yield from listed(path, old, new)
    elif old != new or type(old) is not type(new):
        yield Change(path, ChangeKind.CHANGED, old, new)


def keyed(path: str, old: Json, new: Json) -> Iterator[Change]:
    if old is MISSING:
        yield Change(path, ChangeKind.ADDED, None, new)
    elif new is MISSING:
        yield Change(path, ChangeKind.REMOVED, old, None)
    else:
        yield from differences(path, old, new)


def listed(path: str, old: list[Json], new: list[Json]) -> Iterator[Change]:
    """Equal items at both ends are left out, so that one inserted item is one change and not a shift of all that follow."""
    head = common(old, new)
    tail = common(old[head:][::-1], new[head:][::-1])
    olds, news = old[head : len(old) - tail], new[head : len(new) - tail]
    for index in range(max(len(olds), len(news))):
        before = olds[index] if index < len(olds) else MISSING
        after = news[index] if index < len(news) else MISSING
        yield from keyed(f"{path}[{head + index}]", before, after)


def common(old: list[Json], new: list[Json]) -> int:
    """How many items the two lists begin with alike."""
    count = 0
    while count < min(len(old), len(new)) and old[count] == new[count]:
        count += 1
    return count


def states_changed(before: Flow, after: Flow) -> frozenset[str]:
    """The states that are new, gone, or may act differently. Names and notes (`metadata`) are not behaviour."""
    everywhere = global_behaviour(before) != global_behaviour(after)
    names = before.states.keys() | after.states.keys()
    return frozenset(name for name in names if everywhere or behaviour(before, name) != behaviour(after, name))


def global_behaviour(flow: Flow) -> object:
    """What every state depends on: handlers fire anywhere, and an expression may read any variable."""
    return (flow.handlers, flow.variables, flow.default_locale)


def behaviour(flow: Flow, name: str) -> object:
    """The state, with the rules of the slots and the intents that it uses; None when there is no such state."""
    state = flow.states.get(name)
    if state is None:
        return None
    return (replace(state, metadata={}), name == flow.initial_state, rules(flow, state), intents(flow, state))


def rules(flow: Flow, state: State) -> object:
    if not isinstance(state.config, SlotFillingConfig):
        return ()
    return [flow.slots.get(slot) for slot in (*state.config.required_slots, *state.config.optional_slots)]


def intents(flow: Flow, state: State) -> object:
    named = state.config.intents if isinstance(state.config, IntentConfig) else ()
    listened = {*named, *(transition.condition_value for transition in state.transitions)}
    return {intent: flow.intents[intent] for intent in sorted(listened) if intent in flow.intents}
