"""How much a caller may ask: per credential, per tenant, and per address for credentials that fail.

Windows are fixed and begin with a caller's first request. Counters are exact under concurrency: one atomic increment decides. They live in
Redis when there is one, else in this process; while Redis is away this process counts alone (more is let through, nothing stops).
"""

import functools
import ipaddress
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import limits
from django.conf import settings
from django.http import HttpRequest
from limits.storage import Storage, storage_from_string

from mcp_platform import errors, observability, redis_urls
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)

_REDIS_PAUSE_SECONDS = 5.0
_REDIS_TIMEOUT_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is left of a limit. `reset` is seconds until the window ends."""

    policy: str
    limit: int
    window: int
    left: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        """draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={self.window}',
            "RateLimit": f'"{self.policy}";r={self.left};t={self.reset}',
        }


class TooMany(errors.Throttled):
    """Too many requests; slow down."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(policy=budget.policy, retry_after=max(1, budget.reset))
        self.headers = budget.headers


def spend(principal: Principal) -> Budget:
    """Count one request of a caller. Raises TooMany; else gives the budget of the credential, for the answer's headers."""
    tenant = str(principal.tenant.pk)
    _draw("tenant", settings.TENANT_RATE_LIMIT, tenant)
    return _draw("default", settings.API_RATE_LIMIT, f"{tenant}:{principal.actor}")


def spend_visitor(policy: str, address: str) -> None:
    """Count what somebody without a credential does on a public page: VISITOR_LIMITS by address. Raises TooMany."""
    _count(policy, str(getattr(settings, VISITOR_LIMITS[policy])), network_of(address))


VISITOR_LIMITS = {"chat": "CHAT_RATE_LIMIT", "chat-start": "CHAT_START_RATE_LIMIT", "verify": "CHAT_RATE_LIMIT", "oauth": "OAUTH_RATE_LIMIT"}


@contextmanager
def attempt(address: str) -> Iterator[None]:
    """Around the check of a credential: takes one attempt of the address, and gives it back unless the check raises Unauthenticated.

    Taken before, not counted after, so that a burst of parallel guesses gets exactly the limit.
    """
    bucket = network_of(address)
    _count("credentials", settings.ADDRESS_RATE_LIMIT, bucket)
    failed = False
    try:
        yield
    except Unauthenticated:
        failed = True
        raise
    finally:
        if not failed:
            _increase(_parsed(settings.ADDRESS_RATE_LIMIT), "credentials", bucket, -1)


def address_of(request: HttpRequest) -> str:
    """The client's address: the connection's, or what the outermost of TRUSTED_PROXIES own proxies wrote down."""
    return _client(request.META.get("HTTP_X_FORWARDED_FOR", ""), str(request.META.get("REMOTE_ADDR") or ""))


def address_in(asgi_scope: Mapping[str, Any]) -> str:
    """`address_of` for a connection that is no request, such as a socket."""
    forwarded = ",".join(value.decode("latin-1") for name, value in asgi_scope.get("headers") or () if name == b"x-forwarded-for")
    return _client(forwarded, str((asgi_scope.get("client") or ("",))[0]))


def _client(forwarded: str, peer: str) -> str:
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()] if settings.TRUSTED_PROXIES else []
    return hops[-min(settings.TRUSTED_PROXIES, len(hops))] if hops else peer


def network_of(address: str) -> str:
    """An IPv6 caller owns a whole /64, so the network is what counts."""
    try:
        parsed = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


def _count(policy: str, limit: str, bucket: str) -> Budget:
    item = _parsed(limit)
    used, reset = _increase(item, policy, bucket, 1)
    budget = Budget(policy=policy, limit=item.amount, window=item.get_expiry(), left=max(0, item.amount - used), reset=reset)
    if used > item.amount:
        raise TooMany(budget)
    return budget


def _draw(policy: str, limit: str, bucket: str) -> Budget:
    """`_count` for every request of a caller: with Redis, from requests that this process has taken from the counter in advance.

    A hundredth of the limit at a time, so two round trips a request become next to none. Never more than the limit gets through; of several
    processes each may hold up to a hundredth that it does not use. Limits below 200 are taken one by one and stay exact everywhere.
    """
    item = _parsed(limit)
    portion = item.amount // 100
    if not settings.REDIS_URL or portion < 2:
        return _count(policy, limit, bucket)
    key = item.key_for(policy, bucket)
    with _leases_lock:
        lease = _leases.get(key)
        if lease is not None and lease.left > 0 and time.monotonic() < lease.ends:
            lease.left -= 1
            return Budget(policy=policy, limit=item.amount, window=item.get_expiry(), left=max(0, lease.beyond + lease.left), reset=lease.reset)
    return _take_lease(item, policy, bucket, portion)


@dataclass(slots=True)
class _Lease:
    """`left` requests may still pass until `ends` (monotonic); `beyond` them the counter had so many."""

    left: int
    beyond: int
    ends: float

    @property
    def reset(self) -> int:
        return max(0, int(self.ends - time.monotonic() + 0.999))


_leases: dict[str, _Lease] = {}
_leases_lock = threading.Lock()
_LEASES_KEPT = 10_000


def _take_lease(item: limits.RateLimitItem, policy: str, bucket: str, portion: int) -> Budget:
    used, reset = _increase(item, policy, bucket, portion, exact_end=True)
    granted = min(portion, item.amount - (used - portion))
    budget = Budget(policy=policy, limit=item.amount, window=item.get_expiry(), left=max(0, item.amount - used + max(0, portion - 1)), reset=reset)
    if granted < 1:
        raise TooMany(budget)
    with _leases_lock:
        if len(_leases) >= _LEASES_KEPT:
            _leases.clear()  # the portions in them are lost to their windows, no more
        key = item.key_for(policy, bucket)
        held = _leases.get(key)
        kept = held.left if held is not None and time.monotonic() < held.ends else 0
        _leases[key] = _Lease(left=kept + granted - 1, beyond=max(0, item.amount - used), ends=time.monotonic() + reset)
    return budget


@functools.cache
def _parsed(limit: str) -> limits.RateLimitItem:
    return limits.parse(limit)


class ExactMemory(Storage):
    """Counters of this process. The library's own memory storage can lose an increment when a window ends, and starts a thread for each."""

    STORAGE_SCHEME = ["mcp-memory"]
    _SWEEP_AT = 10_000

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: Any) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        self._windows: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = time.time()
        with self._lock:
            if len(self._windows) > self._SWEEP_AT:
                self._windows = {key: window for key, window in self._windows.items() if window[1] > now}
            used, ends = self._windows.get(key, (0, 0.0))
            used, ends = (used, ends) if ends > now else (0, now + expiry)
            self._windows[key] = (max(0, used + amount), ends)
            return max(0, used + amount)

    def get(self, key: str) -> int:
        used, ends = self._windows.get(key, (0, 0.0))
        return used if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        return self._windows.get(key, (0, time.time()))[1]

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        with self._lock:
            count = len(self._windows)
            self._windows.clear()
            return count

    def clear(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)


_memory = ExactMemory()
_redis_away_until = 0.0
_redis_making = threading.Lock()


@functools.cache
def _redis_of(url: str) -> Storage:
    found = storage_from_string(redis_urls.limits_storage(url), socket_timeout=_REDIS_TIMEOUT_SECONDS, socket_connect_timeout=_REDIS_TIMEOUT_SECONDS)
    assert isinstance(found, Storage)
    return found


def _redis(url: str) -> Storage:
    with _redis_making:  # the library imports redis on first use, and two threads that do so at once see half a module
        return _redis_of(url)


def _increase(item: limits.RateLimitItem, policy: str, bucket: str, amount: int, *, exact_end: bool = False) -> tuple[int, int]:
    """(used, seconds until the window ends) after adding `amount`."""
    global _redis_away_until
    key, expiry = item.key_for(policy, bucket), item.get_expiry()
    if settings.REDIS_URL and time.monotonic() >= _redis_away_until:
        storage = _redis(settings.REDIS_URL)
        try:
            used = storage.incr(key, expiry, amount)
            # The exact end costs a second round trip: only a refused caller and a lease need it.
            return used, _seconds_to(storage.get_expiry(key)) if exact_end or used > item.amount else expiry
        except storage.base_exceptions as fault:
            _redis_away_until = time.monotonic() + _REDIS_PAUSE_SECONDS
            log.warning("rate_limits_without_redis", fault=repr(fault))
    used = _memory.incr(key, expiry, amount)
    return used, _seconds_to(_memory.get_expiry(key))


def _seconds_to(moment: float) -> int:
    return max(0, int(moment - time.time() + 0.999))


def forget_everything() -> None:
    """Start counting anew, in this process."""
    _memory.reset()
    with _leases_lock:
        _leases.clear()
