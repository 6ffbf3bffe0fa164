"""When a server that keeps failing is left alone: closed lets calls through, open does not, half-open lets one through to see.

Each process counts for itself: it is about its own connection, and asking a shared counter would cost more than the call.
"""

from dataclasses import dataclass, replace
from typing import Final

FAILURES: Final = 5  # in a row
FIRST_PAUSE: Final = 5.0  # seconds
LONGEST_PAUSE: Final = 60.0  # the pause doubles with each probe that fails
PROBE: Final = 60.0  # a probe that never reports is forgotten after this


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """`until`: when it may be tried again, in seconds of a monotonic clock; `probing` is when a probe went out."""

    failures: int = 0
    until: float = 0.0
    pause: float = 0.0
    probing: float | None = None

    def state(self, now: float) -> str:
        if not self.pause:
            return "closed"
        return "open" if now < self.until else "half_open"


CLOSED: Final = Breaker()


def admit(breaker: Breaker, now: float) -> tuple[bool, Breaker]:
    """Whether a call may go out, and the breaker after that."""
    state = breaker.state(now)
    if state == "closed":
        return True, breaker
    if state == "open" or (breaker.probing is not None and now - breaker.probing < PROBE):
        return False, breaker
    return True, replace(breaker, probing=now)


def after(breaker: Breaker, *, healthy: bool, now: float) -> Breaker:
    """The breaker when a call has ended: not whether it pleased, but whether the server is well."""
    if healthy:
        return CLOSED
    if breaker.pause:
        if now < breaker.until:
            return breaker  # a late answer to a call from before
        pause = min(breaker.pause * 2, LONGEST_PAUSE)
        return Breaker(failures=breaker.failures + 1, until=now + pause, pause=pause)
    failures = breaker.failures + 1
    if failures < FAILURES:
        return Breaker(failures=failures)
    return Breaker(failures=failures, until=now + FIRST_PAUSE, pause=FIRST_PAUSE)


def forget_probe(breaker: Breaker) -> Breaker:
    """A call that was admitted has told nothing, because its caller gave up: the next one may see."""
    return replace(breaker, probing=None)
