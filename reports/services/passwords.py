"""The passwords that PDFs are encrypted with: sealed beside their reports until they expire."""

from typing import Final

from mcp_platform import sealing
from reports.models import Report

SEALED_FOR: Final = "reports.document"


def sealed(password: str) -> str:
    return sealing.seal(password, purpose=SEALED_FOR) if password else ""


def of(report: Report) -> str:
    """Empty where it has none. Raises SealBroken."""
    return sealing.unseal(report.sealed_password, purpose=SEALED_FOR) if report.sealed_password else ""


def reseal_all() -> int:
    """Every one under the newest key. How many. Raises SealBroken."""
    count = 0
    for row in Report.objects.exclude(sealed_password="").only("pk", "sealed_password").iterator():
        old = row.sealed_password
        count += Report.objects.filter(pk=row.pk, sealed_password=old).update(sealed_password=sealing.reseal(old, purpose=SEALED_FOR))
    return count
