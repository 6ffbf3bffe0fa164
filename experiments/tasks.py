"""Counting and watching in the background: a sweep finds experiments with something new, jobs count them."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from experiments import services
from experiments.services.evaluating import KIND
from mcp_platform import jobs
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant


@jobs.task("experiments.watch", swept=True)
def watch(*, tenant_id: str, experiment_id: str) -> None:
    services.watch(Tenant.objects.get(pk=tenant_id), key=experiment_id)


@jobs.sweep(every_seconds=15, name="experiments.watch")
def find_new() -> int:
    for tenant_id, experiment_id in services.experiments_behind():
        jobs.enqueue("experiments.watch", tenant_id=str(tenant_id), experiment_id=str(experiment_id))
    return 0


def _evaluation_page(row: Operation) -> str:
    return reverse("admin:experiments_evaluation_change", args=(row.arguments["evaluation_id"],))


@operations.kind(KIND, reads="experiments:read", opens=_evaluation_page)
def evaluate(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return services.work(tenant, arguments, progress)
