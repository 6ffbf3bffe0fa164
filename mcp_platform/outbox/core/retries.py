"""When to try again, and when to give the other side a rest."""

from typing import Final

# Seconds after the 1st, 2nd … failed attempt; the last one repeats. Twelve attempts take about ten hours.
PAUSES: Final = (2, 5, 15, 60, 300, 900, 1800, 3600, 7200)
ATTEMPTS: Final = 12  # unless the endpoint says otherwise
TIRED_AFTER: Final = 5  # failures in a row, over all its events, until an endpoint is left alone
LONGEST_REST: Final = 60  # seconds


def pause_seconds(attempt: int, *, dice: float, asked: float = 0) -> float:
    """After failed attempt number `attempt` (from 1). `dice` is 0..1 and spreads the pauses by a fifth either way; `asked` is Retry-After."""
    usual = PAUSES[min(attempt, len(PAUSES)) - 1] * (0.8 + 0.4 * dice)
    return max(usual, min(asked, PAUSES[-1]))


def rest_seconds(failures: int) -> float:
    """How long an endpoint is left alone after so many failures in a row: 0 for a few, then 2, 4, 8 … at most a minute."""
    return 0 if failures < TIRED_AFTER else min(2 ** (failures - TIRED_AFTER + 1), LONGEST_REST)
