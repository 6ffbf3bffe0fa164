"""Counting and watching in the background: a sweep finds experiments with something new, jobs count them."""

from experiments import services
from mcp_platform import jobs
from mcp_platform.tenancy.models import Tenant


@jobs.task("experiments.watch", swept=True)
def watch(*, tenant_id: str, experiment_id: str) -> None:
    services.watch(Tenant.objects.get(pk=tenant_id), key=experiment_id)


@jobs.sweep(every_seconds=15, name="experiments.watch")
def find_new() -> int:
    for tenant_id, experiment_id in services.experiments_behind():
        jobs.enqueue("experiments.watch", tenant_id=str(tenant_id), experiment_id=str(experiment_id))
    return 0
