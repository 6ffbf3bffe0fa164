"""What a check found wrong, in the few words that a list of changes needs."""

from collections.abc import Iterable, Mapping
from typing import Any

from mcp_platform.tenancy.models import Tenant
from reports.gathering.reading import require_few
from reports.gathering.run import rounded, rules_of
from validation.core.units import pair, shown
from validation.models import Building, Element, Finding, ValidationRun
from validation.queries.overview import units_of
from validation.services.evaluating import unpacked

Json = Any
Key = tuple[str, str]  # rule key, subject
Judged = Mapping[Key, Mapping[str, Json]]


def failures(run: ValidationRun | None) -> dict[Key, dict[str, Json]]:
    """Raises ReportTooLarge."""
    found = {(one["rule"], one["subject"]): one for one in unpacked(run.results) if one["outcome"] == "fail"} if run is not None else {}
    require_few(len(found))
    return found


def rules(*runs: ValidationRun | None) -> dict[str, dict[str, Json]]:
    """What is said of the rules, as the last run that has them says it."""
    found: dict[str, dict[str, Json]] = {}
    for run in runs:
        if run is not None:
            found |= rules_of(run.basis)
    return found


class Names:
    """Of elements and storeys of a building, as they were called last, also of those that are gone."""

    def __init__(self, tenant: Tenant, building: Building, subjects: Iterable[str]) -> None:
        rows = Element.objects.for_tenant(tenant).filter(building=building).order_by("valid_from_seq")
        self._things = dict[str, tuple[str, str, str, Json]]()
        wanted = sorted(set(subjects))
        for start in range(0, len(wanted), 500):
            self._take(rows.filter(global_id__in=wanted[start : start + 500]))
        storeys = {storey for _, storey, _, _ in self._things.values()} - {""}
        named = rows.filter(global_id__in=sorted(storeys)).values_list("global_id", "name")
        self._storeys = dict(named)

    def _take(self, rows: Any) -> None:
        for subject, *known in rows.values_list("global_id", "name", "storey", "ifc_class", "box"):
            self._things[subject] = (known[0], known[1], known[2], known[3])

    def of(self, subject: str) -> dict[str, Json]:
        name, storey, ifc_class, box = self._things.get(subject, ("", "", "", None))
        return {"name": name, "storey_name": self._storeys.get(storey, storey), "ifc_class": ifc_class, "box": rounded(box)}


def told(tenant: Tenant, building: Building, judged: Judged, keys: Iterable[Key], about: Mapping[str, Mapping[str, Json]]) -> list[dict[str, Json]]:
    """These of the failures, as lists show them. about: rule key -> what is said of it."""
    chosen = [judged[key] for key in keys]
    names = Names(tenant, building, (one["subject"] for one in chosen))
    handled = _handled(tenant, building, {one["subject"] for one in chosen})
    system = units_of(building)
    return [_told(one, about.get(one["rule"], {}), names, handled.get((one["rule"], one["subject"]), ("", "")), system) for one in chosen]


def _handled(tenant: Tenant, building: Building, subjects: set[str]) -> dict[Key, tuple[str, str]]:
    rows = Finding.objects.for_tenant(tenant).filter(building=building).values_list("rule_key", "subject", "fingerprint", "state")
    return {(rule, subject): (mark, state) for rule, subject, mark, state in rows if subject in subjects}


def _told(one: Mapping[str, Json], rule: Mapping[str, Json], names: Names, row: tuple[str, str], system: str) -> dict[str, Json]:
    numbers = one["actual"] is not None and one["required"] is not None
    actual, required = pair(one["actual"], one["required"], one["unit"], system) if numbers else ("", "")
    return {
        "id": row[0],
        "rule": one["rule"],
        **{name: rule.get(name, "") for name in ("title", "section", "edition", "category")},
        "severity": one["severity"],
        "subject": one["subject"],
        **names.of(one["subject"]),
        **{name: one[name] for name in ("required", "actual", "margin", "unit")},
        "required_text": required,
        "actual_text": actual,
        "margin_text": shown(one["margin"], one["unit"], system).replace("-", "−") if one["margin"] is not None else "",
        "message": one["message"],
        "state": row[1],
    }


def by_severity(judged: Judged) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in judged.values():
        found[one["severity"]] = found.get(one["severity"], 0) + 1
    return found
