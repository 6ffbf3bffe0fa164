"""Buildings: all of them at a glance, and what every page of one building starts from."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest
from django.urls import NoReverseMatch, reverse

from mcp_platform.tenancy.pages import in_view, may, principal, within
from validation.models import Building, Finding, Waiver
from validation.models.rulebook import SEVERITIES
from validation.queries.overview import name_of
from validation.services import board

MOST: Final = 200
NOWHERE: Final = UUID(int=0)  # in addresses that the browser fills in
READ: Final = "validation:read"


def portfolio(request: HttpRequest) -> dict[str, Any]:
    """Every building in view with its score and what is open, the worst first."""
    rows: QuerySet[Building] = in_view(request, Building.objects.filter(archived_at=None), READ)
    found = list(rows.select_related("project", "project__jurisdiction", "tenant").order_by("name")[:MOST])
    open_now = _open_by_severity(found)
    cards = [_card(one, open_now[one.pk]) for one in found]
    return {
        "cards": sorted(cards, key=lambda card: tuple(-number for _, number in card["open"])),
        "waiting": in_view(request, Waiver.objects.filter(state__in=("requested", "needs_reconfirmation")), READ).count(),
        "waivers_url": address("waiver_changelist"),
        "add_url": address("project_add") if may(request, "validation:write") else "",
        "projects_url": address("project_changelist"),
    }


def _open_by_severity(buildings: Iterable[Building]) -> Mapping[UUID, Mapping[str, int]]:
    rows = Finding.objects.filter(building__in=list(buildings), resolved_seq=None, outcome="fail").exclude(state__in=("waived", "false_positive"))
    found: dict[UUID, dict[str, int]] = defaultdict(dict)
    for building_id, severity, count in rows.order_by().values_list("building_id", "severity").annotate(n=Count("id")):
        found[building_id][severity] = count
    return found


def _card(building: Building, open_now: Mapping[str, int]) -> dict[str, Any]:
    return {
        "building": building,
        "url": reverse("admin:validation_finding_board", args=(building.pk,)),
        "open": [(severity, open_now.get(severity, 0)) for severity, _ in SEVERITIES],
        "score": building.score,
        "coverage_percent": round(building.coverage * 100) if building.coverage is not None else None,
        "variant": status_variant(building.status),
    }


def status_variant(status: str) -> str:
    """The colour of a status: never green for what nobody has looked at."""
    return "danger" if status.startswith("non") else "success" if status.startswith("compliant") else "warning" if status else ""


def address(name: str, *args: Any) -> str:
    """Of another page of this app; "" when it is not there."""
    try:
        return reverse(f"admin:validation_{name}", args=args)
    except NoReverseMatch:
        return ""


def of_request(request: HttpRequest, building_id: UUID) -> Building:
    """Raises Http404 for strangers, Denied without the permission."""
    found = within(request, Building.objects.all(), READ).select_related("tenant", "project", "project__jurisdiction").filter(pk=building_id).first()
    if found is None:
        raise Http404("There is no such building.")
    principal(request, found.tenant).require(READ)
    building: Building = found
    return building


TABS: Final = (
    ("board", "Findings", "rule"),
    ("plan", "Plan", "floor"),
    ("model", "3D", "deployed_code"),
)


def frame(request: HttpRequest, building: Building, tab: str) -> dict[str, Any]:
    """Tabs, title and the settings of the scripts, for every page of a building."""
    tabs = [
        {"key": key, "title": title, "icon": icon, "to": reverse(f"admin:validation_finding_{key}", args=(building.pk,))} for key, title, icon in TABS
    ]
    of_it = f"?building__id__exact={building.pk}"
    tabs += [
        {"key": "checks", "title": "Checks", "icon": "query_stats", "to": address("validationrun_changelist") + of_it},
        {"key": "waivers", "title": "Waivers", "icon": "approval", "to": address("waiver_changelist") + of_it},
    ]
    return {
        "title": building.name,
        "building": building,
        "tab": tab,
        "tabs": tabs,
        "deeds": deeds(request, building),
        "checks_url": address("validationrun_changelist") + of_it,
        "portfolio_url": reverse("admin:validation_finding_changelist"),
        "building_url": address("building_change", building.pk),
        "config": config(request, building),
    }


def deeds(request: HttpRequest, building: Building) -> dict[str, str]:
    """Addresses of what may be asked of the building's checks; "" for what the user may not."""
    by = principal(request, building.tenant)
    what_if, report = address("validationrun_what_if", building.pk), reverse("admin:reports_report_ask", args=(building.pk,))
    return {"what_if": what_if if by.may("validation:run") else "", "report": report if by.may("reports:write") else ""}


def config(request: HttpRequest, building: Building) -> dict[str, Any]:
    """What the scripts need to know, as JSON in the page."""
    by = principal(request, building.tenant)
    return {
        "tenant": building.tenant.slug,
        "building": str(building.pk),
        "api": f"/api/v1/validation/buildings/{building.pk}",
        "socket": f"/ws/v1/buildings/{building.pk}/validation/",
        "finding": reverse("admin:validation_finding_change", args=(NOWHERE,)),
        "panel": reverse("admin:validation_finding_panel", args=(NOWHERE,)),
        "pages": {key: reverse(f"admin:validation_finding_{key}", args=(building.pk,)) for key, _, _ in TABS},
        "uploads": address("modelrevision_add"),
        "building_page": address("building_change", building.pk),
        "rules": address("ruleset_changelist"),
        "may": {
            "change": by.may("findings:write"),
            "ask": by.may("waivers:request"),
            "decide": by.may("waivers:approve"),
            "run": by.may("validation:run"),
            "upload": by.may("validation:write"),
        },
        "me": {"id": str(by.user.pk) if by.user else "", "name": name_of(by.user)},
        "people": people(building),
        "waiver_kinds": [{"value": value, "label": label.replace("_", " ").capitalize()} for value, label in Waiver.Kind.choices],
    }


def people(building: Building) -> list[dict[str, str]]:
    return [{"id": str(user.pk), "name": name_of(user)} for user in board.may_be_assigned(building.tenant)[:500]]
