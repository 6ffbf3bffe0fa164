"""What a report of a project says: the last check of each of its buildings."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from mcp_platform.tenancy.models import Tenant
from reports.gathering import reading, run
from reports.gathering.gathered import Gathered, Subject
from validation.errors import ProjectNotFound
from validation.models import Building, Project, ValidationRun

Json = Any


def find(tenant: Tenant, wish: Mapping[str, str]) -> Subject:
    """Of {project}. Raises ProjectNotFound, SchemaError."""
    project = named(tenant, reading.uuid_of(wish, "project"))
    return Subject(title=project.name, key=f"project:{project.pk}", project=project)


def gather(tenant: Tenant, wish: Mapping[str, str], _locale: str) -> Gathered:
    """Raises what `find` raises, and ReportTooLarge."""
    project = named(tenant, reading.uuid_of(wish, "project"))
    checks, unchecked = [], []
    for building in buildings(tenant, project):
        last = last_check(tenant, building)
        if last is None:
            unchecked.append(building.name)
        else:
            checks.append(_check(tenant, last))
    body = {
        "units": project.jurisdiction.default_units or "metric",
        "project": run.of_project(project),
        "parties": project.parties,
        "today": timezone.localdate(timezone=ZoneInfo(project.jurisdiction.timezone)).isoformat(),
        "unchecked": unchecked,
        "checks": checks,
    }
    return Gathered(title=project.name, body=body)


def named(tenant: Tenant, project_id: UUID) -> Project:
    """Raises ProjectNotFound."""
    found: Project | None = Project.objects.for_tenant(tenant).select_related("jurisdiction").filter(pk=project_id).first()
    if found is None:
        raise ProjectNotFound(id=str(project_id))
    return found


def buildings(tenant: Tenant, project: Project) -> list[Building]:
    rows = Building.objects.for_tenant(tenant).filter(project=project, archived_at=None)
    return list(rows.select_related("project__jurisdiction").order_by("name", "pk"))


def last_check(tenant: Tenant, building: Building) -> ValidationRun | None:
    rows = ValidationRun.objects.for_tenant(tenant).filter(building=building, state=ValidationRun.State.DONE, is_what_if=False)
    found: ValidationRun | None = rows.select_related("building__project__jurisdiction", "revision").order_by("-created_at").first()
    return found


def _check(tenant: Tenant, last: ValidationRun) -> dict[str, Json]:
    said = last.score_breakdown
    at = last.finished_at or last.created_at
    return {
        **run.of_run(tenant, last, drawn=False),
        **{name: said.get(name, 0) for name in ("points", "possible", "evaluated")},
        "unknown": said.get("not_evaluable", 0),
        "checked_at": at.isoformat(timespec="seconds"),
    }
