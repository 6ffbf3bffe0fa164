"""How long the live protocol remembers: the last 10,000 batches, and whatever is younger than a day, for each building.

Older diffs cannot be resumed from; a client that asks for them gets a snapshot. The last diff stays, so that numbers go on.
"""

from datetime import timedelta
from typing import Any, Final

from django.db.models import Max, QuerySet
from django.utils import timezone

from validation.models import Building, ChangeBatch, FindingsDiff, LiveSession

BATCHES: Final = 10_000
AGE: Final = timedelta(hours=24)
SESSIONS: Final = timedelta(days=90)


def prune() -> int:
    """How many rows went."""
    gone = 0
    for building in Building.objects.filter(head_seq__gt=0).only("pk", "tenant_id").iterator(chunk_size=500):
        gone += _prune(ChangeBatch.objects.filter(building=building), "seq")
        gone += _prune(FindingsDiff.objects.filter(building=building), "number")
    gone += LiveSession.objects.filter(state="closed", closed_at__lt=timezone.now() - SESSIONS).delete()[0]
    return gone


def _prune(rows: QuerySet[Any], number: str) -> int:
    """What is both old and far behind the last one."""
    last = rows.aggregate(last=Max(number))["last"]
    if last is None or last <= BATCHES:
        return 0
    old = rows.filter(**{f"{number}__lte": last - BATCHES}, at__lt=timezone.now() - AGE)
    return int(old.delete()[0])
