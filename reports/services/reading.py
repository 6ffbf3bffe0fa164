"""What a report says, and where it is verified."""

import json
import zlib
from typing import Any

from django.conf import settings
from django.urls import reverse

from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By
from reports.core.sections import KINDS
from reports.errors import ReportExpired, ReportNotReady
from reports.gathering.subjects import READS
from reports.models import Report


def readable(by: Principal) -> list[str]:
    """The kinds of reports whose subjects they may see."""
    return [kind for kind in KINDS if kind not in READS or by.may(READS[kind])]


def require_readable(by: By, kind: str) -> None:
    """Who may not see the numbers does not get them by way of a report. Raises Denied."""
    if isinstance(by, Principal) and kind in READS:
        by.require(READS[kind])


def document_of(report: Report) -> dict[str, Any]:
    """The frozen document. Raises ReportExpired, ReportNotReady before it is frozen."""
    found: dict[str, Any] = json.loads(zlib.decompress(packed_of(report)))
    return found


def packed_of(report: Report) -> bytes:
    """zlib of its canonical JSON. Raises ReportExpired, ReportNotReady before it is frozen."""
    require_kept(report)
    if not report.is_frozen:
        raise ReportNotReady("What the report says is still being gathered.", report=str(report.pk), state=report.state)
    return bytes(report.document)


def require_kept(report: Report) -> None:
    """Raises ReportExpired."""
    if report.state == Report.State.EXPIRED:
        raise ReportExpired(report=str(report.pk))


def head_of(report: Report) -> dict[str, Any]:
    """{sections, locale}. Raises ReportExpired."""
    require_kept(report)
    return report.head or document_of(report)  # once only the document knew


def locale_of(report: Report) -> str:
    """Of what is written about it; also where its document cannot be read any more."""
    try:
        return str(head_of(report)["locale"])
    except (ValueError, KeyError, zlib.error, ReportNotReady):
        return "en"


def verify_url(report: Report) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}{reverse('reports-verify', args=(report.verify_token,))}"
