"""The building as plans and 3D draw it: where every element is, and which of them have findings."""

from typing import Any, Final

from mcp_platform.tenancy.models import Tenant
from validation.models import Building, Element, Finding
from validation.models.rulebook import SEVERITIES
from validation.queries import board

SETTLED: Final = ("waived", "false_positive")  # findings that are not drawn in their severity's colour
_WORST: Final = {name: rank for rank, (name, _) in enumerate(SEVERITIES)}


def scene(tenant: Tenant, building: Building) -> dict[str, Any]:
    """Compact, because there may be 50,000 elements: lists in place of objects, classes and storeys by their index."""
    storeys = board.storeys(tenant, building.pk)
    index = {one["id"]: number for number, one in enumerate(storeys)}
    classes: dict[str, int] = {}
    rows = Element.objects.for_tenant(tenant).filter(building=building, valid_to_seq=None, box__isnull=False).exclude(ifc_class__in=_NOT_DRAWN)
    found = [
        [gid, classes.setdefault(ifc_class, len(classes)), name, index.get(storey, -1), box]
        for gid, ifc_class, name, storey, box in rows.order_by("id").values_list("global_id", "ifc_class", "name", "storey", "box").iterator()
        if box
    ]
    return {
        "seq": building.head_seq,
        "storeys": storeys,
        "classes": list(classes),
        "elements": found,
        "findings": violations(tenant, building),
    }


_NOT_DRAWN: Final = ("IfcBuilding", "IfcBuildingStorey", "IfcSite", "IfcProject", "IfcZone")


def violations(tenant: Tenant, building: Building) -> dict[str, list[Any]]:
    """Global id -> [worst severity, how many, id of the worst finding, worst outcome] of what is there and not settled."""
    found: dict[str, list[Any]] = {}
    rows = Finding.objects.for_tenant(tenant).filter(building=building, resolved_seq=None).exclude(state__in=SETTLED)
    for pk, subject, severity, outcome in rows.order_by("severity_rank").values_list("id", "subject", "severity", "outcome").iterator():
        known = found.setdefault(subject, [severity, 0, str(pk), outcome])
        known[1] += 1
        if outcome == "fail" and known[3] != "fail":  # a failure is worse than what could not be judged
            known[0], known[2], known[3] = severity, str(pk), outcome
    return found
