"""From the wish to the job: what is asked for is found and numbered at once; a worker freezes and renders it, and renders it again the same."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from mcp_platform import jobs
from mcp_platform.operations import services as operations
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from mcp_platform.tenancy.services.trail import user_of
from reports import queries
from reports.core.sections import FORMATS_OF, SECTIONS_OF
from reports.errors import ReportNotReady
from reports.gathering import subjects
from reports.models import Branding, Occasion, Report, ReportCounter, ReportFile
from reports.services import freezing, passwords, reading, wishes

KIND: Final = "reports.render"
State = Report.State
ENDED: Final = (State.READY, State.FAILED)
NOTHING: Final[Mapping[str, Any]] = {  # what is left of a report that was deleted
    "state": State.EXPIRED,
    **dict.fromkeys(("title", "subject", "sealed_password"), ""),
    **{name: {} for name in ("wish", "head", "look", "problem")},
    **dict.fromkeys(("building", "project", "run", "template", "user", "occasion")),
    "document": b"",
    "notify": [],
}


def request(
    tenant: Tenant,
    *,
    by: By,
    kind: str = "run",
    about: Mapping[str, Any] | None = None,
    run_id: UUID | None = None,
    template_id: UUID | None = None,
    formats: Sequence[str] = (),
    sections: Sequence[str] = (),
    locale: str = "",
    supersedes: UUID | None = None,
    notify: Sequence[str] = (),
    password: str = "",
    occasion: Occasion | None = None,
) -> Report:
    """Number it and queue its making: at once, however large it is. `run_id` is short for the kind "run" and about {"run": …}.

    about: run {run}, project {project}, period {project, since, until}, comparison {base, run}, analytics {flow, since, until, version,
    environment, channel}, experiment {experiment}; ids as UUID or text, days as date or text, both included.
    notify: addresses that get a letter when it is ready. password: the PDF is encrypted with it, and what it carries too.
    occasion: has one report about each subject; asked for again, that one is the answer.
    Raises RunNotFound, RunNotDone, ProjectNotFound, FlowNotFound…, TemplateNotFound, ReportNotFound, Denied, SchemaError (what is missing or wrong),
    ReportTooLarge where a count tells. What is found only while its rows are read is the problem of the report.
    """
    shape = _shape(tenant, kind, template_id, formats, sections, locale)
    before = queries.report(tenant, supersedes) if supersedes else None
    wish = wishes.kept(about if about is not None else {"run": run_id})
    found = subjects.find(tenant, kind=kind, wish=wish, by=by)
    wishes.require_same_subject(kind, found, before)
    asked = {"requested_by": actor_of(by), "user": user_of(by), "occasion": occasion, "created_at": timezone.now()}
    readers = {"notify": wishes.readers(notify), "sealed_password": passwords.sealed(password)}
    subject = {"subject": found.key, "title": found.title[:300], "building": found.building, "project": found.project, "run": found.run}
    return _numbered(tenant, Report(tenant=tenant, supersedes=before, kind=kind, wish=wish, **subject, **shape, **asked, **readers), by)


def _shape(tenant: Tenant, kind: str, template_id: UUID | None, formats: Sequence[str], sections: Sequence[str], locale: str) -> dict[str, Any]:
    """How it is to be made: as the request says, else as its template does."""
    template = queries.template(tenant, template_id) if template_id else None
    look = queries.branding_for(tenant, template)
    wanted = wishes.known("formats", formats or (template.formats if template else ()) or ("pdf", "json"), FORMATS_OF, kind)
    shown = wishes.known("sections", sections or (template.sections if template else ()) or SECTIONS_OF.get(kind, ()), SECTIONS_OF, kind)
    wishes.require_same_kind(kind, template)
    head = {"sections": shown, "locale": locale or (look.locale if look else "en")}
    return {"template": template, "formats": wanted, "head": head, "look": _look(look)}


def _numbered(tenant: Tenant, report: Report, by: By) -> Report:
    """Saved and queued; or the one that its occasion has already."""
    with transaction.atomic():
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)  # numbers have no gaps and no twins
        if report.occasion is not None and (twin := _of_occasion(tenant, report.occasion, report.subject)) is not None:
            return twin
        _number(tenant, report)
        report.save()
        _queue(tenant, report, by)
        changes = {"number": report.number, "kind": report.kind, **report.wish, "formats": report.formats}
        audit(tenant, actor=actor_of(by), action="report.request", target=report, changes=changes)
    return report


def ask_again(tenant: Tenant, *, report_id: UUID, by: By) -> Report:
    """The next revision of a report: about the same, as it is now; of one check, about the building's last. Raises ReportNotFound."""
    old = queries.report(tenant, report_id)
    head = reading.head_of(old)
    return request(
        tenant,
        by=by,
        kind=old.kind,
        about=subjects.now(tenant, old),
        template_id=old.template_id,
        formats=old.formats,
        sections=head["sections"],
        locale=head["locale"],
        supersedes=old.pk,
        notify=old.notify,
        password=passwords.of(old),
    )


def render_again(tenant: Tenant, *, report_id: UUID, by: By) -> Report:
    """Make the files anew from the same document, after a failure or when they were lost; what failed before it was frozen is frozen now.

    Raises ReportNotFound, ReportExpired, ReportNotReady; ReportOvertaken where a later revision was frozen before it.
    """
    report = queries.report(tenant, report_id)
    reading.require_kept(report)
    with transaction.atomic():
        if not Report.objects.for_tenant(tenant).filter(pk=report.pk, state__in=ENDED).update(state=State.QUEUED, problem={}, finished_at=None):
            raise ReportNotReady(report=str(report_id), state=report.state)
        report.refresh_from_db()
        freezing.require_last(tenant, report)
        _queue(tenant, report, by)
        audit(tenant, actor=actor_of(by), action="report.render_again", target=report, changes={"number": report.number})
    return report


def delete(tenant: Tenant, *, report_id: UUID, by: By) -> None:
    """Its document, its files and what tells of them. Its number stays taken, and the hashes of what was handed out stay known.

    Raises ReportNotFound.
    """
    report = queries.report(tenant, report_id)
    with transaction.atomic():
        Report.objects.for_tenant(tenant).filter(pk=report.pk).update(deleted_at=timezone.now(), **NOTHING)  # from here on no worker has it
        report.refresh_from_db(fields=("content_sha256",))
        files = list(report.files.all())
        changes = {"number": report.number, "revision": report.revision, "content_sha256": report.content_sha256}
        audit(tenant, actor=actor_of(by), action="report.delete", target=report, changes=changes)
        for rows in (report.files, report.letters):
            rows.all().delete()
        report.superseded_by.update(supersedes=None)
        jobs.after_commit(lambda: _remove(files))


def _remove(files: Sequence[ReportFile]) -> None:
    for one in files:
        one.file.delete(save=False)


def _of_occasion(tenant: Tenant, occasion: Occasion, subject: str) -> Report | None:
    """Who holds the occasion's row is the only one who asks for its reports."""
    Occasion.objects.for_tenant(tenant).select_for_update(no_key=True).get(pk=occasion.pk)
    found: Report | None = Report.objects.for_tenant(tenant).filter(occasion=occasion, subject=subject).defer("document").first()
    return found


def _number(tenant: Tenant, report: Report) -> None:
    """The tenant's row is held."""
    before = report.supersedes
    if before is not None:
        last = queries.revisions(tenant, before.number).aggregate(last=Max("revision"))["last"] or 0
        report.number, report.revision = before.number, last + 1
        return
    year = timezone.now().year
    counter, _ = ReportCounter.objects.get_or_create(tenant=tenant, year=year)
    counter.last += 1
    counter.save(update_fields=["last"])
    report.number = f"R-{year}-{counter.last:05d}"


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
