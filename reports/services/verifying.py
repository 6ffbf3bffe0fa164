"""Is this file what we made? For anybody who holds a report: nothing is told beyond what stands on its cover."""

import re
from dataclasses import dataclass
from typing import Final

from mcp_platform import rest
from mcp_platform.tenancy import scope
from reports import queries
from reports.errors import ReportNotFound
from reports.models import Report

HASH: Final = re.compile(r"^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """verdict: "known" (nothing was given to compare), "altered", or of a file that is what was made: "superseded" (there is a later revision),
    "expired" (the report is not kept any more), "genuine"."""

    verdict: str
    number: str
    revision: int
    made_at: str
    later_revision: int | None = None


def verify(token: str, sha256: str = "") -> Verdict:
    """Compare the SHA-256 of a file with those of the report's files and of its document.

    Raises ReportNotFound for a token that is not ours, SchemaError for what is no SHA-256: that nothing could be compared is no verdict.
    """
    given = sha256.strip().lower()
    if given and not HASH.match(given):
        raise rest.SchemaError(errors=[{"path": "$.sha256", "message": "is no SHA-256", "expected": "64 hexadecimal digits"}])
    with scope.platform_scope():  # the token is the only thing that is known of the tenant
        found = queries.verified(token, given)
        if found is None:
            raise ReportNotFound
        report, matching = found
        latest = queries.revisions(report.tenant, report.number).filter(queries.issued()).last()
    later = latest.revision if latest is not None and latest.revision > report.revision else None
    return Verdict(
        verdict=_verdict(bool(given), bool(matching), later, report.state == Report.State.EXPIRED),
        number=report.number,
        revision=report.revision,
        made_at=report.created_at.isoformat(timespec="seconds"),
        later_revision=later,
    )


def _verdict(given: bool, matches: bool, later: int | None, expired: bool) -> str:
    if not given:
        return "known"
    if not matches:
        return "altered"
    if later:
        return "superseded"
    return "expired" if expired else "genuine"
