"""What a report says, and where it is verified."""

import json
import zlib
from typing import Any

from django.conf import settings
from django.urls import reverse

from reports.errors import ReportExpired
from reports.models import Report


def document_of(report: Report) -> dict[str, Any]:
    """The frozen document. Raises ReportExpired."""
    found: dict[str, Any] = json.loads(zlib.decompress(packed_of(report)))
    return found


def packed_of(report: Report) -> bytes:
    """zlib of its canonical JSON. Raises ReportExpired."""
    if report.state == Report.State.EXPIRED:
        raise ReportExpired(report=str(report.pk))
    return bytes(report.document)


def verify_url(report: Report) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}{reverse('reports-verify', args=(report.verify_token,))}"
