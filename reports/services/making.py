"""From the wish to the files: the document is frozen when it is asked for, rendered by a worker, and rendered again with the same result."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore
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
from reports.core import document as documents
from reports.core import kinds
from reports.core.sections import FORMATS_OF, SECTIONS_OF
from reports.errors import ReportNotReady, ReportsBusy
from reports.gathering import subjects
from reports.gathering.gathered import Gathered
from reports.models import Branding, Occasion, Report, ReportCounter, ReportFile
from reports.services import passwords, reading, wishes

KIND: Final = "reports.render"
FREEZING: Final = BoundedSemaphore(1)  # of this process
PATIENCE_SECONDS: Final = 30.0
State = Report.State
ENDED: Final = (State.READY, State.FAILED)
NOTHING: Final[Mapping[str, Any]] = {  # what is left of a report that was deleted
    "state": State.EXPIRED,
    **dict.fromkeys(("title", "subject", "sealed_password"), ""),
    **{name: {} for name in ("wish", "look", "problem")},
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
    """Freeze the document of what is asked about and queue its rendering. `run_id` is short for the kind "run" and about {"run": …}.

    about: run {run}, project {project}, period {project, since, until}, comparison {base, run}, analytics {flow, since, until, version,
    environment, channel}, experiment {experiment}; ids as UUID or text, days as date or text, both included.
    notify: addresses that get a letter when it is ready. password: the PDF is encrypted with it, and what it carries too.
    occasion: has one report about each subject; asked for again, that one is the answer.
    Raises RunNotFound, RunNotDone, ProjectNotFound, FlowNotFound…, TemplateNotFound, ReportNotFound, Denied, SchemaError (what is missing or wrong),
    ReportTooLarge, ReportsBusy.
    """
    template = queries.template(tenant, template_id) if template_id else None
    look = queries.branding_for(tenant, template)
    before = queries.report(tenant, supersedes) if supersedes else None
    wanted = wishes.known("formats", formats or (template.formats if template else ()) or ("pdf", "json"), FORMATS_OF, kind)
    shown = wishes.known("sections", sections or (template.sections if template else ()) or SECTIONS_OF.get(kind, ()), SECTIONS_OF, kind)
    wishes.require_same_kind(kind, template)
    wish = wishes.kept(about if about is not None else {"run": run_id})
    said = locale or (look.locale if look else "en")
    with _one_at_a_time():
        found = subjects.gather(tenant, kind=kind, wish=wish, locale=said, by=by)
        wishes.require_same_subject(kind, found, before)
        head = {"kind": kind, "sections": shown, "locale": said}
        place = _place(tenant, before)
        report = _frozen(tenant, found, look, before, head, place)
    with transaction.atomic():
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)  # numbers have no gaps and no twins
        if occasion is not None and (twin := _of_occasion(tenant, occasion, found.subject)) is not None:
            return twin
        if (now := _place(tenant, before)) != place:  # somebody came between: seldom, so what waits for the lock may wait once more
            place, report = now, _frozen(tenant, found, look, before, head, now)
        if before is None:
            ReportCounter.objects.update_or_create(tenant=tenant, year=place.year, defaults={"last": place.count})
        report.kind, report.subject, report.wish = kind, found.subject, wish
        report.template, report.formats, report.requested_by = template, wanted, actor_of(by)
        report.user, report.notify, report.occasion = user_of(by), wishes.readers(notify), occasion
        report.sealed_password = passwords.sealed(password)
        report.save()
        _queue(tenant, report, by)
        changes = {"number": report.number, "kind": kind, **wish, "formats": wanted}
        audit(tenant, actor=actor_of(by), action="report.request", target=report, changes=changes)
    return report


def ask_again(tenant: Tenant, *, report_id: UUID, by: By) -> Report:
    """The next revision of a report: about the same, as it is now; of one check, about the building's last. Raises ReportNotFound."""
    old = queries.report(tenant, report_id)
    return request(
        tenant,
        by=by,
        kind=old.kind,
        about=subjects.now(tenant, old),
        template_id=old.template_id,
        formats=old.formats,
        sections=reading.document_of(old)["sections"],
        locale=reading.document_of(old)["locale"],
        supersedes=old.pk,
        notify=old.notify,
        password=passwords.of(old),
    )


def render_again(tenant: Tenant, *, report_id: UUID, by: By) -> Report:
    """Make the files anew from the same document, after a failure or when they were lost. Raises ReportNotFound, ReportExpired, ReportNotReady."""
    report = queries.report(tenant, report_id)
    reading.packed_of(report)
    with transaction.atomic():
        if not Report.objects.for_tenant(tenant).filter(pk=report.pk, state__in=ENDED).update(state=State.QUEUED, problem={}, finished_at=None):
            raise ReportNotReady(report=str(report_id), state=report.state)
        report.refresh_from_db()
        _queue(tenant, report, by)
        audit(tenant, actor=actor_of(by), action="report.render_again", target=report, changes={"number": report.number})
    return report


def delete(tenant: Tenant, *, report_id: UUID, by: By) -> None:
    """Its document, its files and what tells of them. Its number stays taken, and the hashes of what was handed out stay known.

    Raises ReportNotFound.
    """
    report = queries.report(tenant, report_id)
    files = list(report.files.all())
    with transaction.atomic():
        changes = {"number": report.number, "revision": report.revision, "content_sha256": report.content_sha256}
        audit(tenant, actor=actor_of(by), action="report.delete", target=report, changes=changes)
        for rows in (report.files, report.letters):
            rows.all().delete()
        report.superseded_by.update(supersedes=None)
        Report.objects.for_tenant(tenant).filter(pk=report.pk).update(deleted_at=timezone.now(), **NOTHING)
        jobs.after_commit(lambda: _remove(files))


def _remove(files: Sequence[ReportFile]) -> None:
    for one in files:
        one.file.delete(save=False)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """A large document takes its memory while it is composed, in whichever process is asked for it. Raises ReportsBusy."""
    if not FREEZING.acquire(timeout=PATIENCE_SECONDS):
        raise ReportsBusy
    try:
        yield
    finally:
        FREEZING.release()


def _of_occasion(tenant: Tenant, occasion: Occasion, subject: str) -> Report | None:
    """Who holds the occasion's row is the only one who asks for its reports."""
    Occasion.objects.for_tenant(tenant).select_for_update(no_key=True).get(pk=occasion.pk)
    found: Report | None = Report.objects.for_tenant(tenant).filter(occasion=occasion, subject=subject).defer("document").first()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which report it is: its number, `count` in the year, and the revisions before it as the document lists them."""

    year: int
    count: int
    number: str
    revision: int
    history: list[dict[str, Any]]


def _place(tenant: Tenant, before: Report | None) -> Place:
    """The next one, unless another takes it first: it is sure while the tenant's row is held."""
    year = timezone.now().year
    counter = ReportCounter.objects.for_tenant(tenant).filter(year=year).first()
    count = (counter.last if counter else 0) + 1
    number = before.number if before else f"R-{year}-{count:05d}"
    revisions = queries.revisions(tenant, number)
    last = revisions.aggregate(last=Max("revision"))["last"] or 0
    return Place(year=year, count=count, number=number, revision=last + 1, history=[_history(one) for one in revisions])


def _frozen(tenant: Tenant, found: Gathered, look: Branding | None, before: Report | None, head: Mapping[str, Any], place: Place) -> Report:
    now = timezone.now()
    document = kinds.compose(
        {
            **found.body,
            **head,
            "title": found.title,
            "made_at": (found.made_at or now).isoformat(timespec="seconds"),
            "issued_at": now.isoformat(timespec="seconds"),
            "number": place.number,
            "revision": place.revision,
            "supersedes": f"{before.number} rev. {before.revision}" if before else "",
            "history": place.history,
        }
    )
    text = documents.canonical(document)
    return Report(
        tenant=tenant,
        number=place.number,
        revision=place.revision,
        supersedes=before,
        building=found.building,
        project=found.project,
        run=found.run,
        title=found.title[:300],
        look=_look(look),
        document=zlib.compress(text.encode(), 6),
        content_sha256=documents.sha256(document),
        created_at=now,
    )


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
