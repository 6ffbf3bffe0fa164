"""Reports that make themselves: each week or month, once for each period, whoever notices first and however often a worker dies on the way."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from mcp_platform import errors, observability, rest
from mcp_platform.operations import services as operations
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.queries import person_behind, principal_of_user
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By, actor_of, audit
from reports import queries
from reports.core.calendar import Period, Rhythm, next_due, period_of
from reports.core.sections import FORMATS_OF, KINDS
from reports.errors import NothingToReport
from reports.gathering import subjects
from reports.models import Occasion, Report, ReportSchedule, ReportTemplate
from reports.services import making, reading, wishes
from validation.models import Building

log = observability.logger(__name__)

OPERATION: Final = "reports.occasion"
FIELDS: Final = (
    *("name", "kind", "about", "cadence", "weekday", "day", "at", "time_zone"),
    *("template", "formats", "recipients", "revises", "enabled"),
)
SUBJECTS: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("building", "project"),
    "project": ("project",),
    "period": ("project",),
    "analytics": ("flow",),
}
SPANNING: Final = frozenset(("period", "analytics"))  # what is about the days of the period
SYSTEM: Final = "system"
AGAIN: Final = timedelta(hours=1)  # after a fault of ours
Faults = list[dict[str, str]]


def save_schedule(tenant: Tenant, *, pk: UUID | None = None, fields: Mapping[str, Any], expected_rev: int | None = None, by: By) -> ReportSchedule:
    """Made or changed; whoever saved it last is told of failures. Raises ScheduleNotFound, Denied, StaleEtag, SchemaError with every fault."""
    with transaction.atomic():
        row = queries.schedule(tenant, pk) if pk else ReportSchedule(tenant=tenant)
        reading.require_readable(by, str(fields.get("kind", row.kind)))
        if expected_rev is not None and row.rev != expected_rev:
            raise rest.StaleEtag
        faults = _set(row, fields) + _faults(row, tenant)
        if faults:
            raise rest.SchemaError(errors=faults)
        row.rev += 1 if pk else 0
        row.user = (person_behind(by) if isinstance(by, Principal) else by) or row.user
        row.next_at = next_due(rhythm_of(row), timezone.now()) if row.enabled else None
        row.save()
        audit(tenant, actor=actor_of(by), action="report_schedule.save", target=row, changes={name: str(fields[name])[:200] for name in fields})
    return row


def delete_schedule(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """Its reports stay. Raises ScheduleNotFound, StaleEtag."""
    row = queries.schedule(tenant, pk)
    if expected_rev is not None and row.rev != expected_rev:
        raise rest.StaleEtag
    with transaction.atomic():
        audit(tenant, actor=actor_of(by), action="report_schedule.delete", target=row, changes={"name": row.name})
        row.delete()


def rhythm_of(row: ReportSchedule) -> Rhythm:
    return Rhythm(cadence=row.cadence, weekday=row.weekday, day=row.day, at=row.at, zone=ZoneInfo(row.time_zone))


def _set(row: ReportSchedule, fields: Mapping[str, Any]) -> Faults:
    faults = [{"path": f"$.{name}", "message": "is not known", "expected": ", ".join(FIELDS)} for name in fields if name not in FIELDS]
    for name in FIELDS:
        if name in fields:
            setattr(row, name, fields[name])
    try:
        row.full_clean(exclude=("tenant", "template"), validate_unique=False, validate_constraints=False)
    except ValidationError as fault:
        faults += [{"path": f"$.{name}", "message": " ".join(said), "expected": "a value that fits"} for name, said in fault.message_dict.items()]
    return faults


def _faults(row: ReportSchedule, tenant: Tenant) -> Faults:
    """What the table itself cannot say."""
    found = [
        ("weekday", row.weekday not in range(7), "0 (Monday) to 6"),
        ("day", row.day not in range(1, 32), "1 to 31"),
        ("time_zone", not _is_zone(row.time_zone), "a name such as Europe/Berlin"),
        ("kind", row.kind not in SUBJECTS, ", ".join(SUBJECTS)),
        ("revises", row.revises and row.kind in SPANNING, "false: each is about other days, so none revises the one before"),
        ("template", row.template is not None and not _fits(row.template, row, tenant), f"a template of this tenant for reports of {row.kind}"),
        ("formats", not _among(row.formats, FORMATS_OF.get(row.kind, ())), f"a list of {', '.join(FORMATS_OF.get(row.kind, ()))}"),
        ("about", not _is_subject(row), " or ".join(f'{{"{name}": "<id>"}}' for name in SUBJECTS.get(row.kind, ("project",)))),
    ]
    faults = [{"path": f"$.{name}", "message": "does not fit", "expected": expected} for name, is_wrong, expected in found if is_wrong]
    return faults + _wrong_readers(row.recipients)


def _is_zone(name: Any) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (KeyError, ValueError, OSError, TypeError):
        return False


def _fits(template: ReportTemplate, row: ReportSchedule, tenant: Tenant) -> bool:
    return template.tenant_id == tenant.pk and template.kind == row.kind


def _among(values: Any, allowed: tuple[str, ...]) -> bool:
    return isinstance(values, list) and all(value in allowed for value in values)


def _is_subject(row: ReportSchedule) -> bool:
    about = row.about
    if not isinstance(about, dict) or len(about) != 1:
        return False
    (name, value), *_ = about.items()
    return name in SUBJECTS.get(row.kind, ()) and isinstance(value, str) and (name == "flow" or _is_id(value))


def _is_id(value: str) -> bool:
    try:
        return bool(UUID(value))
    except ValueError:
        return False


def _wrong_readers(addresses: Any) -> Faults:
    if not isinstance(addresses, list) or not all(isinstance(one, str) for one in addresses):
        return [{"path": "$.recipients", "message": "is not a list of texts", "expected": "e-mail addresses"}]
    try:
        wishes.readers(addresses)
    except rest.SchemaError as fault:
        return [{**one, "path": one["path"].replace("$.notify", "$.recipients")} for one in fault.details["errors"]]
    return []


def claim_due() -> int:
    """Begin what is due, of all tenants: the next time is set and the occasion written together, so a period has one. How many were claimed.

    Times that passed while nothing ran are not made up for; only the last of them is.
    """
    found = 0
    due = ReportSchedule.objects.filter(enabled=True, next_at__lte=timezone.now(), tenant__is_active=True).order_by("next_at")
    for row in due.select_related("tenant")[:20]:
        try:
            found += _claim(row, timezone.now())
        except Exception:  # it must not stop those behind it, nor come first again at once
            log.exception("schedule_not_begun", schedule_id=str(row.pk))
            ReportSchedule.objects.filter(pk=row.pk, next_at=row.next_at).update(next_at=timezone.now() + AGAIN)
    return found


def _claim(row: ReportSchedule, now: datetime) -> bool:
    rhythm = rhythm_of(row)
    due = _last_due(rhythm, row.next_at, now)
    with transaction.atomic():
        mine = ReportSchedule.objects.filter(pk=row.pk, enabled=True, next_at=row.next_at)
        if not mine.update(next_at=next_due(rhythm, now)):
            return False
        _begin(row, period_of(rhythm, due).label, due, by=SYSTEM)
    return True


def _last_due(rhythm: Rhythm, due: Any, now: Any) -> Any:
    while (later := next_due(rhythm, due)) <= now:
        due = later
    return due


def run_now(tenant: Tenant, *, pk: UUID, by: By) -> Occasion:
    """Once more, out of turn. Raises ScheduleNotFound, Denied."""
    row = queries.schedule(tenant, pk)
    reading.require_readable(by, row.kind)
    with transaction.atomic():
        now = timezone.now()
        made = _begin(row, now.isoformat(timespec="microseconds"), now, by=actor_of(by))
        audit(tenant, actor=actor_of(by), action="report_schedule.run", target=row, changes={"name": row.name})
    assert made is not None
    return made


def _begin(row: ReportSchedule, period: str, due: Any, *, by: str) -> Occasion | None:
    """None: the period has been there."""
    occasion, made = Occasion.objects.get_or_create(schedule=row, period=period, defaults={"tenant": row.tenant, "due_at": due})
    if not made:
        return None
    arguments = {"occasion": str(occasion.pk)}
    operation = operations.start(
        row.tenant, kind=OPERATION, title=f"{row.name}: {period}", arguments=arguments, by=by, subject=f"report-schedule:{row.pk}"
    )
    Occasion.objects.filter(pk=occasion.pk).update(operation_id=operation.pk)
    occasion.operation_id = operation.pk
    return occasion


def perform(tenant: Tenant, *, occasion_id: UUID) -> dict[str, Any]:
    """The worker's part: ask for the reports, each in a transaction of its own. Begun again after a crash it asks for none twice: an occasion
    has one report about each subject. Raises Denied when whoever saved the schedule may not ask for such reports any more; it is switched off.
    """
    occasion = Occasion.objects.for_tenant(tenant).select_related("schedule__template", "schedule__user").get(pk=occasion_id)
    if occasion.state == Occasion.State.DONE:
        return {"reports": [str(pk) for pk in occasion.reports.values_list("pk", flat=True)]}
    try:
        by = _asker(tenant, occasion.schedule)
        made = [_ask(tenant, occasion, about, by) for about in _abouts(tenant, occasion)]
        if not made:
            raise NothingToReport
    except NothingToReport as fault:
        _end(occasion, Occasion.State.NOTHING, rest.problem(fault))
        return {"reports": []}
    except errors.PlatformError as fault:
        _end(occasion, Occasion.State.FAILED, rest.problem(fault))
        raise
    except Exception as fault:
        _end(occasion, Occasion.State.FAILED, {"error_code": "OCCASION_FAILED", "detail": f"{type(fault).__name__}: {fault}"[:500]})
        raise
    _end(occasion, Occasion.State.DONE, {})
    return {"reports": [str(report.pk) for report in made]}


def _asker(tenant: Tenant, row: ReportSchedule) -> By:
    """In whose name it asks, with what they may do today. Raises Denied."""
    if row.user is None:  # a program saved it
        return None
    by = principal_of_user(row.user, tenant)
    try:
        by.require("reports:write")
        reading.require_readable(by, row.kind)
    except errors.Denied:
        with transaction.atomic():
            ReportSchedule.objects.for_tenant(tenant).filter(pk=row.pk).update(enabled=False, next_at=None)
            audit(tenant, actor=SYSTEM, action="report_schedule.stop", target=row, changes={"name": row.name, "enabled": False})
        raise
    return by


def _end(occasion: Occasion, state: str, problem: dict[str, Any]) -> None:
    Occasion.objects.filter(pk=occasion.pk).update(state=state, problem=problem)


def _abouts(tenant: Tenant, occasion: Occasion) -> Iterator[dict[str, str]]:
    """What each report of the occasion is about."""
    row = occasion.schedule
    if row.kind in SPANNING:
        yield {**row.about, **_days(period_of(rhythm_of(row), occasion.due_at))}
        return
    if row.kind != "run":
        yield dict(row.about)
        return
    named = {"pk": row.about["building"]} if "building" in row.about else {"project": row.about["project"]}
    for building in Building.objects.for_tenant(tenant).filter(archived_at=None, **named).order_by("name", "pk"):
        last = subjects.last_run(tenant, building.pk)
        if last is not None:
            yield {"run": str(last.pk)}


def _days(period: Period) -> dict[str, str]:
    return {"since": period.since.isoformat(), "until": period.until.isoformat()}


def _ask(tenant: Tenant, occasion: Occasion, about: Mapping[str, str], by: By) -> Report:
    row = occasion.schedule
    return making.request(
        tenant,
        by=by,
        kind=row.kind,
        about=about,
        template_id=row.template_id,
        formats=row.formats,
        notify=row.recipients,
        occasion=occasion,
        supersedes=_before(tenant, occasion, about) if row.revises and row.kind not in SPANNING else None,
    )


def _before(tenant: Tenant, occasion: Occasion, about: Mapping[str, str]) -> UUID | None:
    """The last report of the schedule about the same: of a building where it is made of its checks."""
    row = occasion.schedule
    rows = Report.objects.for_tenant(tenant).filter(occasion__schedule=row, kind=row.kind).exclude(occasion=occasion)
    if row.kind == "run":
        rows = rows.filter(building__runs=UUID(about["run"]))
    found: UUID | None = rows.order_by("-created_at").values_list("pk", flat=True).first()
    return found


assert set(SUBJECTS) <= set(KINDS)
