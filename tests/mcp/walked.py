"""What the walk through all doors (tests/platform/test_walk.py) finds of the protocol's server: one call that was logged."""

from django.db.models import Model
from django.utils import timezone

from mcp_platform.mcp.models import Call
from mcp_platform.tenancy.models import Tenant


def calls(ours: Tenant) -> dict[type[Model], Model]:
    row = Call(
        tenant=ours, at=timezone.now(), method="tools/call", name="ours-tool", actor="key:ours", outcome="ok", duration_ms=1, correlation_id="ours-1"
    )
    row.save()
    return {Call: row}
