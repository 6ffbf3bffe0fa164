"""Which conversations are to move where: the active plans of an environment, and their routes, compiled once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from conversations import errors
from conversations.core import mapping
from conversations.core.mapping import MigrationMap, Route
from conversations.models import MigrationPlan
from flows import queries as flows
from flows.core.types import Problem, Program
from mcp_platform.tenancy.models import Tenant

ACTIVE_SECONDS = 5.0  # how long another process may not know that a plan was activated; a stopped one is noticed at once
_KEPT = 1_000
_active: dict[tuple[UUID, int], tuple[Mapping[str, UUID], float]] = {}
_routes: dict[tuple[UUID, int], Route] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A plan made ready. `message_id` is the id of the turn that moves a conversation."""

    plan_id: UUID
    run: int
    message_id: str
    route: Route
    force: bool


def active(tenant: Tenant, environment_id: int) -> Mapping[str, UUID]:
    """Version that is being left -> plan. Believed for some seconds, because every turn asks."""
    now = time.monotonic()
    known = _active.get((tenant.pk, environment_id))
    if known is not None and now < known[1]:
        return known[0]
    rows = MigrationPlan.objects.for_tenant(tenant).filter(environment_id=environment_id, status=MigrationPlan.Status.ACTIVE)
    moving = rows.exclude(policy=MigrationPlan.Policy.DRAIN).values_list("source_id", "pk")
    found = {str(source): pk for source, pk in moving}
    if len(_active) >= _KEPT:
        _active.clear()
    _active[tenant.pk, environment_id] = (found, now + ACTIVE_SECONDS)
    return found


def forget(tenant: Tenant) -> None:
    """A plan of this tenant has changed."""
    for key in [key for key in list(_active) if key[0] == tenant.pk]:
        _active.pop(key, None)


def way_of(plan: MigrationPlan, *, force: bool | None = None) -> Way:
    """Raises PlanDoesNotFit, and errors of `flows` when a version does not compile."""
    key = (plan.pk, plan.rev)
    route = _routes.get(key)
    if route is None:
        route, problems = checked(plan.mapping, flows.program_for(plan.source_id), flows.program_for(plan.target_id))
        if problems:
            raise errors.PlanDoesNotFit(plan=str(plan.pk), errors=flows.as_errors(problems))
        if len(_routes) >= _KEPT:
            _routes.clear()
        _routes[key] = route
    forced = plan.policy == MigrationPlan.Policy.FORCE if force is None else force
    return Way(plan_id=plan.pk, run=plan.run, message_id=plan.message_id, route=route, force=forced)


def checked(document: object, before: Program, after: Program) -> tuple[Route, list[Problem]]:
    """The route that a map's JSON describes, and everything that is wrong with it."""
    read, faults = mapping.read(document)
    route, problems = mapping.prepare(read if not faults else MigrationMap(), before, after)
    return route, [*faults, *problems]
