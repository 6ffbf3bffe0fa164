"""From the wish to the files: the document is frozen when it is asked for, rendered by a worker, and rendered again with the same result."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Max
from django.urls import reverse
from django.utils import timezone

from mcp_platform import errors, jobs, rest
from mcp_platform.operations import services as operations
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from reports import gathering, queries
from reports.core import document as documents
from reports.core.sections import FORMATS, SECTIONS
from reports.errors import RunNotDone
from reports.models import Branding, FileHash, Report, ReportCounter, ReportFile
from validation.errors import RunNotFound
from validation.models import ValidationRun

KIND: Final = "reports.render"
State = Report.State


def request(
    tenant: Tenant,
    *,
    run_id: UUID,
    by: By,
    template_id: UUID | None = None,
    formats: Sequence[str] = (),
    sections: Sequence[str] = (),
    locale: str = "",
    supersedes: UUID | None = None,
) -> Report:
    """Freeze the document of a run and queue its rendering.

    Raises RunNotFound, RunNotDone, TemplateNotFound, ReportNotFound, Invalid (a section or format that there is not).
    """
    run = _run(tenant, run_id)
    template = queries.template(tenant, template_id) if template_id else None
    look = queries.branding_for(tenant, template)
    before = queries.report(tenant, supersedes) if supersedes else None
    if before is not None and before.building_id != run.building_id:
        raise rest.SchemaError(errors=[{"path": "$.supersedes", "message": "is a report of another building", "expected": f"one of {run.building}"}])
    wanted = _known("formats", formats or (template.formats if template else ()) or ("pdf", "json"), FORMATS)
    shown = _known("sections", sections or (template.sections if template else ()) or SECTIONS, SECTIONS)
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=tenant.pk)  # numbers have no gaps and no twins
        report = _frozen(tenant, run, look, before, {"sections": shown, "locale": locale or (look.locale if look else "en")})
        report.template, report.formats, report.requested_by = template, wanted, actor_of(by)
        report.user = getattr(by, "user", None)
        report.save()
        _queue(tenant, report, by)
        audit(
            tenant,
            actor=actor_of(by),
            action="report.request",
            target=report,
            changes={"number": report.number, "run": str(run.pk), "formats": wanted},
        )
    return report


def render_again(tenant: Tenant, *, report_id: UUID, by: By) -> Report:
    """Make the files anew from the same document, after a failure or when they were lost. Raises ReportNotFound."""
    report = queries.report(tenant, report_id)
    with transaction.atomic():
        Report.objects.for_tenant(tenant).filter(pk=report.pk).update(state=State.QUEUED, problem={}, finished_at=None)
        report.refresh_from_db()
        _queue(tenant, report, by)
        audit(tenant, actor=actor_of(by), action="report.render_again", target=report, changes={"number": report.number})
    return report


def delete(tenant: Tenant, *, report_id: UUID, by: By) -> None:
    """The row, its document and its files. Raises ReportNotFound."""
    report = queries.report(tenant, report_id)
    files = list(report.files.all())
    with transaction.atomic():
        changes = {"number": report.number, "revision": report.revision, "content_sha256": report.content_sha256}
        audit(tenant, actor=actor_of(by), action="report.delete", target=report, changes=changes)
        report.delete()
        jobs.after_commit(lambda: _remove(files))


def _remove(files: Sequence[ReportFile]) -> None:
    for one in files:
        one.file.delete(save=False)


def _run(tenant: Tenant, run_id: UUID) -> ValidationRun:
    rows = ValidationRun.objects.for_tenant(tenant).select_related("building__project__jurisdiction", "revision")
    run: ValidationRun | None = rows.filter(pk=run_id, is_what_if=False).first()
    if run is None:
        raise RunNotFound(run=str(run_id))
    if run.state != ValidationRun.State.DONE:
        raise RunNotDone(run=str(run_id), state=run.state)
    return run


def _known(name: str, values: Sequence[str], allowed: Sequence[str]) -> list[str]:
    wrong = [(place, value) for place, value in enumerate(values) if value not in allowed]
    if wrong:
        faults = [{"path": f"$.{name}[{place}]", "message": f"{value!r} is not known", "expected": ", ".join(allowed)} for place, value in wrong]
        raise rest.SchemaError(errors=faults)
    return list(dict.fromkeys(values))


def _frozen(tenant: Tenant, run: ValidationRun, look: Branding | None, before: Report | None, head: Mapping[str, Any]) -> Report:
    now = timezone.now()
    number = before.number if before else _number(tenant, now.year)
    revision = (queries.revisions(tenant, number).aggregate(last=Max("revision"))["last"] or 0) + 1
    building = run.building
    title = f"{building.project.name}, {building.name}"
    document = documents.compose(
        {
            **gathering.of_run(tenant, run),
            **head,
            "kind": "run",
            "title": title,
            "made_at": (run.finished_at or now).isoformat(timespec="seconds"),
            "number": number,
            "revision": revision,
            "supersedes": f"{before.number} rev. {before.revision}" if before else "",
            "history": [_history(one) for one in queries.revisions(tenant, number)],
        }
    )
    text = documents.canonical(document)
    return Report(
        tenant=tenant,
        number=number,
        revision=revision,
        supersedes=before,
        building=building,
        run=run,
        title=title[:300],
        look=_look(look),
        document=zlib.compress(text.encode(), 6),
        content_sha256=documents.sha256(document),
        created_at=now,
    )


def _number(tenant: Tenant, year: int) -> str:
    """The next of the year; the caller's transaction holds the tenant's row, so there are no twins."""
    counter, _ = ReportCounter.objects.get_or_create(tenant=tenant, year=year)
    counter.last += 1
    counter.save()
    return f"R-{year}-{counter.last:05d}"


def _history(one: Report) -> dict[str, Any]:
    return {"revision": one.revision, "number": one.number, "made_at": one.created_at.isoformat(timespec="seconds"), "sha256": one.content_sha256}


def _look(branding: Branding | None) -> dict[str, str]:
    if branding is None:
        return {}
    shown = {name: getattr(branding, name) for name in ("name", "colour", "letterhead", "disclaimer", "paper")}
    return {**shown, "logo_file": branding.logo.name or ""}


def _queue(tenant: Tenant, report: Report, by: By) -> None:
    title = f"Report {report}"
    operation = operations.start(tenant, kind=KIND, title=title, arguments={"report": str(report.pk)}, by=actor_of(by), subject=f"report:{report.pk}")
    Report.objects.for_tenant(tenant).filter(pk=report.pk).update(operation_id=operation.pk)
    report.operation_id = operation.pk


# The worker.


def render(tenant: Tenant, *, report_id: UUID, progress: Progress) -> dict[str, Any]:
    """Every format that was asked for. Begun again after a crash it makes the same files, once each."""
    report = queries.report(tenant, report_id)
    Report.objects.for_tenant(tenant).filter(pk=report.pk).update(state=State.RENDERING)
    try:
        made = [_make(tenant, report, name, place, progress) for place, name in enumerate(_ordered(report.formats))]
    except Exception as fault:
        problem = _problem(fault)
        Report.objects.for_tenant(tenant).filter(pk=report.pk).update(state=State.FAILED, problem=problem, finished_at=timezone.now())
        raise
    Report.objects.for_tenant(tenant).filter(pk=report.pk).update(state=State.READY, problem={}, finished_at=timezone.now())
    return {"report": str(report.pk), "files": [{"format": one.format, "size": one.size, "sha256": one.sha256} for one in made]}


def _problem(fault: Exception) -> dict[str, Any]:
    if isinstance(fault, errors.PlatformError):
        return rest.problem(fault)
    return {"error_code": "REPORT_FAILED", "detail": f"{type(fault).__name__}: {fault}"[:500]}


def _ordered(formats: Sequence[str]) -> list[str]:
    return [name for name in FORMATS if name in formats]


def _make(tenant: Tenant, report: Report, name: str, place: int, progress: Progress) -> ReportFile:
    from reports.render import formats

    total = len(report.formats) * 100

    def tell(phase: str, percent: int) -> None:
        progress.report(place * 100 + percent, total, f"{name}: {phase}")

    tell("rendering", 1)
    media_type, content = formats.render(
        name,
        documents_of(report),
        content_sha256=report.content_sha256,
        verify_url=verify_url(report),
        brand={**report.look, "logo": queries.logo_of(report)},
        tell=tell,
    )
    tell("storing", 95)
    return _store(tenant, report, name, media_type, content)


def _store(tenant: Tenant, report: Report, name: str, media_type: str, content: bytes) -> ReportFile:
    import hashlib

    old = ReportFile.objects.for_tenant(tenant).filter(report=report, format=name).first()
    row = old or ReportFile(tenant=tenant, report=report, format=name)
    before = row.file.name if old else ""
    row.media_type, row.size, row.sha256 = media_type, len(content), hashlib.sha256(content).hexdigest()
    row.file.save(f"{report.number}-r{report.revision}.{name}", ContentFile(content), save=False)
    with transaction.atomic():
        row.save()
        FileHash.objects.get_or_create(report=report, sha256=row.sha256, defaults={"tenant": tenant, "format": name})
    if before and before != row.file.name:
        row.file.storage.delete(before)
    return row


def documents_of(report: Report) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(zlib.decompress(bytes(report.document)))
    return found


def verify_url(report: Report) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}{reverse('reports-verify', args=(report.verify_token,))}"
