"""A breaker for each partner: after many failures it is not called for a while, then tried with one call at a time.

closed: calls go through; open: they do not; half-open: one probe at a time goes through, its result closes or opens the breaker again.
The state is in Django's cache, so that with Redis every process shares it. A cache that is away never stops a call.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from django.core.cache import cache

from mcp_platform import observability

log = observability.logger(__name__)
T = TypeVar("T")

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half_open"

WINDOW_SECONDS: Final = 30  # failures are counted in the current and the last window
LEAST_FAILURES: Final = 5  # fewer never open it
FAILURE_SHARE: Final = 0.5  # of the calls in the two windows
FIRST_PAUSE_SECONDS: Final = 10
LONGEST_PAUSE_SECONDS: Final = 120  # the pause doubles with each probe that fails
MEMORY_SECONDS: Final = 3600  # how long it is remembered that a breaker was open
PROBE_SECONDS: Final = 40  # a probe that never reports is forgotten after this: longer than any call


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`retry_after`: seconds until a probe is let through, 0 when calls are."""

    state: str
    failures: int
    calls: int
    retry_after: int = 0


def admits(name: str) -> bool:
    """Whether a call may go out now. While half-open only one caller gets True until it reports."""
    return _sheltered(lambda: _admits(name), True)


def report(name: str, *, healthy: bool) -> str:
    """How a call that was admitted has ended: not whether it pleased, but whether the other side is well. Gives "opened" or "closed" when the
    breaker has changed by that, else ""."""
    return _sheltered(lambda: _report(name, healthy), "")


def release(name: str) -> None:
    """A call that was admitted has told nothing (it was never made): the next one may probe."""
    _sheltered(lambda: cache.delete(_key(name, "probe")), False)


def read(name: str) -> Reading:
    return _sheltered(lambda: _read(name), Reading(state=CLOSED, failures=0, calls=0))


def reset(name: str) -> None:
    """An operator knows that the other side is well again."""
    _sheltered(lambda: cache.delete_many([_key(name, part) for part in ("until", "pause", "probe", *_counters())]), None)


def _admits(name: str) -> bool:
    found = cache.get_many([_key(name, "until"), _key(name, "pause")])
    if not found:
        return True
    if found.get(_key(name, "until"), 0) > time.time():
        return False
    return cache.add(_key(name, "probe"), 1, PROBE_SECONDS)


def _report(name: str, healthy: bool) -> str:
    pause = cache.get(_key(name, "pause"))
    if pause is not None:  # a probe, or a late answer to a call from before
        cache.delete(_key(name, "probe"))
        if healthy:
            log.info("breaker_closed", breaker=name)
            reset(name)
            return "closed"
        if cache.get(_key(name, "until"), 0) <= time.time():
            _open(name, min(pause * 2, LONGEST_PAUSE_SECONDS))
        return ""
    _count(_key(name, f"{'good' if healthy else 'bad'}:{_window()}"))
    if not healthy:
        bad, calls = _counted(name)
        if bad >= LEAST_FAILURES and bad >= calls * FAILURE_SHARE:
            _open(name, FIRST_PAUSE_SECONDS)
            return "opened"
    return ""


def _open(name: str, pause: float) -> None:
    log.warning("breaker_opened", breaker=name, seconds=pause)
    cache.set_many({_key(name, "until"): time.time() + pause, _key(name, "pause"): pause}, MEMORY_SECONDS)


def _read(name: str) -> Reading:
    found = cache.get_many([_key(name, "until"), _key(name, "pause")])
    bad, calls = _counted(name)
    if not found:
        return Reading(state=CLOSED, failures=bad, calls=calls)
    left = found.get(_key(name, "until"), 0) - time.time()
    return Reading(state=OPEN if left > 0 else HALF_OPEN, failures=bad, calls=calls, retry_after=max(0, round(left)))


def _count(key: str) -> None:
    cache.add(key, 0, 2 * WINDOW_SECONDS + 5)
    try:
        cache.incr(key)
    except ValueError:  # it ended between the two
        cache.set(key, 1, 2 * WINDOW_SECONDS + 5)


def _counted(name: str) -> tuple[int, int]:
    """Failures, and all calls."""
    keys = [_key(name, part) for part in _counters()]
    found = cache.get_many(keys)
    bad = sum(count for key, count in found.items() if ":bad:" in key)
    return bad, sum(found.values())


def _counters() -> list[str]:
    return [f"{kind}:{window}" for window in (_window(), _window() - 1) for kind in ("good", "bad")]


def _window() -> int:
    return int(time.time() // WINDOW_SECONDS)


def _key(name: str, part: str) -> str:
    return f"breaker:{name}:{part}"


def _sheltered(work: Callable[[], T], otherwise: T) -> T:
    try:
        return work()
    except Exception as fault:  # noqa: BLE001  each cache has its own errors; without it every breaker is closed
        log.warning("breaker_without_cache", fault=type(fault).__name__)
        return otherwise
