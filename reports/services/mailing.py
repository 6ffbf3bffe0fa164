"""Letters about reports: written with the state that they tell of, sent by a worker, tried again while the mail server refuses.

SMTP has no "exactly once". A letter whose sender died is sent again, with the same Message-ID, by which mail programs know it.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from mcp_platform import jobs, observability
from mcp_platform.tenancy.models import Tenant
from reports import queries
from reports.core import letters
from reports.models import Report, ReportFile, ReportMail
from reports.services import handing_out, reading

log = observability.logger(__name__)

JOB: Final = "reports.send_letter"
LEASE: Final = timedelta(minutes=2)  # how long one attempt may take before another worker tries
PAUSES: Final = (60, 300, 1_800, 7_200)  # seconds before the next attempt; after the last one it is given up
LARGEST_ATTACHMENT: Final = 15_000_000  # bytes; what is larger is sent as a link
State = ReportMail.State


def write(tenant: Tenant, report: Report, *, says: str) -> None:
    """In the transaction that makes the report ready or failed: one letter to each reader. What has been told is not told again."""
    readers = _readers(report, says)
    locale = reading.locale_of(report) if readers else ""
    for address in readers:
        row, made = ReportMail.objects.get_or_create(
            report=report, address=address, says=says, defaults={"tenant": tenant, "locale": locale, "next_at": timezone.now()}
        )
        if made:
            jobs.enqueue(JOB, tenant_id=str(tenant.pk), letter_id=str(row.pk))


def _readers(report: Report, says: str) -> list[str]:
    """That it has failed, and why, is told only to the person who asked, and always."""
    if says == "ready":
        return list(dict.fromkeys(report.notify))
    return [report.user.email] if report.user is not None and report.user.email else []


def send(tenant: Tenant, *, letter_id: UUID) -> None:
    """One attempt, by whoever claims it first."""
    due = ReportMail.objects.for_tenant(tenant).filter(pk=letter_id, state=State.QUEUED, next_at__lte=Now())
    if not due.update(next_at=Now() + LEASE):
        return
    row = ReportMail.objects.for_tenant(tenant).select_related("report__user").get(pk=letter_id)
    mine = ReportMail.objects.for_tenant(tenant).filter(pk=letter_id, state=State.QUEUED)
    if row.says == "ready" and row.report.state == Report.State.EXPIRED:
        mine.update(state=State.FAILED, problem="The report has expired.")
        return
    try:
        _message(tenant, row).send()
    except Exception as fault:  # noqa: BLE001  whatever it is: a letter that nothing counts would be tried for ever
        _postpone(mine, row, repr(fault)[:500])
        log.warning("letter_not_sent", report_id=str(row.report_id), attempt=row.attempts + 1, fault=repr(fault))
        return
    mine.update(state=State.SENT, attempts=row.attempts + 1, sent_at=Now(), problem="")


def _postpone(mine: QuerySet[ReportMail], row: ReportMail, problem: str) -> None:
    if row.attempts >= len(PAUSES):
        mine.update(state=State.FAILED, attempts=row.attempts + 1, problem=problem)
        return
    mine.update(attempts=row.attempts + 1, problem=problem, next_at=Now() + timedelta(seconds=PAUSES[row.attempts]))


def _message(tenant: Tenant, row: ReportMail) -> EmailMessage:
    told, attached = _told(tenant, row)
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">") or "localhost"
    headers = {"Message-ID": f"<{row.pk}@{domain}>", "Auto-Submitted": "auto-generated"}
    message = EmailMessage(told.subject, told.body, settings.DEFAULT_FROM_EMAIL, [row.address], headers=headers)
    if attached is not None:
        with attached.file.open("rb") as content:
            message.attach(str(attached.file.name).rsplit("/", 1)[-1], content.read(), attached.media_type)
    return message


def _told(tenant: Tenant, row: ReportMail) -> tuple[letters.Letter, ReportFile | None]:
    report = row.report
    about: dict[str, Any] = {"number": report.number, "revision": report.revision, "title": report.title}
    if row.says == "failed":
        page = settings.PUBLIC_URL.rstrip("/") + reverse("admin:reports_report_change", args=(report.pk,))
        return letters.failed(row.locale, **about, reason=str(report.problem.get("detail", "")), page=page), None
    policy = queries.policy(tenant)
    verify = reading.verify_url(report)
    file = _first(report)
    if policy.attach_files and file is not None and file.size <= LARGEST_ATTACHMENT:
        return letters.ready(row.locale, **about, verify=verify), file
    sealed, expires = handing_out.link(tenant, report_id=report.pk, name=file.format if file else "pdf", seconds=policy.link_days * 86_400, by=None)
    until = f"{datetime.fromtimestamp(expires, UTC):%Y-%m-%d %H:%M %Z}"
    link = settings.PUBLIC_URL.rstrip("/") + reverse("report-link", args=(sealed,))
    return letters.ready(row.locale, **about, verify=verify, link=link, until=until), None


def _first(report: Report) -> ReportFile | None:
    """The PDF where there is one."""
    files: list[ReportFile] = sorted(report.files.all(), key=lambda one: one.format != "pdf")
    return files[0] if files else None


def find_unsent() -> int:
    """Hand out again what is due: its job was lost, its sender died, or its pause is over."""
    due = ReportMail.objects.filter(state=State.QUEUED, next_at__lt=Now() - timedelta(seconds=5), tenant__is_active=True).order_by("next_at")
    for tenant_id, pk in due.values_list("tenant_id", "pk")[:50]:
        jobs.enqueue(JOB, tenant_id=str(tenant_id), letter_id=str(pk))
    return 0
