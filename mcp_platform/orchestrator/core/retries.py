"""How long to wait before a request is made once more."""

from typing import Final

FIRST: Final = 0.1  # seconds
LONGEST: Final = 5.0


def pause(attempt: int, dice: float) -> float:
    """Seconds before try number `attempt` + 1. `dice` from 0 to 1: callers that failed together do not come back together."""
    grown: float = FIRST * 2 ** (attempt - 1)
    return min(grown, LONGEST) * (0.5 + dice / 2)
