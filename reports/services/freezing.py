"""The worker's first part: the rows of what a report is about, as they are at one moment, become its document. It happens once."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mcp_platform.db.snapshot import one_state
from mcp_platform.operations.services import NotYet, Progress
from mcp_platform.tenancy.models import Tenant
from reports import queries
from reports.core import kinds, packed
from reports.errors import ReportOvertaken
from reports.gathering import subjects
from reports.models import Report
from reports.services import claims

COMPOSING: Final = BoundedSemaphore(1)  # of this process: a large document takes its memory while it is composed


def require_turn(tenant: Tenant, report: Report) -> None:
    """A revision names those before it with their hashes, so it waits until they have theirs, or have failed. Raises NotYet."""
    earlier = queries.revisions(tenant, report.number).filter(revision__lt=report.revision, content_sha256="", state__in=claims.UNENDED)
    if not report.is_frozen and (first := earlier.first()) is not None:
        raise NotYet(f"waits for revision {first.revision}")


def require_last(tenant: Tenant, report: Report) -> None:
    """Of two revisions the later one tells of a later moment. Raises ReportOvertaken where that could no longer be."""
    later = _frozen(tenant, report).filter(revision__gt=report.revision)
    if not report.is_frozen and (one := later.first()) is not None:
        raise ReportOvertaken(f"Revision {one.revision} says already how things were.", report=str(report.pk), revision=one.revision)


def freeze(tenant: Tenant, report: Report, progress: Progress) -> None:
    """Give the report its document; one that has it keeps it.

    Raises NotYet, Cancelled, ReportOvertaken, and what the gatherer of its kind raises.
    """
    if report.is_frozen:
        return
    require_last(tenant, report)
    with _one_at_a_time():
        with one_state():
            now = timezone.now()
            gathered = subjects.gather(tenant, kind=report.kind, wish=report.wish, locale=report.head["locale"])
            head = _head(tenant, report)
        at = now.isoformat(timespec="seconds")
        made_at = (gathered.made_at or now).isoformat(timespec="seconds")
        named = {"title": gathered.title, "made_at": made_at, "issued_at": at, "as_of": at}
        text = packed.deflated(packed.pieces(kinds.compose({**gathered.body, **head, **named})))
    fields = {"document": text.content, "content_sha256": text.sha256, "frozen_at": now, "title": gathered.title[:300]}
    with transaction.atomic():
        _hold_revisions(tenant, report)
        claims.require_mine(report, progress)
        require_last(tenant, report)
        if _earlier(tenant, report) != head["history"]:
            raise NotYet("an earlier revision was frozen meanwhile")
        Report.objects.for_tenant(tenant).filter(pk=report.pk, content_sha256="", state__in=claims.BEGUN).update(**fields)
    report.refresh_from_db()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Raises NotYet while it is another one's turn: who waits for it keeps no thread."""
    if not COMPOSING.acquire(blocking=False):
        raise NotYet("waits for another report")
    try:
        yield
    finally:
        COMPOSING.release()


def _hold_revisions(tenant: Tenant, report: Report) -> None:
    """Until the caller's transaction ends no other one is frozen."""
    list(queries.revisions(tenant, report.number).select_for_update(no_key=True).values_list("pk"))


def _frozen(tenant: Tenant, report: Report) -> QuerySet[Report]:
    return queries.revisions(tenant, report.number).exclude(content_sha256="")


def _earlier(tenant: Tenant, report: Report) -> list[dict[str, Any]]:
    return [_history(one) for one in _frozen(tenant, report).filter(revision__lt=report.revision)]


def _head(tenant: Tenant, report: Report) -> dict[str, Any]:
    before = report.supersedes
    if before is not None and not before.is_frozen:  # it never said anything
        before = _frozen(tenant, report).filter(revision__lt=report.revision, deleted_at=None).last()
    return {
        "kind": report.kind,
        "number": report.number,
        "revision": report.revision,
        **report.head,
        "asked_at": report.created_at.isoformat(timespec="seconds"),
        "supersedes": f"{before.number} rev. {before.revision}" if before else "",
        "history": _earlier(tenant, report),
    }


def _history(one: Report) -> dict[str, Any]:
    at = one.as_of or one.created_at
    return {"revision": one.revision, "number": one.number, "made_at": at.isoformat(timespec="seconds"), "sha256": one.content_sha256}
