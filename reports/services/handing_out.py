"""Who gets a file: members with the right to, and whoever holds a link that has not expired. Every download is in the audit."""

from typing import Final
from uuid import UUID

from django.core import signing
from django.utils import timezone

from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from reports import queries
from reports.errors import FileNotFound, LinkExpired
from reports.models import ReportFile
from reports.services import reading

SALT: Final = "reports.link"
LONGEST_SECONDS: Final = 7 * 86_400


def download(tenant: Tenant, *, report_id: UUID, name: str, by: By) -> ReportFile:
    """The file, and its entry in the audit. Raises ReportNotFound, FileNotFound, Denied."""
    reading.require_readable(by, queries.report(tenant, report_id).kind)
    found = queries.file(tenant, report_id, name)
    audit(tenant, actor=actor_of(by), action="report.download", target=found.report, changes={"format": name, "sha256": found.sha256})
    return found


def link(tenant: Tenant, *, report_id: UUID, name: str, seconds: int, by: By) -> tuple[str, int]:
    """A sealed text that opens this one file for `seconds` (at most a week), and when it expires (Unix time). Raises FileNotFound, Denied."""
    found = queries.file(tenant, report_id, name)
    reading.require_readable(by, found.report.kind)
    lasting = max(60, min(seconds, LONGEST_SECONDS))
    expires = int(timezone.now().timestamp()) + lasting
    audit(tenant, actor=actor_of(by), action="report.link", target=found.report, changes={"format": name, "seconds": lasting})
    return signing.dumps([str(tenant.pk), str(report_id), name, expires], salt=SALT, compress=True), expires


def opened(sealed: str) -> ReportFile:
    """The file of a link. Raises LinkExpired."""
    try:
        tenant_id, report_id, name, expires = signing.loads(sealed, salt=SALT)
    except signing.BadSignature as fault:
        raise LinkExpired from fault
    if expires < timezone.now().timestamp():
        raise LinkExpired
    with scope.tenant_scope(tenant_id):
        try:
            tenant = Tenant.objects.get(pk=tenant_id, is_active=True)
            found = queries.file(tenant, UUID(report_id), name)
        except (Tenant.DoesNotExist, FileNotFound) as fault:
            raise LinkExpired from fault
        audit(tenant, actor="link", action="report.download", target=found.report, changes={"format": name, "sha256": found.sha256})
        return found
