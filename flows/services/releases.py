"""From draft to what runs: publish, roll back, archive; and what can be taken out: export, diff."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from flows import queries
from flows.core import definition
from flows.core.diff import Change, compare
from flows.core.types import Flow as Definition
from flows.errors import DefinitionRefused, FlowHasProblems, FlowIsNeeded, VersioningIsOff, VersionNotFound
from flows.models import Environment, Flow, FlowVersion, Pointer
from flows.queries import FlowKey
from flows.services import permits, testing
from flows.services.drafts import locked
from flows.services.environments import default_environment
from mcp_platform import jobs, realtime
from mcp_platform.outbox import services as outbox
from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By, actor_of, audit


def publish(
    tenant: Tenant,
    *,
    flow_id: FlowKey,
    environment: str = "",
    note: str = "",
    expected_rev: int | None = None,
    override_tests: str = "",
    live: Mapping[str, Any] | None = None,
    by: By,
) -> FlowVersion:
    """Freeze the draft as a version and let `environment` (the default one for "") run it. Its enabled tests run first; `override_tests` is
    the reason, for the audit, to publish although some fail. `live`: what becomes of running conversations; they stay pinned when it is left out.

    Content that was published before is not published twice: that version comes back, `is_new` False, and the environment runs it.
    Raises FlowHasProblems with every error of the draft, FailingTests, FlowNotFound, EnvironmentNotFound, DraftHasChanged, FlowIsArchived.
    """
    permits.require(tenant, flow_id, "publish", by)
    judged = testing.judge_draft(tenant, flow_id=flow_id)
    with transaction.atomic():
        flow = locked(tenant, flow_id, expected_rev)
        where = queries.environment(tenant, environment) if environment else default_environment(tenant)
        checked = queries.check(tenant, queries.draft_document(flow))
        if checked.definition is None or checked.errors:
            raise FlowHasProblems(flow_id=flow.flow_id, errors=queries.as_errors(checked.problems))
        overridden = judged.require(flow, override_tests)
        version = _freeze(flow, checked.definition, note, by)
        before = _point(flow, where, version)
        if version.is_new or before != version.number:
            changes = {**_move(where, before, version), "is_new": version.is_new, "note": version.note, **overridden}
            audit(tenant, actor=actor_of(by), action="flow.publish", target=flow, changes=changes)
            _tell_world(flow, "flow.published", where, before, version)
            for job in settings.AFTER_PUBLISH_JOBS:
                jobs.enqueue(job, tenant_id=str(flow.tenant_id), version_id=str(version.pk))
        _lead(tenant, flow, where, version, live, by)
    return version


def freeze(tenant: Tenant, *, flow_id: FlowKey, document: Mapping[str, Any], note: str = "", by: By) -> FlowVersion:
    """A version of a document that passes the checks of a publish; no environment runs it. Raises FlowHasProblems, FlowNotFound, FlowIsArchived."""
    with transaction.atomic():
        flow = locked(tenant, flow_id, None)
        checked = queries.check(tenant, dict(document))
        if checked.definition is None or checked.errors:
            raise FlowHasProblems(flow_id=flow.flow_id, errors=queries.as_errors(checked.problems))
        version = _freeze(flow, checked.definition, note, by)
        if version.is_new:
            audit(tenant, actor=actor_of(by), action="flow.freeze", target=flow, changes={"version": version.number, "sha256": version.sha256})
    return version


def _freeze(flow: Flow, parsed: Definition, note: str, by: By) -> FlowVersion:
    text = definition.canonical(definition.export(parsed))
    sha256 = definition.digest(text)
    same: FlowVersion | None = flow.versions.filter(sha256=sha256).first()
    if same is not None:
        return same
    number = (flow.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    made = FlowVersion(
        tenant_id=flow.tenant_id,
        flow=flow,
        number=number,
        definition=text,
        sha256=sha256,
        note=note[:500],
        published_by=_user_of(by),
        published_at=timezone.now(),
    )
    made.save()
    made.is_new = True
    return made


def _user_of(by: By) -> User | None:
    return by.user if isinstance(by, Principal) else by


def roll_back(tenant: Tenant, *, flow_id: FlowKey, number: int, environment: str = "", live: Mapping[str, Any] | None = None, by: By) -> FlowVersion:
    """Let an environment run another version of the flow, usually an older one. Drafts stay as they are, and running conversations too, unless
    `live` says what becomes of them.

    Raises FlowNotFound, VersionNotFound, EnvironmentNotFound, FlowIsArchived, VersioningIsOff.
    """
    if not settings.ENABLE_FLOW_VERSIONING:
        raise VersioningIsOff
    permits.require(tenant, flow_id, "publish", by)
    with transaction.atomic():
        flow = locked(tenant, flow_id, None)
        where = queries.environment(tenant, environment)
        version: FlowVersion | None = flow.versions.filter(number=number).first()
        if version is None:
            raise VersionNotFound(flow_id=flow.flow_id, version=number)
        before = _point(flow, where, version)
        if before != number:
            audit(tenant, actor=actor_of(by), action="flow.roll_back", target=flow, changes=_move(where, before, version))
            _tell_world(flow, "flow.rolled_back", where, before, version)
        _lead(tenant, flow, where, version, live, by)
    return version


def _point(flow: Flow, where: Environment, version: FlowVersion) -> int | None:
    """Move the pointer; gives the number of the version that it left."""
    pointer = Pointer.objects.filter(environment=where, flow=flow).select_related("version").first()
    before: int | None = pointer.version.number if pointer else None
    if before != version.number:
        values = {"tenant_id": flow.tenant_id, "version": version, "moved_at": timezone.now()}
        Pointer.objects.update_or_create(environment=where, flow=flow, defaults=values)
        _tell_caches(flow)
    return before


Follower: TypeAlias = Callable[[Tenant, Flow, Environment, FlowVersion, Mapping[str, Any], By], object]
_followers: list[Follower] = []


def following(follower: Follower) -> None:
    """Register what leads running conversations after the pointer: called inside the transaction that moves it, with what the publish asked for
    `live` (the apps above this one know what that means)."""
    if follower not in _followers:
        _followers.append(follower)


def _lead(tenant: Tenant, flow: Flow, where: Environment, version: FlowVersion, live: Mapping[str, Any] | None, by: By) -> None:
    for follower in _followers if live else ():
        follower(tenant, flow, where, version, live or {}, by)


def _move(where: Environment, before: int | None, version: FlowVersion) -> dict[str, Any]:
    """What the audit says of a moved pointer."""
    return {"environment": where.name, "version": [before, version.number], "sha256": version.sha256}


def _tell_world(flow: Flow, what: str, where: Environment, before: int | None, version: FlowVersion) -> None:
    moved = {"environment": where.name, "version": version.number, "previous_version": before, "sha256": version.sha256}
    outbox.emit(flow.tenant, type=what, subject=f"flows/{flow.flow_id}", data={"flow_id": flow.flow_id, **moved}, key=f"flow:{flow.flow_id}")


def _tell_caches(flow: Flow) -> None:
    tenant_id, generation = flow.tenant_id, uuid4().hex
    queries.pointers_moving(tenant_id)
    jobs.after_commit(lambda: queries.pointers_moved(tenant_id, generation))
    realtime.catalogue_changed(tenant_id, "tools")  # some flows are tools; who listens looks again


def archive(tenant: Tenant, *, flow_id: FlowKey, expected_rev: int | None = None, by: By) -> Flow:
    """No new conversation starts with it, in no environment; running ones go on, pinned. Raises FlowIsNeeded when it is the default
    flow or another running flow can start it."""
    return _set_archived(tenant, flow_id, expected_rev, by, archived=True)


def unarchive(tenant: Tenant, *, flow_id: FlowKey, expected_rev: int | None = None, by: By) -> Flow:
    """Back to life: every environment runs again the version that it ran before."""
    return _set_archived(tenant, flow_id, expected_rev, by, archived=False)


def _set_archived(tenant: Tenant, flow_id: FlowKey, expected_rev: int | None, by: By, *, archived: bool) -> Flow:
    permits.require(tenant, flow_id, "archive", by)
    with transaction.atomic():
        flow = locked(tenant, flow_id, expected_rev, archived_too=True)
        if (flow.archived_at is not None) == archived:
            return flow
        if archived:
            _require_unused(tenant, flow.flow_id)
        flow.archived_at = timezone.now() if archived else None
        flow.rev += 1
        flow.save(update_fields=("archived_at", "rev", "updated_at"))
        _tell_caches(flow)
        audit(tenant, actor=actor_of(by), action="flow.archive" if archived else "flow.unarchive", target=flow, changes={"archived": archived})
        if archived:
            outbox.emit(tenant, type="flow.archived", subject=f"flows/{flow.flow_id}", data={"flow_id": flow.flow_id}, key=f"flow:{flow.flow_id}")
    return flow


def _require_unused(tenant: Tenant, flow_id: str) -> None:
    # Read again: the caller's tenant may be some seconds old.
    if Tenant.objects.get(pk=tenant.pk).settings.get("default_flow") == flow_id:
        raise FlowIsNeeded("This is the tenant's default flow; choose another one first.", flow_id=flow_id, used_by=["tenant.settings.default_flow"])
    users = queries.users_of_flow(tenant, flow_id)
    if users:
        raise FlowIsNeeded(f"Other flows can start this one: {', '.join(users[:10])}.", flow_id=flow_id, used_by=users)


def export_flow(tenant: Tenant, *, flow_id: FlowKey, number: int | None = None) -> str:
    """The definition as canonical JSON: of a version, byte by byte what `sha256` was taken of; of the draft without `number`.

    The same content always gives the same bytes, and importing them gives a draft that exports the same bytes again. A draft with
    faults of shape comes out as its author wrote it. Raises FlowNotFound, VersionNotFound.
    """
    if number is not None:
        return queries.version(tenant, flow_id, number).definition
    document = queries.draft_document(queries.flow(tenant, flow_id))
    parsed, _ = definition.parse(document)
    return definition.canonical(document if parsed is None else definition.export(parsed))


def diff(tenant: Tenant, *, flow_id: FlowKey, before: int, after: int | None = None) -> tuple[Change, ...]:
    """What changed from one version to another, or to the draft (`after` None). Raises DefinitionRefused for a draft that does not parse."""
    old = _parsed(queries.version(tenant, flow_id, before).definition)
    return tuple(compare(old, _parsed(export_flow(tenant, flow_id=flow_id, number=after))))


def _parsed(text: str) -> Definition:
    parsed, problems = definition.parse(json.loads(text))
    if parsed is None:
        raise DefinitionRefused(errors=queries.as_errors(problems))
    return parsed
