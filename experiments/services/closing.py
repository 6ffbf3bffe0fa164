"""The last count of experiments on rankings, before the lists of their buildings are ranked for other reasons."""

from experiments.models import Experiment
from experiments.services.counting import COUNTED, count, end_of, is_closed
from mcp_platform import observability
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)


def close_rankings(tenant: Tenant) -> None:
    """Count those that have ended and were not counted since. That one cannot be counted keeps no list from being ranked: a stop must work."""
    rows = Experiment.objects.for_tenant(tenant).filter(kind=Experiment.Kind.RISK_MODEL, state__in=COUNTED, started_at__isnull=False)
    for row in rows.order_by("pk"):
        if end_of(row) is None or is_closed(row):
            continue
        try:
            count(tenant, key=row.pk)
        except Exception:
            log.exception("ranking_not_closed", experiment=row.key)
