"""Which attempt of a worker a report belongs to: one that was given up meanwhile changes nothing any more."""

from typing import Final

from mcp_platform.operations.errors import Cancelled
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.operations.services import Progress
from reports.models import Report

UNENDED: Final = (Report.State.QUEUED, Report.State.RENDERING)
BEGUN: Final = (*UNENDED, Report.State.FAILED)  # what an attempt that lives may still make


def is_mine(report: Report, progress: Progress) -> bool:
    """Whether this attempt still works on the report. Until the caller's transaction ends nobody else takes it up, or deletes it.

    Whoever holds rows of both tables takes those of reports first, and of a number's revisions the earlier ones first.
    """
    kept = Report.objects.select_for_update(no_key=True).filter(pk=report.pk, operation_id=progress.operation_id, state__in=BEGUN)
    rows = Operation.objects.select_for_update(no_key=True).filter(pk=progress.operation_id, attempts=progress.attempt, status__in=OPEN)
    return kept.values_list("pk").first() is not None and rows.first() is not None


def require_mine(report: Report, progress: Progress) -> None:
    """Raises Cancelled."""
    if not is_mine(report, progress):
        raise Cancelled
