"""What Prometheus hears of checks: how many were asked for, how long they took, what was found for the first time."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mcp_platform import jobs, observability
from validation.models import Building, Finding


def requested(building: Building) -> None:
    """A full check or a what-if question was asked for."""
    kind = next((str(one["group"]) for one in building.occupancy_groups if isinstance(one, dict) and one.get("group")), "unknown")
    place = building.project.jurisdiction.code
    observability.VALIDATION_REQUESTS.labels(observability.bounded(kind, "building_type"), observability.bounded(place, "jurisdiction")).inc()


@contextmanager
def timed(kind: str) -> Iterator[None]:
    """kind: full, what_if, live (the answer to a change, or to those that came at the same time) or storey (what follows from its surroundings)."""
    began = time.perf_counter()
    try:
        yield
    finally:
        observability.VALIDATION_DURATION.labels(kind).observe(time.perf_counter() - began)


def found(rows: Iterable[Finding]) -> None:
    """After commit: findings that were not there before."""
    new = Counter((row.severity, row.category) for row in rows if row.outcome == "fail")

    def tell() -> None:
        for (severity, category), number in new.items():
            observability.VIOLATIONS.labels(severity, category).inc(number)

    if new:
        jobs.after_commit(tell)
