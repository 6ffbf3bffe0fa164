"""Migration plans: written, tried, applied, stopped and taken back. Each is one use case; the work itself is in `running`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from conversations import errors, turn
from conversations.core import mapping as maps
from conversations.models import MigrationPlan
from flows import queries as flows
from flows.models import Environment, FlowVersion
from flows.queries import FlowKey
from mcp_platform import jobs
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.rest import StaleEtag, etag_of
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

DRAIN_DAYS = 14
FIELDS = ("policy", "mapping", "ends_at", "at_end", "note")
Status, Policy = MigrationPlan.Status, MigrationPlan.Policy


def plans(tenant: Tenant) -> QuerySet[MigrationPlan]:
    rows: QuerySet[MigrationPlan] = MigrationPlan.objects.for_tenant(tenant)
    return rows.select_related("flow", "environment", "source", "target", "tenant").defer("source__definition", "target__definition")


def plan(tenant: Tenant, plan_id: UUID) -> MigrationPlan:
    """Raises PlanNotFound."""
    found = plans(tenant).filter(pk=plan_id).first()
    if found is None:
        raise errors.PlanNotFound(plan=str(plan_id))
    return found


def create(
    tenant: Tenant,
    *,
    flow_id: FlowKey,
    source: int,
    target: int | None = None,
    environment: str = "",
    fields: Mapping[str, Any] | None = None,
    by: By,
) -> MigrationPlan:
    """A draft. Without a mapping it gets the suggested one; without a target the version that the environment runs.

    Raises FlowNotFound, VersionNotFound, EnvironmentNotFound, PlanDoesNotFit.
    """
    flow, where = flows.flow(tenant, flow_id), flows.environment(tenant, environment)
    leaving = flows.version(tenant, flow.pk, source)
    coming = flows.version(tenant, flow.pk, target) if target is not None else _running(tenant, flow.pk, where)
    if leaving.pk == coming.pk:
        raise errors.PlanDoesNotFit(errors=[_fault("$.target", "is the version that is left", "another version of this flow")])
    given = dict(fields or {})
    before, after = flows.program_for(leaving.pk), flows.program_for(coming.pk)
    if given.get("mapping") is None:
        given["mapping"] = maps.write(maps.suggested(before, after))
    made = MigrationPlan(tenant=tenant, flow=flow, environment=where, source=leaving, target=coming, created_by=actor_of(by))
    _set(made, given)
    with transaction.atomic():
        made.save(force_insert=True)
        audit(tenant, actor=actor_of(by), action="migration_plan.create", target=made, changes=_told(made))
    return made


def _running(tenant: Tenant, flow_id: UUID, where: Environment) -> FlowVersion:
    pointer = flows.flow(tenant, flow_id).pointers.filter(environment=where).select_related("version").first()
    if pointer is None:
        raise errors.PlanDoesNotFit(errors=[_fault("$.target", "this environment runs no version of the flow", "the number of a version")])
    found: FlowVersion = pointer.version
    return found


def change(tenant: Tenant, *, plan_id: UUID, fields: Mapping[str, Any], expected_rev: int | None = None, by: By) -> MigrationPlan:
    """Raises PlanNotFound, PlanDoesNotFit, PlanRefused while it is active, StaleEtag."""
    with transaction.atomic():
        held = _locked(tenant, plan_id)
        if expected_rev is not None and expected_rev != held.rev:
            raise StaleEtag(expected=etag_of(held.rev), given=etag_of(expected_rev))
        if held.status == Status.ACTIVE:
            raise errors.PlanRefused("The plan is active; stop it before you change it.", plan=str(plan_id), status=held.status)
        _set(held, fields)
        held.rev += 1
        held.save()
        audit(tenant, actor=actor_of(by), action="migration_plan.update", target=held, changes=_told(held))
    return held


def delete(tenant: Tenant, *, plan_id: UUID, by: By) -> None:
    """Only what was never applied: the others are how conversations find back. Raises PlanNotFound, PlanRefused."""
    with transaction.atomic():
        held = _locked(tenant, plan_id)
        if held.run:
            raise errors.PlanRefused("The plan was applied; it is kept as the record of that.", plan=str(plan_id), status=held.status)
        audit(tenant, actor=actor_of(by), action="migration_plan.delete", target=held, changes=_told(held))
        held.delete()


def dry_run(tenant: Tenant, *, plan_id: UUID, by: By) -> Operation:
    """Try the plan on the real conversations; nothing is written but the report. Raises PlanNotFound."""
    held = plan(tenant, plan_id)
    return start_work(tenant, "conversations.dry_run_plan", f"Dry run: {held}", held, {}, by)


def apply(tenant: Tenant, *, plan_id: UUID, by: By) -> tuple[MigrationPlan, Operation | None]:
    """From now on conversations move with their next message, and a job moves those that wait. A drain has no job before its end.

    Raises PlanNotFound, PlanRefused when it is active or another plan for the same version is, or when its job still runs.
    """
    with transaction.atomic():
        held = activated(tenant, plan_id, by)
        if held.policy == Policy.DRAIN:
            return held, None
        return held, start_work(tenant, "conversations.apply_plan", f"Migrate {held}", held, {"run": held.run}, by)


def activated(tenant: Tenant, plan_id: UUID, by: By) -> MigrationPlan:
    """The plan, active and with a run of its own, without a job: for whoever moves the conversations himself. Raises as `apply`."""
    with transaction.atomic():
        held = _locked(tenant, plan_id)
        if held.status == Status.ACTIVE:
            raise errors.PlanRefused("The plan is active already.", plan=str(plan_id), status=held.status)
        _refuse_while_working(tenant, held)
        turn.way_of(held)
        goes_on = held.status == Status.STOPPED
        held.status, held.run = Status.ACTIVE, held.run if goes_on else held.run + 1
        _save_state(held, "run")
        audit(tenant, actor=actor_of(by), action="migration_plan.apply", target=held, changes={**_told(held), "run": held.run})
    _tell_turns(tenant)
    return held


def stop(tenant: Tenant, *, plan_id: UUID, by: By) -> MigrationPlan:
    """No further conversation moves; those that have moved stay where they are. Raises PlanNotFound, PlanRefused."""
    with transaction.atomic():
        held = _locked(tenant, plan_id)
        if held.status != Status.ACTIVE:
            raise errors.PlanRefused("The plan is not active.", plan=str(plan_id), status=held.status)
        held.status = Status.STOPPED
        _save_state(held)
        audit(tenant, actor=actor_of(by), action="migration_plan.stop", target=held, changes={"run": held.run})
    _tell_turns(tenant)
    return held


def revert(tenant: Tenant, *, plan_id: UUID, inverse: bool = False, by: By) -> tuple[MigrationPlan, Operation]:
    """Bring back what has moved. `inverse`: conversations that have gone on since are moved by the map read backwards, as far as it leads.

    Raises PlanNotFound, PlanRefused when nothing was applied.
    """
    with transaction.atomic():
        held = reverted(tenant, plan_id, by)
        return held, start_work(tenant, "conversations.revert_plan", f"Take back {held}", held, {"run": held.run, "inverse": inverse}, by)


def reverted(tenant: Tenant, plan_id: UUID, by: By) -> MigrationPlan:
    """The plan, marked as taken back, without a job. Raises as `revert`."""
    with transaction.atomic():
        held = _locked(tenant, plan_id)
        if not held.run:
            raise errors.PlanRefused("The plan was never applied.", plan=str(plan_id), status=held.status)
        if held.ends_conversations:
            raise errors.PlanRefused("This drain moves nothing: there is nothing to take back.", plan=str(plan_id), status=held.status)
        held.status = Status.REVERTED
        _save_state(held)
        audit(tenant, actor=actor_of(by), action="migration_plan.revert", target=held, changes={"run": held.run})
    _tell_turns(tenant)
    return held


def _tell_turns(tenant: Tenant) -> None:
    """Now for this transaction, and after its commit for those who have looked meanwhile."""
    turn.forget(tenant)
    jobs.after_commit(lambda: turn.forget(tenant))


def start_work(tenant: Tenant, kind: str, title: str, held: MigrationPlan, arguments: dict[str, Any], by: By) -> Operation:
    given = {"plan": str(held.pk), **arguments}
    return operations.start(tenant, kind=kind, title=title, arguments=given, subject=subject(held), by=actor_of(by))


def subject(held: MigrationPlan) -> str:
    return f"migration_plan:{held.pk}"


def work_of(tenant: Tenant, held: MigrationPlan) -> QuerySet[Operation]:
    """The operations of a plan, newest first."""
    rows: QuerySet[Operation] = Operation.objects.for_tenant(tenant).filter(subject=subject(held))
    return rows


def _refuse_while_working(tenant: Tenant, held: MigrationPlan) -> None:
    if work_of(tenant, held).filter(status__in=OPEN).exclude(kind="conversations.dry_run_plan").exists():
        raise errors.PlanRefused("A job of this plan is still running.", plan=str(held.pk), status=held.status)


def _locked(tenant: Tenant, plan_id: UUID) -> MigrationPlan:
    rows = MigrationPlan.objects.for_tenant(tenant).select_for_update(of=("self",)).select_related("flow", "environment", "source", "target")
    found: MigrationPlan | None = rows.filter(pk=plan_id).first()
    if found is None:
        raise errors.PlanNotFound(plan=str(plan_id))
    return found


def _save_state(held: MigrationPlan, *more: str) -> None:
    try:
        with transaction.atomic():
            held.save(update_fields=("status", "updated_at", *more))
    except IntegrityError as taken:
        raise errors.PlanRefused("Another plan for conversations of this version is active.", plan=str(held.pk)) from taken


def _set(held: MigrationPlan, fields: Mapping[str, Any]) -> None:
    """Raises PlanDoesNotFit with everything that is wrong."""
    for name in FIELDS:
        if fields.get(name) is not None:
            setattr(held, name, fields[name])
    if held.policy == Policy.DRAIN and held.ends_at is None:
        held.ends_at = timezone.now() + timedelta(days=DRAIN_DAYS)
    _, problems = turn.checked(held.mapping, flows.program_for(held.source_id), flows.program_for(held.target_id))
    found = [{**fault, "path": f"$.mapping{fault['path'][1:]}"} for fault in flows.as_errors(problems)]
    if held.policy not in Policy.values:
        found.append(_fault("$.policy", "is not one of the known values", ", ".join(Policy.values)))
    if held.at_end not in MigrationPlan.AtEnd.values:
        found.append(_fault("$.at_end", "is not one of the known values", ", ".join(MigrationPlan.AtEnd.values)))
    if isinstance(held.ends_at, datetime) and held.policy == Policy.DRAIN and held.ends_at <= timezone.now():
        found.append(_fault("$.ends_at", "is past", "a moment in the future"))
    if found:
        raise errors.PlanDoesNotFit(errors=found)


def _fault(path: str, message: str, expected: str) -> dict[str, str]:
    return {"path": path, "code": "invalid", "message": message, "expected": expected}


def _told(held: MigrationPlan) -> dict[str, Any]:
    return {
        "flow": held.flow.flow_id,
        "environment": held.environment.name,
        "source": held.source.number,
        "target": held.target.number,
        "policy": str(held.policy),
        "mapping": held.mapping,
    }
