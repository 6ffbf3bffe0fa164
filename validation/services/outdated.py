"""The law, or what people say of a project, has changed: what is known of its buildings is that of before, until they have been checked anew.

A building that is marked here says "rechecking" and nothing of how good it is. The job, or the sweep when there are many, begins a full check.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from mcp_platform import jobs
from mcp_platform.tenancy.models import Tenant
from validation.core.score import Status
from validation.models import Adoption, Building, Project, RuleSet
from validation.queries import rulebook as queries
from validation.services.live import EVERYTHING

CHUNK: Final = 500
AT_ONCE: Final = 50  # jobs; the sweep finds the other buildings


def law_changed(tenant: Tenant, projects: QuerySet[Project] | None = None) -> int:
    """Mark the buildings of these projects, of all when none are named. How many."""
    rows: QuerySet[Building] = Building.objects.for_tenant(tenant)
    return mark(rows if projects is None else rows.filter(project__in=projects))


def places_changed(tenant: Tenant, jurisdictions: Iterable[UUID]) -> int:
    """What is in force in them, and so in all that lies in them."""
    return law_changed(tenant, Project.objects.for_tenant(tenant).filter(jurisdiction__in=queries.below(tenant, jurisdictions)))


def editions_changed(tenant: Tenant, editions: Iterable[UUID | None]) -> int:
    """Where they are adopted, on whatever day."""
    return places_changed(tenant, _adopting(tenant, editions))


def rule_set_changed(owner: RuleSet, *, editions: Iterable[UUID | None] = ()) -> int:
    """Projects that have chosen it, and those in places that have adopted its edition. `editions`: those that it was of before."""
    tenant = owner.tenant
    places = queries.below(tenant, _adopting(tenant, [owner.code_edition_id, *editions]))
    chosen = Project.rule_sets.through.objects.filter(ruleset_id=owner.pk).values("project_id")
    return law_changed(tenant, Project.objects.for_tenant(tenant).filter(Q(pk__in=chosen) | Q(jurisdiction__in=places)))


def mark(buildings: QuerySet[Building]) -> int:
    """Their rows are locked in one order, so that two of these cannot wait for each other."""
    with transaction.atomic():
        found = list(buildings.filter(head_seq__gt=0).order_by("pk").select_for_update(no_key=True).values_list("tenant_id", "pk"))
        keys = [pk for _, pk in found]
        for at in range(0, len(keys), CHUNK):
            Building.objects.filter(pk__in=keys[at : at + CHUNK]).update(
                dirty_storeys=[EVERYTHING], status=Status.INDETERMINATE.value, updated_at=timezone.now()
            )
        for tenant_id, pk in found[:AT_ONCE]:
            jobs.enqueue("validation.recheck", tenant_id=str(tenant_id), building_id=str(pk))
    return len(keys)


def _adopting(tenant: Tenant, editions: Iterable[UUID | None]) -> list[UUID]:
    named = [pk for pk in editions if pk is not None]
    return list(Adoption.objects.for_tenant(tenant).filter(code_edition__in=named).values_list("jurisdiction_id", flat=True)) if named else []
