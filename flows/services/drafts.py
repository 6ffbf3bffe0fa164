"""Drafts: create, save whole or piece by piece, check, import, archive, delete.

Every save goes the same way: lock the flow, take its document, change the document, refuse faults of shape in what was changed, make the
rows equal to it, count its problems, grow `rev`, write one audit entry. Faults elsewhere do not stop a save: an author works on one
thing at a time, and `publish` looks at all of them.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from django.db import IntegrityError, transaction

from flows import queries
from flows.core import definition
from flows.core.definition.reading import json_step
from flows.core.types import Json, Problem
from flows.errors import (
    DefinitionRefused,
    DraftHasChanged,
    FieldsRefused,
    FlowIsArchived,
    FlowIsPublished,
    FlowNotFound,
    NameTaken,
    StateNotFound,
    TransitionNotFound,
)
from flows.models import Flow, State, Transition
from flows.queries import FlowKey
from flows.services import permits, rows
from flows.services.environments import default_environment
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

RESERVED: Final = frozenset({"import"})  # POST /flows/import
NAMES_SHOWN: Final = 100  # of states in an audit entry

Document = dict[str, Json]
Change = Callable[[Document], Iterable[str]]
"""Changes a document in place; gives the JSONPaths of what it changed: faults of shape at or below these refuse the save."""


def create_flow(tenant: Tenant, *, flow_id: str, name: str = "", fields: Mapping[str, Json] | None = None, by: By) -> Flow:
    """An empty draft, or one with some of `rows.FLOW_FIELDS`. Raises NameTaken, DefinitionRefused."""
    given = {**_known(fields or {}, rows.FLOW_FIELDS), "name": name or flow_id}
    blank = {"flow_id": flow_id, "tenant_id": tenant.slug, **rows.values_of(given, rows.FLOW_FIELDS), "states": {}}
    _refuse_shape(blank, ["$.flow_id", *(f"$.{field}" for field in given)])
    permits.require(tenant, flow_id, "edit", by)
    with transaction.atomic():
        flow = _insert(tenant, flow_id)
        _store(flow, {**rows.FLOW_FIELDS}, blank, {}, action="flow.create", by=by)
    return flow


def _insert(tenant: Tenant, flow_id: str) -> Flow:
    if flow_id in RESERVED:
        raise NameTaken(f'"{flow_id}" is a word of the REST API.', flow_id=flow_id)
    default_environment(tenant)
    try:
        with transaction.atomic():
            # rev 0: the first save makes it 1.
            return Flow.objects.create(tenant=tenant, flow_id=flow_id, name=flow_id, rev=0)
    except IntegrityError as taken:
        raise NameTaken("There is a flow with this flow_id already.", flow_id=flow_id) from taken


def update_flow(tenant: Tenant, *, flow_id: FlowKey, fields: Mapping[str, Json], expected_rev: int | None = None, by: By) -> Flow:
    """Change some of the flow's own fields; its states stay. Raises FlowNotFound, DraftHasChanged, FlowIsArchived, DefinitionRefused."""
    given = _known(fields, rows.FLOW_FIELDS)

    def change(document: Document) -> list[str]:
        document.update(given)
        return [f"$.{name}" for name in given]

    return _edit(tenant, flow_id, change, expected_rev=expected_rev, action="flow.update", by=by)


def delete_flow(tenant: Tenant, *, flow_id: FlowKey, expected_rev: int | None = None, by: By) -> None:
    """Raises FlowIsPublished for a flow that has a version: conversations and the audit refer to it."""
    permits.require(tenant, flow_id, "delete", by)
    with transaction.atomic():
        flow = locked(tenant, flow_id, expected_rev)
        if flow.versions.exists():
            raise FlowIsPublished(flow_id=flow.flow_id)
        audit(tenant, actor=actor_of(by), action="flow.delete", target=flow, changes={"flow_id": flow.flow_id, "rev": flow.rev})
        flow.delete()


def save_draft(tenant: Tenant, *, flow_id: FlowKey, document: Json, expected_rev: int | None = None, by: By) -> Flow:
    """Replace the draft by a document, all or nothing; states that keep their name keep their row.

    Lint problems are allowed (`flow.problems` has them). Raises DefinitionRefused for a document that is not of the right shape, DraftHasChanged.
    """
    return _edit(tenant, flow_id, lambda draft: _replace(draft, document), expected_rev=expected_rev, action="flow.save", by=by)


def _replace(draft: Document, document: Json) -> list[str]:
    if isinstance(document, dict):
        given = {"flow_id": draft["flow_id"], **document, "tenant_id": draft["tenant_id"]}
        if given["flow_id"] != draft["flow_id"]:
            expected = definition.canonical(draft["flow_id"])
            problem = Problem(path="$.flow_id", code="wrong_name", message="The document is the definition of another flow.", expected=expected)
            raise DefinitionRefused(errors=queries.as_errors([problem]))
        document = given
    _refuse_shape(document, ["$"])
    draft.clear()
    draft.update(document)
    return []


def import_flow(tenant: Tenant, *, document: Json, replace: bool = False, expected_rev: int | None = None, by: By) -> Flow:
    """A flow from its definition. Its `tenant_id` is not looked at: it becomes a flow of this tenant.

    `replace`: the draft of an existing flow is overwritten. Raises DefinitionRefused with every fault of shape, NameTaken, FlowIsArchived.
    """
    _refuse_shape(document, ["$"])
    permits.require(tenant, document["flow_id"], "edit", by)
    with transaction.atomic():
        found = Flow.objects.for_tenant(tenant).filter(flow_id=document["flow_id"]).first()
        if found is not None and not replace:
            raise NameTaken("There is a flow with this flow_id already; import with `replace` to overwrite its draft.", flow_id=found.flow_id)
        flow = found or _insert(tenant, document["flow_id"])
        change = partial(_replace, document=document)
        return _edit_locked(locked(tenant, flow.pk, expected_rev), change, {}, action="flow.import", by=by)


def validate_draft(tenant: Tenant, *, flow_id: FlowKey, document: Json = None) -> list[Problem]:
    """Everything that is wrong with the draft, or with a `document` that might become it. Writes nothing."""
    flow = queries.flow(tenant, flow_id)
    return list(queries.check(tenant, queries.draft_document(flow) if document is None else document).problems)


def save_state(
    tenant: Tenant, *, flow_id: FlowKey, fields: Mapping[str, Json], state_id: int | None = None, expected_rev: int | None = None, by: By
) -> State:
    """Create a state, or change some fields of one: `name` and those of `rows.STATE_FIELDS`; also `transitions`, as a list of documents.

    A new name is followed by the transitions and the initial_state that point at the old one. Raises StateNotFound, NameTaken,
    DefinitionRefused (paths start at the state: `$.config.max_retries`), DraftHasChanged.
    """
    given = _known(fields, {"name": "", "transitions": [], **rows.STATE_FIELDS})
    permits.require(tenant, flow_id, "edit", by)
    with transaction.atomic():
        flow = locked(tenant, flow_id, expected_rev)
        before = _name_of(tenant, flow, state_id)
        name = given.get("name", before)
        renamed = {before: name} if before and name != before else {}

        def change(document: Document) -> list[str]:
            _require_name(document, name, before)
            states: Document = document["states"]
            states[name] = {**states.get(before, {}), **given, "name": name}
            document["states"] = _in_order(states, before, name)
            _follow(document, renamed)
            return [f"$.states{json_step(name)}"]

        _edit_locked(flow, change, renamed, action="state.save" if before else "state.create", by=by)
        return queries.states(tenant).get(flow=flow, name=name)


def _name_of(tenant: Tenant, flow: Flow, state_id: int | None) -> str:
    if state_id is None:
        return ""
    found = queries.state(tenant, state_id)
    if found.flow_id != flow.pk:
        raise StateNotFound(flow_id=flow.flow_id, state=state_id)
    return found.name


def _require_name(document: Document, name: Json, before: str) -> None:
    if not isinstance(name, str) or not definition.reading.NAME.fullmatch(name):
        problem = Problem(path="$.name", code="bad_name", message="This is no valid name.", expected=definition.reading.NAME_RULE)
        raise DefinitionRefused(errors=queries.as_errors([problem]))
    if name != before and name in document["states"]:
        raise NameTaken("The flow has a state with this name already.", state=name)


def _in_order(states: Document, before: str, name: str) -> Document:
    """A renamed state keeps its place; a new one is the last."""
    if not before or before == name:
        return states
    body = states.pop(name)
    return {name if key == before else key: body if key == before else value for key, value in states.items()}


def _follow(document: Document, renamed: Mapping[str, str]) -> None:
    if document["initial_state"] in renamed:
        document["initial_state"] = renamed[document["initial_state"]]
    for state in document["states"].values():
        for transition in state.get("transitions") or ():
            if isinstance(transition, dict) and transition.get("target_state") in renamed:
                transition["target_state"] = renamed[transition["target_state"]]


def delete_state(tenant: Tenant, *, state_id: int, expected_rev: int | None = None, by: By) -> Flow:
    """Its transitions go with it; transitions that point at it become problems of the draft."""
    state = queries.state(tenant, state_id)

    def change(document: Document) -> list[str]:
        del document["states"][state.name]
        return []

    return _edit(tenant, state.flow_id, change, expected_rev=expected_rev, action="state.delete", by=by)


def save_transition(
    tenant: Tenant,
    *,
    fields: Mapping[str, Json],
    state_id: int | None = None,
    transition_id: int | None = None,
    expected_rev: int | None = None,
    by: By,
) -> Transition:
    """Add a transition to a state (`state_id`), or change one (`transition_id`): some of `rows.TRANSITION_FIELDS`, and `position` in its state.

    Raises StateNotFound, TransitionNotFound, DefinitionRefused (paths start at the transition: `$.expression`), DraftHasChanged.
    """
    given = _known(fields, {**rows.TRANSITION_FIELDS, "position": 0})
    _require_position(given.get("position", 0))
    state = _state_of(tenant, state_id, transition_id)
    place = _Place()

    def change(document: Document) -> list[str]:
        listed: list[Json] = document["states"][state.name]["transitions"]
        index = _index(state, transition_id, len(listed))
        body = listed.pop(index) if transition_id is not None else {}
        place.index = min(given.get("position", index), len(listed))
        listed.insert(place.index, _without_blanks({**body, **{name: value for name, value in given.items() if name != "position"}}))
        return [f"$.states{json_step(state.name)}.transitions[{place.index}]"]

    action = "transition.create" if transition_id is None else "transition.save"
    _edit(tenant, state.flow_id, change, expected_rev=expected_rev, action=action, by=by)
    return queries.transitions(tenant).filter(state=state)[place.index]


def _require_position(position: Json) -> None:
    if not isinstance(position, int) or isinstance(position, bool) or position < 0:
        raise FieldsRefused(errors=[{"path": "$.position", "code": "wrong_type", "message": "is no place", "expected": "an integer from 0"}])


class _Place:
    index = 0


def _without_blanks(body: Document) -> Document:
    """An empty expression is no expression: forms send one for every transition."""
    return {name: value for name, value in body.items() if not (name == "expression" and value == "")}


def delete_transition(tenant: Tenant, *, transition_id: int, expected_rev: int | None = None, by: By) -> Flow:
    state = _state_of(tenant, None, transition_id)

    def change(document: Document) -> list[str]:
        document["states"][state.name]["transitions"].pop(_index(state, transition_id, 0))
        return []

    return _edit(tenant, state.flow_id, change, expected_rev=expected_rev, action="transition.delete", by=by)


def _index(state: State, transition_id: int | None, end: int) -> int:
    if transition_id is None:
        return end
    ids = list(Transition.objects.filter(state=state).order_by("position", "id").values_list("pk", flat=True))
    if transition_id not in ids:
        raise TransitionNotFound(transition=transition_id)
    return ids.index(transition_id)


def _state_of(tenant: Tenant, state_id: int | None, transition_id: int | None) -> State:
    if transition_id is not None:
        return queries.transition(tenant, transition_id).state
    if state_id is None:
        raise StateNotFound
    return queries.state(tenant, state_id)


def _edit(tenant: Tenant, flow_id: FlowKey, change: Change, *, expected_rev: int | None, action: str, by: By) -> Flow:
    permits.require(tenant, flow_id, "edit", by)
    with transaction.atomic():
        return _edit_locked(locked(tenant, flow_id, expected_rev), change, {}, action=action, by=by)


def _edit_locked(flow: Flow, change: Change, renamed: Mapping[str, str], *, action: str, by: By) -> Flow:
    before = queries.draft_document(flow)
    after = copy.deepcopy(before)
    touched = list(change(after))
    _refuse_shape(after, touched)
    return _store(flow, before, after, renamed, action=action, by=by)


def _store(flow: Flow, before: Document, after: Document, renamed: Mapping[str, str], *, action: str, by: By) -> Flow:
    rows.write(flow, after, renamed)
    stored = queries.draft_document(flow)
    checked = queries.check(flow.tenant_id, stored)
    flow.problems, flow.problem_count = checked.problems, len(checked.errors)
    changes = changes_between(before, stored)
    if changes:
        flow.rev += 1
        flow.save()
        audit(flow.tenant, actor=actor_of(by), action=action, target=flow, changes={"rev": flow.rev, **changes})
    return flow


def locked(tenant: Tenant, flow_id: FlowKey, expected_rev: int | None, *, archived_too: bool = False) -> Flow:
    """The flow, locked until the transaction ends. Raises FlowNotFound, DraftHasChanged, FlowIsArchived."""
    # no_key: rows that refer to the flow may be inserted meanwhile, such as a pointer or a version.
    found = Flow.objects.for_tenant(tenant).select_for_update(of=("self",), no_key=True).select_related("tenant")
    flow: Flow | None = found.filter(**queries.by_key(flow_id)).first()
    if flow is None:
        raise FlowNotFound(flow_id=str(flow_id))
    if expected_rev is not None and flow.rev != expected_rev:
        raise DraftHasChanged(expected_rev=flow.rev, given_rev=expected_rev)
    if flow.archived_at is not None and not archived_too:
        raise FlowIsArchived(flow_id=flow.flow_id)
    return flow


def _refuse_shape(document: Json, touched: Iterable[str]) -> None:
    """Raises DefinitionRefused for faults of shape at or below one of the paths, which then start there when there is only one."""
    paths = list(touched)
    found = [fault for fault in definition.parse(document)[1] if fault.code == "too_many" or any(_below(fault.path, path) for path in paths)]
    start = paths[0] if len(paths) == 1 and paths[0].startswith("$.states") else ""
    if found:
        errors = queries.as_errors(found)
        raise DefinitionRefused(errors=[{**fault, "path": fault["path"].replace(start, "$", 1) if start else fault["path"]} for fault in errors])


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith((f"{top}.", f"{top}["))


def _known(fields: Mapping[str, Json], names: Mapping[str, Json]) -> dict[str, Json]:
    fault = {"code": "unknown", "message": "is not known here", "expected": ", ".join(names)}
    unknown = [{"path": f"${json_step(name)}", **fault} for name in fields if name not in names]
    if unknown:
        raise FieldsRefused(errors=unknown)
    return dict(fields)


def changes_between(before: Document, after: Document) -> dict[str, Any]:
    """What an audit entry says of a save: short values as [before, after], long ones by name only."""
    changes: dict[str, Any] = {}
    for name in rows.FLOW_FIELDS:
        old, new = before.get(name), after[name]
        if definition.canonical(old) != definition.canonical(new):
            changes[name] = [old, new] if isinstance(new, str) and name != "description" else "changed"
    old_states, new_states = before.get("states", {}), after["states"]
    words = {name: definition.canonical(body) for name, body in old_states.items()}
    by_kind = {
        "states_added": [name for name in new_states if name not in old_states],
        "states_removed": [name for name in old_states if name not in new_states],
        "states_changed": [name for name, body in new_states.items() if name in words and words[name] != definition.canonical(body)],
    }
    if list(old_states) != list(new_states) and sorted(old_states) == sorted(new_states):
        changes["states_order"] = "changed"
    return {**changes, **{kind: names[:NAMES_SHOWN] for kind, names in by_kind.items() if names}}
