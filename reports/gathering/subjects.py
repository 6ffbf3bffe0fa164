"""What a report can be about: for each kind how its subject is found and its rows are gathered."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By
from reports.gathering import analytics, comparison, experiment, period, project, run
from reports.gathering.gathered import Gathered, Subject
from reports.models import Report
from validation.models import ValidationRun

Wish = Mapping[str, str]
Find = Callable[[Tenant, Wish], Subject]
Gather = Callable[[Tenant, Wish, str], Gathered]
FIND: Final[Mapping[str, Find]] = {
    "run": run.find,
    "project": project.find,
    "period": period.find,
    "comparison": comparison.find,
    "analytics": analytics.find,
    "experiment": experiment.find,
}
GATHER: Final[Mapping[str, Gather]] = {
    "run": run.gather,
    "project": project.gather,
    "period": period.gather,
    "comparison": comparison.gather,
    "analytics": analytics.gather,
    "experiment": experiment.gather,
}
READS: Final = {"analytics": "metrics:read", "experiment": "experiments:read"}  # what one must be able to see to report on it


def find(tenant: Tenant, *, kind: str, wish: Wish, by: By) -> Subject:
    """What is asked about, in a few queries however large it is. Raises Denied, and what the kind's finder raises."""
    if isinstance(by, Principal) and kind in READS:
        by.require(READS[kind])
    return FIND[kind](tenant, wish)


def gather(tenant: Tenant, *, kind: str, wish: Wish, locale: str) -> Gathered:
    """All of its rows, for a worker; whether they may be read was judged when it was asked for. Raises what the kind's gatherer raises."""
    return GATHER[kind](tenant, wish, locale)


def now(tenant: Tenant, old: Report) -> dict[str, Any]:
    """The wish of an older report as it is asked for again: instead of its check the last of the building; a comparison keeps its base."""
    if old.kind not in ("run", "comparison") or old.building_id is None:
        return dict(old.wish)
    last = last_run(tenant, old.building_id)
    return {**old.wish, "run": str(last.pk) if last is not None else old.wish.get("run", "")}


def last_run(tenant: Tenant, building_id: UUID) -> ValidationRun | None:
    """The last full check that came to an end, without what is large."""
    rows = ValidationRun.objects.for_tenant(tenant).filter(building_id=building_id, state=ValidationRun.State.DONE, is_what_if=False)
    found: ValidationRun | None = rows.defer("passes", "results", "basis").order_by("-created_at").first()
    return found
