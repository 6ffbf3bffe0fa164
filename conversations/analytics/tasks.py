"""Counting in the background: a sweep finds tenants with something new, jobs count."""

from conversations.analytics import services
from mcp_platform import jobs
from mcp_platform.tenancy.models import Tenant


@jobs.task("analytics.count")
def count(*, tenant_id: str, everywhere: bool = False) -> None:
    done = services.count_new(Tenant.objects.get(pk=tenant_id), everywhere=everywhere)
    if done.more and done.events:
        jobs.enqueue("analytics.count", tenant_id=tenant_id, everywhere=everywhere)


@jobs.sweep(every_seconds=10, name="analytics.count")
def find_new() -> int:
    _enqueue(everywhere=False)
    return 0


@jobs.sweep(every_seconds=3600, name="analytics.count_everywhere")
def find_everywhere() -> int:
    """What a clock that is wrong has hidden from the other sweep."""
    _enqueue(everywhere=True)
    return 0


def _enqueue(*, everywhere: bool) -> None:
    for tenant_id in services.tenants_behind(everywhere=everywhere):
        jobs.enqueue("analytics.count", tenant_id=str(tenant_id), everywhere=everywhere)
