"""Models watched and told in the background. The rows say what is due: a job that is lost is found again by its sweep."""

from uuid import UUID

from mcp_platform import jobs
from mcp_platform.ml import versions
from mcp_platform.tenancy.models import Tenant


@jobs.task("ml.measure", swept=True)
def measure(*, tenant_id: str, model_id: str, again: bool = False) -> None:
    versions.measure(Tenant.objects.get(pk=tenant_id), model_id=UUID(model_id), again=again)


@jobs.sweep(every_seconds=300, name="ml.measure")
def find_unmeasured() -> int:
    for row in versions.unmeasured():
        jobs.enqueue("ml.measure", tenant_id=str(row.tenant_id), model_id=str(row.pk))
    return 0


@jobs.task("ml.export", swept=True)
def export(*, tenant_id: str, model_id: str) -> None:
    versions.export(Tenant.objects.get(pk=tenant_id), model_id=UUID(model_id))


@jobs.sweep(every_seconds=20, name="ml.export")
def find_untold() -> int:
    for row in versions.untold():
        jobs.enqueue("ml.export", tenant_id=str(row.tenant_id), model_id=str(row.pk))
    return 0
