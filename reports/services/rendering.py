"""The worker's part: files of the frozen document, the same each time, each stored once; and what becomes of a report whose worker is gone."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from mcp_platform import errors, observability, rest, sealing
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from reports import queries
from reports.core import packed
from reports.core.sections import FORMATS
from reports.models import FileHash, Report, ReportFile
from reports.services import mailing, reading, signing
from reports.services.making import SEALED_FOR

log = observability.logger(__name__)
State = Report.State
UNENDED = (State.QUEUED, State.RENDERING)


def render(tenant: Tenant, *, report_id: Any, progress: Progress) -> dict[str, Any]:
    """Every format that was asked for. Begun again after a crash it makes the same files, once each. Raises ReportNotFound, ReportExpired."""
    report = queries.report(tenant, report_id)
    document = packed.inflated(reading.packed_of(report))
    Report.objects.for_tenant(tenant).filter(pk=report.pk).update(state=State.RENDERING)
    try:
        made = [_make(tenant, report, document, name, place, progress) for place, name in enumerate(_ordered(report.formats))]
    except Exception as fault:
        _end(tenant, report, State.FAILED, _problem(fault), document["locale"])
        raise
    _end(tenant, report, State.READY, {}, document["locale"])
    return {"report": str(report.pk), "files": [{"format": one.format, "size": one.size, "sha256": one.sha256} for one in made]}


def _end(tenant: Tenant, report: Report, state: str, problem: dict[str, Any], locale: str) -> None:
    """How it ended, and the letters that tell of it, are saved together."""
    with transaction.atomic():
        Report.objects.for_tenant(tenant).filter(pk=report.pk).update(state=state, problem=problem, finished_at=timezone.now())
        mailing.write(tenant, report, says="ready" if state == State.READY else "failed", locale=locale)


def _problem(fault: Exception) -> dict[str, Any]:
    if isinstance(fault, errors.PlatformError):
        return rest.problem(fault)
    log.exception("report_failed")
    return {"error_code": "REPORT_FAILED", "detail": f"{type(fault).__name__}: {fault}"[:500]}


def _ordered(formats: Sequence[str]) -> list[str]:
    return [name for name in FORMATS if name in formats]


def _make(tenant: Tenant, report: Report, document: Mapping[str, Any], name: str, place: int, progress: Progress) -> ReportFile:
    from reports.render import formats

    total = len(report.formats) * 100

    def tell(phase: str, percent: int) -> None:
        progress.report(place * 100 + percent, total, f"{name}: {phase}")

    tell("rendering", 1)
    password = sealing.unseal(report.sealed_password, purpose=SEALED_FOR) if report.sealed_password else ""
    media_type, content = formats.render(
        name,
        document,
        content_sha256=report.content_sha256,
        verify_url=reading.verify_url(report),
        brand={**report.look, "logo": queries.logo_of(report)},
        canonical=bytes(report.document),
        password=password,
        tell=tell,
    )
    signature: dict[str, Any] = {}
    if name == "pdf":
        tell("signing", 90)
        content, signature = signing.sign(tenant, content, about=str(report), password=password)
    tell("storing", 95)
    return _store(tenant, report, name, media_type, content, signature)


def _store(tenant: Tenant, report: Report, name: str, media_type: str, content: bytes, signature: dict[str, Any]) -> ReportFile:
    old = ReportFile.objects.for_tenant(tenant).filter(report=report, format=name).first()
    row = old or ReportFile(tenant=tenant, report=report, format=name)
    before = row.file.name if old else ""
    row.media_type, row.size, row.sha256, row.signature = media_type, len(content), hashlib.sha256(content).hexdigest(), signature
    row.file.save(f"{report.number}-r{report.revision}.{name}", ContentFile(content), save=False)
    with transaction.atomic():
        row.save()
        FileHash.objects.get_or_create(report=report, sha256=row.sha256, defaults={"tenant": tenant, "format": name})
    if before and before != row.file.name:
        row.file.storage.delete(before)
    return row


def find_forsaken() -> int:
    """Reports whose operation has ended without a word to them: cancelled while it waited, or given up after its workers died. They have failed."""
    operation = Operation.objects.filter(pk=OuterRef("operation_id")).exclude(status__in=OPEN)
    rows = Report.objects.filter(state__in=UNENDED).defer("document").annotate(ended=Subquery(operation.values("status")[:1]))
    found = 0
    for report in rows.filter(ended__isnull=False).select_related("tenant", "user")[:50]:
        ended = Operation.objects.filter(pk=str(report.operation_id)).first()
        if ended is None or not Report.objects.filter(pk=report.pk, state__in=UNENDED, operation_id=report.operation_id).exists():
            continue
        _end(report.tenant, report, State.FAILED, ended.error or _cancelled(), "en")
        found += 1
    return found


def _cancelled() -> dict[str, Any]:
    from mcp_platform.operations.errors import Cancelled

    return rest.problem(Cancelled())
