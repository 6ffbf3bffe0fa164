"""The job that runs an operation, and the sweep that finds those whose worker died."""

from uuid import UUID

from mcp_platform import jobs
from mcp_platform.operations import services
from mcp_platform.tenancy.models import Tenant


@jobs.task("operations.run", swept=True)
def run(*, tenant_id: str, operation_id: str, attempt: int) -> None:
    services.run(Tenant.objects.get(pk=tenant_id), operation_id=UUID(operation_id), attempt=attempt)


@jobs.sweep(every_seconds=5.0, name="operations.recover")
def recover() -> int:
    return services.recover()


@jobs.sweep(every_seconds=3600.0, name="operations.prune")
def prune() -> int:
    services.prune()
    return 0
