"""The plan of a storey as a picture: what is there now, the ways out, and the findings that are not settled."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from mcp_platform.tenancy.models import Tenant
from validation.core import plan
from validation.core.building import STOREY
from validation.core.plan import Mark, Route, Seen
from validation.errors import StoreyNotFound
from validation.models import Building, Finding
from validation.queries import board, elements, live, scene
from validation.render import plan as render


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """`etag`: the same as long as neither the model nor a finding changes."""

    svg: str
    etag: str


def etag(tenant: Tenant, *, building_id: UUID, storey: str, finding_id: UUID | None, unknown: bool = False) -> str:
    """Of the picture that `storey_plan` would draw. Raises BuildingNotFound."""
    heads = live.heads(tenant, building_id)
    asked = f"{storey}\n{finding_id or ''}\n{unknown}".encode(errors="surrogatepass")  # what goes into a header is never as it came
    return f"{heads.head_seq}-{heads.checked_seq}-{heads.findings_seq}-{hashlib.sha256(asked).hexdigest()[:24]}"


def storey_plan(tenant: Tenant, *, building_id: UUID, storey: str, finding_id: UUID | None = None, unknown: bool = False) -> Picture:
    """With a finding: only that one is marked, and its own way is drawn. `unknown`: what could not be judged is marked too.

    Raises BuildingNotFound, FindingNotFound, StoreyNotFound.
    """
    building = board.building(tenant, building_id)
    there = elements.at(tenant, building)
    level = there.filter(ifc_class=STOREY, global_id=storey).first()
    if level is None:
        raise StoreyNotFound(storey=storey)
    seen = [Seen(element=one.element, facts=one.all_facts) for one in elements.walk(there.filter(storey=storey))]
    found = _shown(tenant, building, {one.element.global_id for one in seen}, finding_id)
    shown = [row for row in found if unknown or finding_id or row.outcome == "fail"]
    ways = [] if finding_id else plan.ways_out(seen)
    drawing = plan.draw(elements.core_element(level), seen, marks=_marks(shown), routes=[*ways, *_routes(shown)])
    tag = etag(tenant, building_id=building_id, storey=storey, finding_id=finding_id, unknown=unknown)
    return Picture(svg=render.svg(drawing), etag=tag)


def _shown(tenant: Tenant, building: Building, ids: set[str], finding_id: UUID | None) -> list[Finding]:
    """The worst first."""
    if finding_id is not None:
        return [board.finding(tenant, building.pk, finding_id)]
    rows = Finding.objects.for_tenant(tenant).filter(building=building, resolved_seq=None).exclude(state__in=scene.SETTLED)
    fields = ("subject", "severity", "outcome", "message", "geometry")
    # What fails goes before what could not be judged, whatever their severities.
    ordered = rows.only(*fields).order_by("severity_rank", "rule_key")
    return sorted((row for row in ordered.iterator() if row.subject in ids), key=lambda row: row.outcome != "fail")


def _marks(findings: Iterable[Finding]) -> Mapping[str, Mark]:
    found: dict[str, Mark] = {}
    for row in findings:
        known = found.get(row.subject)
        worst = known or Mark(severity=row.severity, count=0, title=row.message)
        found[row.subject] = Mark(severity=worst.severity, count=worst.count + 1, title=worst.title)
    return found


def _routes(findings: Iterable[Finding]) -> list[Route]:
    return [
        Route(line=plan.points(path), subject=row.subject, severity=row.severity, title=row.message)
        for row in findings
        if (path := row.geometry.get("path")) and row.outcome == "fail"
    ]
