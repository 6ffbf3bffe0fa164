"""What is counted, and the buckets of what is measured. docs/analytics.md explains every measure in a sentence."""

from bisect import bisect_left
from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Measure(StrEnum):
    """The name beside each says what the tally's `name` is. Those of the first group belong to the day on which the session began."""

    STARTS = "starts"  # ""
    COMPLETIONS = "completions"  # completion type
    CALLED = "called"  # "": the flow began as a sub-flow
    RETURNED = "returned"  # "": and came back
    REACHED = "reached"  # state: sessions that came there at least once
    VISITS = "visits"  # state: how often it was entered
    RESTING = "resting"  # state: sessions that are, or were last seen, there and have not ended
    ENDED_AT = "ended_at"  # state
    MOVED = "moved"  # "from→to"
    HANDOFFS = "handoffs"  # state
    MIGRATED_IN = "migrated_in"  # ""
    MIGRATED_OUT = "migrated_out"  # ""
    TURNS = "turns"  # kind
    TURN_FAULTS = "turn_faults"  # failed | dead
    LATENCY = "latency"  # upper bound of the bucket, milliseconds
    FAULTS = "faults"  # error code
    SLOT_FILLED = "slot_filled"  # slot
    SLOT_REFUSED = "slot_refused"  # slot
    SLOT_CORRECTED = "slot_corrected"  # slot
    MISSED = "missed"  # state: nothing matched the message
    ESCALATED = "escalated"  # state
    INTENTS = "intents"  # intent
    CONFIDENCE = "confidence"  # lower bound of the bucket, 0.0 … 0.9
    CALLS = "calls"  # integration
    CALL_FAULTS = "call_faults"  # integration|error code
    CALL_MS = "call_ms"  # integration: milliseconds of all calls together
    RATED = "rated"  # score/scale, or "declined"


MASSES: Final = (
    1,
    2,
    3,
    5,
    7,
    10,
    15,
    20,
    30,
    50,
    70,
    100,
    150,
    200,
    300,
    500,
    700,
    1000,
    1500,
    2000,
    3000,
    5000,
    7000,
    10_000,
    15_000,
    30_000,
    60_000,
)
BEYOND: Final = "more"
# Completion types that are no success; every other one, also those that authors make up, is.
GIVEN_UP: Final = frozenset({"failed", "cancelled", "stopped", "expired", "abandoned", "error"})


def succeeded(completions: Mapping[str, int]) -> int:
    """Of these ends, how many were no failure."""
    return sum(count for name, count in completions.items() if name not in GIVEN_UP)


def latency_bucket(milliseconds: float) -> str:
    """The least bound that is not below."""
    place = bisect_left(MASSES, milliseconds)
    return str(MASSES[place]) if place < len(MASSES) else BEYOND


def confidence_bucket(confidence: float) -> str:
    return f"{min(max(int(confidence * 10 + 1e-9), 0), 9) / 10:.1f}"


def percentile(counts: Mapping[str, int], share: float) -> float | None:
    """Milliseconds below which `share` (0..1) of the turns stayed, interpolated inside its bucket; None without turns. What lies beyond the
    last bound counts as that bound."""
    total = sum(counts.values())
    if total <= 0:
        return None
    wanted, seen, below = share * total, 0.0, 0.0
    for bound in MASSES:
        here = counts.get(str(bound), 0)
        if here and seen + here >= wanted:
            return below + (bound - below) * max(wanted - seen, 0) / here
        seen += here
        below = float(bound)
    return float(MASSES[-1])
