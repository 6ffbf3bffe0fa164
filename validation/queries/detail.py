"""One finding with everything that it stands on, as its page and REST show it: values in the units of the jurisdiction."""

from collections.abc import Mapping
from typing import Any

from mcp_platform.tenancy.models import Tenant, User
from validation import events
from validation.core.units import METRIC, pair, shown
from validation.models import Element, Finding, FindingNote, Rule, Waiver
from validation.queries import board, facts, waivers
from validation.queries.overview import name_of, titles, units_of

SOURCES = {
    "attribute": "attribute of the element",
    "pset": "property set",
    "quantity": "quantity",
    "user": "stated by a person or plugin",
    "geometry": "measured in the model",
    "derived": "derived",
    "project": "project data",
}


MISSING = "–"


def exact(value: Any, unit: str, system: str) -> str:
    """As the jurisdiction measures, with the metric value behind it where that is another."""
    if value is None:
        return MISSING
    first, metric = shown(value, unit, system), shown(value, unit, METRIC)
    return first if first == metric else f"{first} ({metric})"


def line(row: Finding, system: str) -> dict[str, Any]:
    """One line of the list."""
    return {
        **events.finding(row),
        "shown": _shown(row, system),
        "discipline": row.discipline,
        "assignee": {"id": str(row.assignee_id), "name": name_of(row.assignee)} if row.assignee_id else None,
        "due_on": row.due_on.isoformat() if row.due_on else None,
        "ml_score": row.ml_score,
        "created_at": row.created_at.isoformat(),
        "first_seen_seq": row.first_seen_seq,
        "resolved_at": row.resolved_at.isoformat() if row.resolved_at else None,
    }


def _shown(row: Finding, system: str) -> dict[str, str]:
    if row.actual is None and row.required is None:
        return dict.fromkeys(("actual", "required", "margin"), MISSING)
    actual, required = pair(row.actual, row.required, row.unit, system)
    margin = shown(row.margin, row.unit, system) if row.margin is not None else MISSING
    return {"actual": actual, "required": required, "margin": f"+{margin}" if row.margin and row.margin > 0 else margin.replace("-", "\u2212")}


def detail(tenant: Tenant, found: Finding) -> dict[str, Any]:
    """The whole finding. Raises nothing: what is not known is empty."""
    system = units_of(found.building)
    rule = Rule.objects.for_tenant(tenant).filter(key=found.rule_key).order_by("-version__published_at", "-created_at").first()
    return {
        **line(found, system),
        "rule_title": titles(tenant, [found.rule_key]).get(found.rule_key, ""),
        "rationale": rule.rationale if rule else "",
        "rule_version": found.rule_version,
        "exact": {
            "actual": exact(found.actual, found.unit, system),
            "required": exact(found.required, found.unit, system),
            "margin": exact(found.margin, found.unit, system),
        },
        "citation": found.citation,
        "evidence": [evidence(one, system) for one in found.evidence],
        "parameters": [parameter(name, one, system) for name, one in found.parameters.items()],
        "geometry": found.geometry,
        "element": element(tenant, found, system),
        "notes": notes(tenant, found),
        "waivers": [waiver(row) for row in waivers.of_finding(tenant, found)],
        "bcf_topic_guid": str(found.bcf_topic_guid),
    }


def evidence(one: Mapping[str, Any], system: str) -> dict[str, Any]:
    return {**one, "shown": exact(one.get("value"), one.get("unit", ""), system), "source_text": source_text(one.get("source", ""))}


def source_text(source: str) -> str:
    """ "pset:Pset_DoorCommon.FireRating" as "property set Pset_DoorCommon.FireRating"."""
    kind, _, rest = source.partition(":")
    return f"{SOURCES.get(kind, kind)} {rest}".strip()


def parameter(name: str, one: Mapping[str, Any], system: str) -> dict[str, Any]:
    return {"name": name, **one, "shown": exact(one.get("value"), one.get("unit", ""), system), "amended": one.get("origin", "rule") != "rule"}


def element(tenant: Tenant, found: Finding, system: str) -> dict[str, Any] | None:
    rows = Element.objects.for_tenant(tenant).filter(building_id=found.building_id, global_id=found.subject)
    row = rows.order_by("-valid_from_seq").first()
    if row is None:
        return None
    around = {one.global_id: one.name for one in _named(tenant, found, [row.storey, row.space])}
    units = _units(tenant)
    known = [
        {"name": name, "shown": exact(one.get("value"), units.get(name, ""), system), "source_text": source_text(one.get("source", "")),
         "assumed": bool(one.get("assumed")), "note": one.get("note", "")}
        for name, one in sorted({**(row.facts or {}), **(row.around or {})}.items())
    ]  # fmt: skip
    return {
        "global_id": row.global_id,
        "ifc_class": row.ifc_class,
        "predefined_type": row.predefined_type,
        "name": row.name,
        "tag": row.tag,
        "storey": {"id": row.storey, "name": around.get(row.storey, row.storey)},
        "space": {"id": row.space, "name": around.get(row.space, row.space)},
        "is_there": row.valid_to_seq is None,
        "box": row.box,
        "facts": known,
        "properties": row.properties,
    }


def _named(tenant: Tenant, found: Finding, ids: list[str]) -> Any:
    rows = Element.objects.for_tenant(tenant).filter(building_id=found.building_id, valid_to_seq=None, global_id__in=[one for one in ids if one])
    return rows.only("global_id", "name")


def _units(tenant: Tenant) -> dict[str, str]:
    """Of the facts by name; the tenant's own definition goes before the built-in one."""
    return {one.name: one.unit for one in (*facts.built_in(), *facts.own(tenant))}


def notes(tenant: Tenant, found: Finding) -> list[dict[str, Any]]:
    """The history, the oldest first."""
    rows = list(FindingNote.objects.for_tenant(tenant).filter(finding=found).select_related("author").order_by("at"))
    named = {str(user.pk): name_of(user) for user in User.objects.filter(pk__in=_people_in(rows))}
    return [note(row, named) for row in rows]


def _people_in(rows: list[FindingNote]) -> set[str]:
    return {value for row in rows if row.kind == "assignee" for value in (row.data.get("from"), row.data.get("to")) if value}


def note(row: FindingNote, named: Mapping[str, str] | None = None) -> dict[str, Any]:
    data = dict(row.data)
    if row.kind == "assignee":
        data = {side: (named or {}).get(data.get(side) or "", data.get(side)) for side in ("from", "to")}
    author = name_of(row.author) or ("the check" if row.actor.startswith("system") else row.actor)
    return {"id": str(row.pk), "kind": row.kind, "text": row.text, "data": data, "actor": row.actor, "author": author, "at": row.at.isoformat()}


def waiver(row: Waiver) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "building": str(row.building_id),
        "finding": str(row.finding_id) if row.finding_id else None,
        "rule": row.rule_key,
        "scope": "finding" if row.finding_id else "rule",
        "kind": row.kind,
        "state": row.state,
        "justification": row.justification,
        "authority_reference": row.authority_reference,
        "conditions": row.conditions,
        "expires_on": row.expires_on.isoformat() if row.expires_on else None,
        "requester": {"actor": row.requester, "name": name_of(row.requested_by) or row.requester},
        "approver": {"actor": row.approver, "name": name_of(row.approved_by) or row.approver} if row.approver else None,
        "decided_at": row.decided_at.isoformat() if row.decided_at else None,
        "decision_note": row.decision_note,
        "lapsed_because": row.lapsed_because,
        "attachments": [attachment(one) for one in row.attachments.all()],
        "created_at": row.created_at.isoformat(),
        "rev": row.rev,
    }


def attachment(row: Any) -> dict[str, Any]:
    return {"id": str(row.pk), "name": row.name, "size": row.size, "sha256": row.sha256, "at": row.at.isoformat()}


def group_names(tenant: Tenant, building_id: Any, by: str, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The groups with what people call them."""
    keys = [one["key"] for one in groups]
    found: Mapping[str, str] = {}
    if by == "rule":
        found = titles(tenant, keys)
    elif by == "storey":
        found = {one["id"]: one["name"] for one in board.storeys(tenant, building_id)}
    elif by == "assignee":
        found = {str(user.pk): name_of(user) for user in User.objects.filter(pk__in=[key for key in keys if key != board.NOBODY])}
    return [{**one, "name": found.get(one["key"], one["name"])} for one in groups]
