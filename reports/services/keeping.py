"""How long reports are kept. What expires loses its document and files; its number and the hashes of the files stay, so that it can be verified."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from mcp_platform import jobs, rest
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from reports import queries
from reports.models import Report, ReportFile, ReportPolicy

FIELDS: Final = ("keep_days", "keep_superseded_days", "attach_files", "link_days")
BOUNDS: Final = {"keep_days": (1, 36_500), "keep_superseded_days": (1, 36_500), "link_days": (1, 7)}
AT_ONCE: Final = 20
KEPT: Final = (Report.State.READY, Report.State.FAILED)


def save_policy(tenant: Tenant, *, fields: Mapping[str, Any], expected_rev: int | None = None, by: By) -> ReportPolicy:
    """Raises SchemaError with every fault, StaleEtag."""
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=tenant.pk)
        row = queries.policy(tenant)
        if expected_rev is not None and row.rev != expected_rev:
            raise rest.StaleEtag
        for name in FIELDS:
            if name in fields:
                setattr(row, name, fields[name])
        faults = _faults(row, fields)
        if faults:
            raise rest.SchemaError(errors=faults)
        row.rev += 1
        row.save()
        audit(tenant, actor=actor_of(by), action="report_policy.save", target=row, changes={name: fields[name] for name in fields})
    return row


def _faults(row: ReportPolicy, fields: Mapping[str, Any]) -> list[dict[str, str]]:
    faults = [{"path": f"$.{name}", "message": "is not known", "expected": ", ".join(FIELDS)} for name in fields if name not in FIELDS]
    try:
        row.clean_fields(exclude=("tenant",))
    except ValidationError as fault:
        return faults + [{"path": f"$.{name}", "message": " ".join(said), "expected": _expected(name)} for name, said in fault.message_dict.items()]
    wrong = [name for name, (least, most) in BOUNDS.items() if (value := getattr(row, name)) is not None and not least <= value <= most]
    return faults + [{"path": f"$.{name}", "message": f"is {getattr(row, name)}", "expected": _expected(name)} for name in wrong]


def _expected(name: str) -> str:
    return "{} to {}".format(*BOUNDS[name]) if name in BOUNDS else "true or false"


def expire_due() -> int:
    """The next few reports whose time is over, of each tenant: one that is behind does not keep the others waiting. How many."""
    now, found = timezone.now(), 0
    policies = ReportPolicy.objects.filter(Q(keep_days__isnull=False) | Q(keep_superseded_days__isnull=False)).select_related("tenant")
    for policy in policies:
        for report in _over(policy, now).defer("document")[:AT_ONCE]:
            found += expire(policy.tenant, report)
    return found


def _over(policy: ReportPolicy, now: datetime) -> QuerySet[Report]:
    over = Q(pk__in=())
    if policy.keep_days is not None:
        over |= Q(created_at__lt=now - timedelta(days=policy.keep_days))
    if policy.keep_superseded_days is not None:
        over |= Q(created_at__lt=now - timedelta(days=policy.keep_superseded_days), is_superseded=True)
    later = Report.objects.filter(tenant=OuterRef("tenant"), number=OuterRef("number"), revision__gt=OuterRef("revision"), state=Report.State.READY)
    rows: QuerySet[Report] = Report.objects.for_tenant(policy.tenant_id).filter(state__in=KEPT).annotate(is_superseded=Exists(later)).filter(over)
    return rows.order_by("created_at")


def expire(tenant: Tenant, report: Report) -> int:
    """1; or 0 when somebody else did, or it is being rendered."""
    with transaction.atomic():
        mine = Report.objects.for_tenant(tenant).filter(pk=report.pk, state__in=KEPT)
        if not mine.update(state=Report.State.EXPIRED, document=b"", sealed_password="", look={}):
            return 0
        files = list(ReportFile.objects.for_tenant(tenant).filter(report=report))
        changes = {"number": report.number, "revision": report.revision, "content_sha256": report.content_sha256, "files": len(files)}
        audit(tenant, actor="system", action="report.expire", target=report, changes=changes)
        ReportFile.objects.for_tenant(tenant).filter(report=report).delete()
        jobs.after_commit(lambda: remove(files))
    return 1


def remove(files: list[ReportFile]) -> None:
    for one in files:
        one.file.delete(save=False)
