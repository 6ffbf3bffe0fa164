"""The findings of a building as people work through them: filters, order, pages, groups, counts. Made for 50,000 of them.

Pages go by keyset: the cursor names the last row of a page, so page 900 costs what page 1 does and rows that vanish meanwhile skip nothing.
"""

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Expression, F, FloatField, Min, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from mcp_platform.tenancy.models import Tenant
from validation.core.rules import CATEGORIES
from validation.errors import BuildingNotFound, FieldsRefused, FindingNotFound
from validation.models import Building, Element, Finding
from validation.models.rulebook import SEVERITIES

ME: Final = "me"
NOBODY: Final = "none"
UNHANDLED: Final = ("open", "reopened")
MOST_VALUES: Final = 100  # of one filter
MOST_LETTERS: Final = 200


def building(tenant: Tenant, building_id: UUID) -> Building:
    """Raises BuildingNotFound."""
    found = Building.objects.for_tenant(tenant).select_related("project", "project__jurisdiction").filter(pk=building_id).first()
    if found is None:
        raise BuildingNotFound(building=str(building_id))
    return found


def finding(tenant: Tenant, building_id: UUID, finding_id: UUID) -> Finding:
    """Raises FindingNotFound."""
    rows = Finding.objects.for_tenant(tenant).select_related("tenant", "building", "building__project__jurisdiction", "assignee")
    found: Finding | None = rows.filter(building_id=building_id, pk=finding_id).first()
    if found is None:
        raise FindingNotFound(finding=str(finding_id))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Several values of one filter mean "one of them". assignee: user ids, `me`, `none`. due: overdue | week | none. there: now | gone | all."""

    id: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    storey: tuple[str, ...] = ()
    discipline: tuple[str, ...] = ()
    ifc_class: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    assignee: tuple[str, ...] = ()
    due: str = ""
    there: str = "now"
    text: str = ""

    @property
    def is_empty(self) -> bool:
        return self == Filters()


CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "severity": tuple(name for name, _ in SEVERITIES),
    "state": tuple(Finding.State.values),
    "category": tuple(CATEGORIES),
    "outcome": ("fail", "not_evaluable"),
    "due": ("overdue", "week", "none"),
    "there": ("now", "gone", "all"),
}
NAMES: Final = tuple(field.name for field in fields(Filters))
_COLUMNS: Final = {"rule": "rule_key"}
_MANY: Final = ("severity", "state", "category", "outcome", "rule", "storey", "discipline", "ifc_class", "subject")


def read_filters(given: Mapping[str, Iterable[str]], *, me: UUID | None = None) -> Filters:
    """From the parameters of an address: {name: values}; `severity=critical&severity=major` and `severity=critical,major` are the same.

    `me`: the person who asks. Raises FieldsRefused with every fault.
    """
    faults: list[dict[str, str]] = []
    found: dict[str, Any] = {}
    for name in NAMES:
        values = _values(name, given.get(name, ()))
        if values:
            faults += _faults(name, values)
            found[name] = values if name in (*_MANY, "id", "assignee") else values[0]
    if faults:
        raise FieldsRefused(errors=faults)
    if ME in found.get("assignee", ()):
        found["assignee"] = tuple(str(me) if value == ME else value for value in found["assignee"]) if me else ("nobody-is-logged-in",)
    return Filters(**found)


def _values(name: str, given: Iterable[str]) -> tuple[str, ...]:
    parts = [part for one in given for part in (one.split(",") if name in CHOICES or name in ("assignee", "id") else [one])]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _faults(name: str, values: tuple[str, ...]) -> list[dict[str, str]]:
    def fault(code: str, message: str, expected: str) -> dict[str, str]:
        return {"path": f"?{name}", "code": code, "message": message, "expected": expected}

    faults = []
    if len(values) > MOST_VALUES:
        faults.append(fault("too_many", "has too many values", f"at most {MOST_VALUES}"))
    if any(len(value) > MOST_LETTERS for value in values):
        faults.append(fault("too_long", "is too long", f"at most {MOST_LETTERS} characters"))
    unknown = [value for value in values if name in CHOICES and value not in CHOICES[name]]
    if unknown:
        faults.append(fault("unknown", f"does not know {unknown[0]!r}", ", ".join(CHOICES[name])))
    if name == "id" and not all(_is_uuid(value) for value in values):
        faults.append(fault("invalid", "names no finding", "ids of findings"))
    if name == "assignee" and any(value not in (ME, NOBODY) and not _is_uuid(value) for value in values):
        faults.append(fault("invalid", "names nobody", "me, none, or the id of a person"))
    return faults


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def findings(tenant: Tenant, building_id: UUID, filters: Filters | None = None, *, today: date | None = None) -> QuerySet[Finding]:
    """The rows that the filters leave."""
    filters = filters or Filters()
    rows: QuerySet[Finding] = Finding.objects.for_tenant(tenant).filter(building_id=building_id)
    rows = rows.filter(*_there(filters.there))
    rows = rows.filter(pk__in=filters.id) if filters.id else rows
    for name in _MANY:
        values = getattr(filters, name)
        if values:
            rows = rows.filter(**{f"{_COLUMNS.get(name, name)}__in": ["" if value == NOBODY else value for value in values]})
    if filters.assignee:
        people = [value for value in filters.assignee if _is_uuid(value)]
        rows = rows.filter(Q(assignee_id__in=people) | (Q(assignee=None) if NOBODY in filters.assignee else Q(pk__in=[])))
    if filters.due:
        rows = rows.filter(_DUE[filters.due](today or timezone.now().date()))
    for word in filters.text.split()[:8]:
        rows = rows.filter(
            Q(message__icontains=word) | Q(subject_name__icontains=word) | Q(rule_key__icontains=word) | Q(subject=word) | Q(ifc_class__iexact=word)
        )
    return rows


def _there(there: str) -> list[Q]:
    return {"now": [Q(resolved_seq=None)], "gone": [Q(resolved_seq__isnull=False)], "all": []}[there]


_DUE: Final[Mapping[str, Callable[[date], Q]]] = {
    "overdue": lambda today: Q(due_on__lt=today),
    "week": lambda today: Q(due_on__gte=today, due_on__lte=today + timedelta(days=7)),
    "none": lambda today: Q(due_on=None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One part of an order. `by` is a column, or an expression that is never null; `read` makes its value again from JSON."""

    by: str | Expression
    down: bool = False
    read: Callable[[Any], Any] = str


_LAST_DAY: Final = date(9999, 12, 31)
_SEVERITY: Final = Key(by="severity_rank", read=int)
ORDERS: Final[Mapping[str, tuple[Key, ...]]] = {
    "severity": (Key(by="outcome"), _SEVERITY, Key(by="rule_key"), Key(by="subject")),  # what fails, then what could not be judged
    "rule": (Key(by="rule_key"), Key(by="subject")),
    "storey": (Key(by="storey"), _SEVERITY, Key(by="rule_key")),
    "name": (Key(by="subject_name"), _SEVERITY),
    "margin": (Key(by=Coalesce("margin", Value(1e300), output_field=FloatField()), read=float), _SEVERITY),
    "ml_score": (Key(by=Coalesce("ml_score", Value(-1.0), output_field=FloatField()), down=True, read=float), _SEVERITY),
    "newest": (Key(by="created_at", down=True, read=datetime.fromisoformat),),
    "due": (Key(by=Coalesce("due_on", Value(_LAST_DAY)), read=date.fromisoformat), _SEVERITY),
}
DEFAULT_ORDER: Final = "severity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    rows: list[Finding]
    next: str  # cursor; "" at the end


def page(rows: QuerySet[Finding], *, ordering: str = DEFAULT_ORDER, cursor: str = "", limit: int = 50) -> Page:
    """Raises FieldsRefused for an order that is not one, or a cursor that is not of this order."""
    if ordering not in ORDERS:
        raise FieldsRefused(
            errors=[{"path": "?ordering", "code": "unknown", "message": f"does not know {ordering!r}", "expected": ", ".join(ORDERS)}]
        )
    keys = (*ORDERS[ordering], Key(by="id", read=UUID))
    names = [key.by if isinstance(key.by, str) else f"k{index}" for index, key in enumerate(keys)]
    rows = rows.annotate(**{name: key.by for name, key in zip(names, keys, strict=True) if not isinstance(key.by, str)})
    if cursor:
        rows = rows.filter(_beyond(names, keys, _read_cursor(ordering, keys, cursor)))
    order = [F(name).desc() if key.down else F(name).asc() for name, key in zip(names, keys, strict=True)]
    found = list(rows.select_related("assignee").order_by(*order)[: limit + 1])
    onward = _cursor(ordering, found[limit - 1], names) if len(found) > limit else ""
    return Page(rows=found[:limit], next=onward)


def _beyond(names: list[str], keys: Iterable[Key], values: list[Any]) -> Q:
    """Rows after these values: (a, b) > (x, y) spelt out, and `a >= x` beside it, which lets the database start in its index."""
    steps = [(name, "lt" if key.down else "gt", value) for (name, key), value in zip(zip(names, keys, strict=True), values, strict=True)]
    beyond = Q()
    for index, (name, sign, value) in enumerate(steps):
        beyond |= Q(**{f"{name}__{sign}": value}, **{before: same for before, _, same in steps[:index]})
    first, sign, value = steps[0]
    return Q(**{f"{first}__{sign}e": value}) & beyond


def _cursor(ordering: str, row: Finding, names: Iterable[str]) -> str:
    values = [_plain(getattr(row, name)) for name in names]
    return base64.urlsafe_b64encode(json.dumps([ordering, *values], separators=(",", ":")).encode()).decode().rstrip("=")


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else value.isoformat() if isinstance(value, date) else str(value)


def _read_cursor(ordering: str, keys: tuple[Key, ...], cursor: str) -> list[Any]:
    try:
        of, *values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if of != ordering or len(values) != len(keys):
            raise ValueError(of)
        return [key.read(value) for key, value in zip(keys, values, strict=True)]
    except (ValueError, TypeError, OverflowError, UnicodeDecodeError) as fault:
        expected = "the cursor of the page before, with the same ordering"
        raise FieldsRefused(errors=[{"path": "?cursor", "code": "invalid", "message": "is no cursor of this list", "expected": expected}]) from fault


GROUPS: Final[Mapping[str, str]] = {
    "rule": "rule_key",
    "storey": "storey",
    "severity": "severity",
    "category": "category",
    "discipline": "discipline",
    "subject": "subject",
    "assignee": "assignee_id",
    "state": "state",
}
MOST_GROUPS: Final = 500


def groups(rows: QuerySet[Finding], by: str) -> list[dict[str, Any]]:
    """{key, count, severities{name: n}} of each group, the one with the worst failures first. Raises FieldsRefused."""
    if by not in GROUPS:
        raise FieldsRefused(errors=[{"path": "?by", "code": "unknown", "message": f"does not know {by!r}", "expected": ", ".join(GROUPS)}])
    column = GROUPS[by]
    found: dict[Any, dict[str, Any]] = {}
    failing: Counter[tuple[Any, str]] = Counter()
    counted = rows.order_by().values_list(column, "severity", "outcome").annotate(n=Count("id"), name=Min("subject_name"))
    for key, severity, outcome, count, name in counted:
        group = found.setdefault(key, {"key": str(key) if key not in (None, "") else NOBODY, "count": 0, "severities": {}, "name": ""})
        group["count"] += count
        group["severities"][severity] = group["severities"].get(severity, 0) + count
        group["name"] = name if by == "subject" else ""
        failing[key, severity] += count if outcome == "fail" else 0
    worst = [name for name, _ in SEVERITIES]
    ordered = [found[key] for key in sorted(found, key=lambda key: (*(-failing[key, name] for name in worst), -found[key]["count"], str(key)))]
    return ordered[:MOST_GROUPS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of what is there now. matrix: (severity, category) -> failing findings that nobody has waived. facets: filter -> value -> rows."""

    matrix: Mapping[tuple[str, str], int]
    facets: Mapping[str, Mapping[str, int]]
    total: int
    fail: int
    not_evaluable: int
    waived: int
    unhandled: int


_COUNTED: Final = ("severity", "category", "outcome", "state", "rule_key", "storey", "discipline", "assignee_id")


def counts(tenant: Tenant, building_id: UUID) -> Counts:
    """In one walk over an index."""
    matrix: Counter[tuple[str, str]] = Counter()
    facets: dict[str, Counter[str]] = {name.removesuffix("_key").removesuffix("_id"): Counter() for name in _COUNTED}
    outcomes: Counter[str] = Counter()
    rows = Finding.objects.for_tenant(tenant).filter(building_id=building_id, resolved_seq=None)
    for row in rows.order_by().values(*_COUNTED).annotate(n=Count("*")):
        count, waived = row["n"], row["state"] in ("waived", "false_positive")
        for name in _COUNTED:
            facets[name.removesuffix("_key").removesuffix("_id")][str(row[name]) if row[name] not in (None, "") else NOBODY] += count
        outcomes["total"] += count
        outcomes["waived" if waived else row["outcome"]] += count
        outcomes["unhandled"] += count if row["state"] in UNHANDLED else 0
        if row["outcome"] == "fail" and not waived:
            matrix[row["severity"], row["category"]] += count
    return Counts(
        matrix=matrix,
        facets=facets,
        **{name: outcomes[name] for name in ("total", "fail", "not_evaluable", "waived", "unhandled")},
    )


def storeys(tenant: Tenant, building_id: UUID) -> list[dict[str, Any]]:
    """{id, name, elevation} from the lowest to the highest."""
    rows = Element.objects.for_tenant(tenant).filter(building_id=building_id, valid_to_seq=None, ifc_class="IfcBuildingStorey")
    found = [
        {"id": gid, "name": name or gid, "elevation": _elevation(facts or {}, box)}
        for gid, name, facts, box in rows.values_list("global_id", "name", "facts", "box")
    ]
    return sorted(found, key=lambda one: (one["elevation"], one["name"]))


def _elevation(facts: Mapping[str, Any], box: Any) -> float:
    known = (facts.get("elevation") or {}).get("value")
    return float(known) if isinstance(known, int | float) else float(box[2]) if box else 0.0
