"""The worker's part: the document is frozen, where it is not yet, and its files are made, the same each time, each stored once.

And what becomes of a report whose worker is gone.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from mcp_platform import errors, observability, rest
from mcp_platform.operations.errors import Cancelled
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.operations.services import NotYet, Progress
from mcp_platform.tenancy.models import Tenant
from reports import queries
from reports.core import packed
from reports.core.sections import FORMATS
from reports.models import FileHash, Report, ReportFile, folder_of
from reports.services import claims, freezing, mailing, passwords, reading, signing

log = observability.logger(__name__)
State = Report.State
Tell = Callable[[str, int], None]
GATHERING = "gathering"


def render(tenant: Tenant, *, report_id: Any, progress: Progress) -> dict[str, Any]:
    """Every format that was asked for. Begun again after a crash it makes the same files, once each; a worker that was given up meanwhile
    changes nothing any more. Raises ReportNotFound, ReportExpired, NotYet, Cancelled, and what is wrong with what it is about.
    """
    report = queries.report(tenant, report_id)
    if report.state == State.READY and report.operation_id == progress.operation_id:  # its worker died between the end and telling of it
        return _told(report, report.files.all())
    reading.require_kept(report)
    freezing.require_turn(tenant, report)
    try:
        with transaction.atomic():
            claims.require_mine(report, progress)
            Report.objects.for_tenant(tenant).filter(pk=report.pk).update(state=State.RENDERING)
        made = _all(tenant, report, progress)
        with transaction.atomic():
            claims.require_mine(report, progress)
            _end(tenant, report, State.READY, {})
    except NotYet:
        raise
    except Exception as fault:
        with transaction.atomic():
            if claims.is_mine(report, progress):
                _end(tenant, report, State.FAILED, _problem(fault))
        raise
    _tidy(tenant, report)
    return _told(report, made)


def _all(tenant: Tenant, report: Report, progress: Progress) -> list[ReportFile]:
    """Each part of the work is told as a hundred of its parts together."""
    wanted = [name for name in FORMATS if name in report.formats]
    parts = [*(() if report.is_frozen else (GATHERING,)), *wanted]

    def telling(part: str) -> Tell:
        said = "" if part == GATHERING else f"{part}: "
        return lambda phase, percent: progress.report(parts.index(part) * 100 + percent, len(parts) * 100, f"{said}{phase}")

    if not report.is_frozen:
        telling(GATHERING)(GATHERING, 1)
        freezing.freeze(tenant, report, progress)
    document = packed.inflated(reading.packed_of(report))
    return [_make(tenant, report, document, name, telling(name), progress) for name in wanted]


def _told(report: Report, files: Iterable[ReportFile]) -> dict[str, Any]:
    return {"report": str(report.pk), "files": [{"format": one.format, "size": one.size, "sha256": one.sha256} for one in files]}


def _end(tenant: Tenant, report: Report, state: str, problem: dict[str, Any]) -> None:
    """How it ended, and the letters that tell of it, are saved together: the caller's transaction."""
    Report.objects.for_tenant(tenant).filter(pk=report.pk).update(state=state, problem=problem, finished_at=timezone.now())
    mailing.write(tenant, report, says="ready" if state == State.READY else "failed")


def _problem(fault: Exception) -> dict[str, Any]:
    if isinstance(fault, errors.PlatformError):
        return rest.problem(fault)
    log.exception("report_failed")
    return {"error_code": "REPORT_FAILED", "detail": f"{type(fault).__name__}: {fault}"[:500]}


def _make(tenant: Tenant, report: Report, document: Mapping[str, Any], name: str, tell: Tell, progress: Progress) -> ReportFile:
    from reports.render import formats

    tell("rendering", 1)
    password = passwords.of(report)
    carried: dict[str, str] = {}
    media_type, content = formats.render(
        name,
        document,
        content_sha256=report.content_sha256,
        verify_url=reading.verify_url(report),
        brand={**report.look, "logo": queries.logo_of(report)},
        canonical=bytes(report.document),
        password=password,
        tell=tell,
        note=carried.__setitem__,
    )
    for kind, sha256 in carried.items():  # whoever saves an attachment of a PDF may ask for it too
        FileHash.objects.get_or_create(report=report, sha256=sha256, defaults={"tenant": tenant, "format": kind})
    signature: dict[str, Any] = {}
    if name == "pdf":
        tell("signing", 90)
        content, signature = signing.sign(tenant, content, about=str(report), password=password)
    tell("storing", 95)
    return _store(tenant, report, name, media_type, content, signature, progress)


def _store(tenant: Tenant, report: Report, name: str, media_type: str, content: bytes, signature: dict[str, Any], progress: Progress) -> ReportFile:
    old = ReportFile.objects.for_tenant(tenant).filter(report=report, format=name).first()
    row = old or ReportFile(tenant=tenant, report=report, format=name)
    before = row.file.name if old else ""
    row.media_type, row.size, row.sha256, row.signature = media_type, len(content), hashlib.sha256(content).hexdigest(), signature
    row.file.save(f"{report.number}-r{report.revision}.{name}", ContentFile(content), save=False)
    try:
        with transaction.atomic():
            claims.require_mine(report, progress)
            row.save()
            FileHash.objects.get_or_create(report=report, sha256=row.sha256, defaults={"tenant": tenant, "format": name})
    except Exception:
        row.file.storage.delete(str(row.file.name))
        raise
    if before and before != row.file.name:
        row.file.storage.delete(before)
    return row


def _tidy(tenant: Tenant, report: Report) -> None:
    """Delete what an attempt has stored that died before it could say so. Nothing depends on it."""
    field = ReportFile._meta.get_field("file")
    known = set(ReportFile.objects.for_tenant(tenant).filter(report=report).values_list("file", flat=True))
    top = folder_of(tenant.pk, report.pk)
    try:
        places = [f"{top}/{place}" for place in field.storage.listdir(top)[0]]
        stored = [f"{place}/{name}" for place in places for name in field.storage.listdir(place)[1]]
        for name in stored:
            if name not in known:
                field.storage.delete(name)
    except (OSError, NotImplementedError) as fault:
        log.warning("report_not_tidied", report_id=str(report.pk), fault=repr(fault))


def find_forsaken() -> int:
    """Reports whose operation has ended without a word to them: cancelled while it waited, or given up after its workers died. They have failed."""
    operation = Operation.objects.filter(pk=OuterRef("operation_id")).exclude(status__in=OPEN)
    rows = Report.objects.filter(state__in=claims.UNENDED).defer("document").annotate(ended=Subquery(operation.values("status")[:1]))
    found = 0
    for report in rows.filter(ended__isnull=False).select_related("tenant", "user")[:50]:
        ended = Operation.objects.filter(pk=str(report.operation_id)).first()
        if ended is None or not Report.objects.filter(pk=report.pk, state__in=claims.UNENDED, operation_id=report.operation_id).exists():
            continue
        with transaction.atomic():
            _end(report.tenant, report, State.FAILED, ended.error or rest.problem(Cancelled()))
        found += 1
    return found
