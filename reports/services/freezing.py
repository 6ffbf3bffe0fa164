"""The worker's first part: the rows of what a report is about, as they are at one moment, become its document. It happens once."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from mcp_platform.db.snapshot import one_state
from mcp_platform.operations.services import NotYet, Progress
from mcp_platform.tenancy.models import Tenant
from reports import queries
from reports.core import kinds, packed
from reports.gathering import subjects
from reports.models import Report
from reports.services import claims

COMPOSING: Final = BoundedSemaphore(1)  # of this process: a large document takes its memory while it is composed
PATIENCE_SECONDS: Final = 30.0


def require_turn(tenant: Tenant, report: Report) -> None:
    """A revision names those before it with their hashes, so it waits until they have theirs, or have failed. Raises NotYet."""
    earlier = queries.revisions(tenant, report.number).filter(revision__lt=report.revision, content_sha256="", state__in=claims.UNENDED)
    if not report.is_frozen and (first := earlier.first()) is not None:
        raise NotYet(f"waits for revision {first.revision}")


def freeze(tenant: Tenant, report: Report, progress: Progress) -> None:
    """Give the report its document; one that has it keeps it. Raises NotYet, Cancelled, and what the gatherer of its kind raises."""
    if report.is_frozen:
        return
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
        claims.require_mine(report, progress)
        Report.objects.for_tenant(tenant).filter(pk=report.pk, content_sha256="").update(**fields)
    report.refresh_from_db()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Raises NotYet where another one takes long."""
    if not COMPOSING.acquire(timeout=PATIENCE_SECONDS):
        raise NotYet("waits for another report")
    try:
        yield
    finally:
        COMPOSING.release()


def _head(tenant: Tenant, report: Report) -> dict[str, Any]:
    before = report.supersedes
    earlier = queries.revisions(tenant, report.number).filter(revision__lt=report.revision).exclude(content_sha256="")
    return {
        "kind": report.kind,
        "number": report.number,
        "revision": report.revision,
        **report.head,
        "asked_at": report.created_at.isoformat(timespec="seconds"),
        "supersedes": f"{before.number} rev. {before.revision}" if before else "",
        "history": [_history(one) for one in earlier],
    }


def _history(one: Report) -> dict[str, Any]:
    return {"revision": one.revision, "number": one.number, "made_at": one.created_at.isoformat(timespec="seconds"), "sha256": one.content_sha256}
