"""A document as rows. Every change of a draft ends here: the rows become what the document says, and those that stay keep their ids."""

import json
from collections.abc import Mapping
from typing import Any, Final

from flows.core.types import Json
from flows.models import Flow, State, Transition

FLOW_FIELDS: Final[Mapping[str, Json]] = {
    "name": "",
    "version": "1",
    "description": "",
    "initial_state": "",
    "global_handlers": {},
    "variables": {},
    "slots": {},
    "intents": {},
    "metadata": {},
}
STATE_FIELDS: Final[Mapping[str, Json]] = {"type": "", "config": {}, "entry_actions": [], "exit_actions": [], "metadata": {}}
TRANSITION_FIELDS: Final[Mapping[str, Json]] = {
    "condition": "",
    "condition_value": "",
    "expression": "",
    "target_state": "",
    "priority": 100,
    "actions": [],
}


def write(flow: Flow, document: Mapping[str, Json], renamed: Mapping[str, str]) -> None:
    """Make the rows of `flow` equal to `document`, which has no faults of shape beyond those that the rows already have.

    `renamed` says which states of the rows have another name in the document: old name -> new name.
    """
    for name, value in values_of(document, FLOW_FIELDS).items():
        setattr(flow, name, value)
    kept = {renamed.get(row.name, row.name): row for row in State.objects.filter(flow=flow).prefetch_related("transitions")}
    before = {name: list(row.transitions.all()) for name, row in kept.items()}
    wanted: Mapping[str, Json] = document["states"]
    State.objects.filter(pk__in=[row.pk for name, row in kept.items() if name not in wanted]).delete()
    states = [_state(flow, kept.get(name), name, body, position) for position, (name, body) in enumerate(wanted.items())]
    _save(State, states, ("name", *STATE_FIELDS, "position"))
    _write_transitions(flow, {row.name: row for row, _ in states}, before, wanted)


def values_of(body: Mapping[str, Json], fields: Mapping[str, Json]) -> dict[str, Json]:
    """The columns of a row from its part of the document; null and absent mean the default."""
    return {name: default if body.get(name) is None else body[name] for name, default in fields.items()}


def _state(flow: Flow, row: State | None, name: str, body: Mapping[str, Json], position: int) -> tuple[State, bool]:
    made = row or State(tenant_id=flow.tenant_id, flow=flow)
    return made, _assign(made, {"name": name, **values_of(body, STATE_FIELDS), "position": position})


def _assign(row: State | Transition, values: Mapping[str, Any]) -> bool:
    """Whether that changed the row."""
    changed = {name: value for name, value in values.items() if not _same(getattr(row, name), value)}
    for name, value in changed.items():
        setattr(row, name, value)
    return bool(changed)


def _same(one: Json, other: Json) -> bool:
    """Equal as JSON: Python takes 1, 1.0 and True for equal, and PostgreSQL gives keys back in another order."""
    return one is other or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _save(model: type[State] | type[Transition], rows: list[Any], fields: tuple[str, ...]) -> None:
    """Two statements for any number of rows. The upsert is ten times as fast as `bulk_update`, whose CASE has one arm for every value."""
    new, changed = [row for row, _ in rows if row.pk is None], [row for row, changed in rows if changed and row.pk is not None]
    model.objects.bulk_create(new)
    model.objects.bulk_create(changed, update_conflicts=True, unique_fields=("id",), update_fields=fields)


def _write_transitions(flow: Flow, states: Mapping[str, State], before: Mapping[str, list[Transition]], wanted: Mapping[str, Json]) -> None:
    rows: list[tuple[Transition, bool]] = []
    gone: list[int] = []
    for name, body in wanted.items():
        bodies = [_transition_values(transition) for transition in body.get("transitions") or ()]
        chosen = _pair(before.get(name, []), bodies)
        gone += [row.pk for row in before.get(name, []) if row not in chosen]
        for position, (row, values) in enumerate(zip(chosen, bodies, strict=True)):
            made = row or Transition(tenant_id=flow.tenant_id, state=states[name])
            rows.append((made, _assign(made, {**values, "position": position})))
    Transition.objects.filter(pk__in=gone).delete()
    _save(Transition, rows, (*TRANSITION_FIELDS, "position"))


def _transition_values(body: Mapping[str, Json]) -> dict[str, Json]:
    values = values_of(body, TRANSITION_FIELDS)
    return {**values, "condition_value": str(values["condition_value"])}  # durations may be numbers of milliseconds


def _pair(before: list[Transition], bodies: list[dict[str, Json]]) -> list[Transition | None]:
    """Which row becomes which transition: those that say the same (best in the same place), then the one in the same place, then any."""
    left = dict(enumerate(before))
    chosen: list[Transition | None] = [None] * len(bodies)

    def take(index: int, place: int | None) -> None:
        if chosen[index] is None and place is not None:
            chosen[index] = left.pop(place, None)

    def says(place: int, body: Mapping[str, Json]) -> bool:
        return all(_same(getattr(left[place], name), value) for name, value in body.items())

    for index, body in enumerate(bodies):
        take(index, index if index in left and says(index, body) else None)
    for index, body in enumerate(bodies):
        take(index, next((place for place in left if chosen[index] is None and says(place, body)), None))
    for index in range(len(bodies)):
        take(index, index)
    for index in range(len(bodies)):
        take(index, next(iter(left), None))
    return chosen
