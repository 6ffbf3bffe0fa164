"""The one HTTP client to the outside world: checked addresses, no redirects, no proxies from the environment, bounded answers.

SSRF: a host name is resolved once, every address it has is checked, and the connection goes to the checked address (with the name as SNI and
Host), so that a second, different answer of the name server cannot be used. Hosts of OUTBOUND_ALLOWED_HOSTS may be private.
"""

import ipaddress
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx  # noqa: TID251  this is the one place
from django.conf import settings

from mcp_platform import errors

MAX_ANSWER = 1024 * 1024
# Addresses that lead into private ones although `is_global` says yes on Python 3.11: NAT64 and 6to4.
_TUNNELS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))


class AddressRefused(errors.Invalid):
    """The address is not on the public internet, and no operator has allowed it."""

    code = "ADDRESS_REFUSED"


class Unreachable(errors.Unavailable):
    """The other side cannot be reached."""

    code = "INTEGRATION_ERROR"


class TimedOut(errors.Unavailable):
    """The other side did not answer in time."""

    code = "INTEGRATION_TIMEOUT"


class AnswerTooLarge(errors.Unavailable):
    """The answer is larger than 1 MiB."""

    code = "INTEGRATION_ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_ms: int


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    params: Mapping[str, str] | None = None,
    timeout_ms: int = 5000,
    allow_hosts: Iterable[str] = (),
) -> Answer:
    """One request, one answer. `timeout_ms` bounds the whole exchange. Raises AddressRefused, Unreachable, TimedOut, AnswerTooLarge."""
    allowed = {*settings.OUTBOUND_ALLOWED_HOSTS, *allow_hosts}
    began = time.monotonic()
    backend = _CheckedBackend(allowed, began + timeout_ms / 1000)
    pool = httpcore.ConnectionPool(network_backend=backend, ssl_context=httpx.create_ssl_context(trust_env=False), retries=0)
    transport = httpx.HTTPTransport(trust_env=False)
    transport._pool.close()
    transport._pool = pool  # httpx has no public way to give it a network backend
    try:
        with (
            httpx.Client(transport=transport, timeout=timeout_ms / 1000, follow_redirects=False, trust_env=False) as client,
            client.stream(
                method, url, headers={"Accept-Encoding": "identity", **(headers or {})}, json=json, params=dict(params or {}) or None
            ) as response,
        ):
            body = _read(response, deadline=began + timeout_ms / 1000)
            return Answer(status=response.status_code, headers=dict(response.headers), body=body, elapsed_ms=int((time.monotonic() - began) * 1000))
    except httpx.TimeoutException as fault:
        raise TimedOut(url=_shown(url), timeout_ms=timeout_ms) from fault
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as fault:
        raise AddressRefused(str(fault), url=_shown(url)) from fault
    except httpx.HTTPError as fault:
        raise Unreachable(f"The other side cannot be reached: {type(fault).__name__}.", url=_shown(url)) from fault


def _read(response: httpx.Response, deadline: float) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > MAX_ANSWER:
            raise AnswerTooLarge(limit_bytes=MAX_ANSWER)
        if time.monotonic() > deadline:
            raise TimedOut()
        parts.append(part)
    return b"".join(parts)


def _shown(url: str) -> str:
    """The URL without user, password and query: those may be secrets."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "(malformed)"
    return f"{parsed.scheme}://{parsed.host}{parsed.path}"


class _CheckedBackend(httpcore.NetworkBackend):
    def __init__(self, allowed: set[str], deadline: float) -> None:
        self._allowed, self._deadline = allowed, deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Any = None) -> Any:
        address = checked_address(host, port, self._allowed)
        return _BoundedStream(self._inner.connect_tcp(address, port, timeout, local_address, socket_options), self._deadline)

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise AddressRefused(path=path)


class _BoundedStream(httpcore.NetworkStream):
    """A connection that ends at `deadline` (monotonic): httpx's own timeouts begin anew with every byte that trickles in."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._left(httpcore.WriteTimeout))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> httpcore.NetworkStream:
        return _BoundedStream(self._inner.start_tls(ssl_context, server_hostname, self._left(httpcore.ConnectTimeout)), self._deadline)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _left(self, late: type[httpcore.TimeoutException]) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise late("the time for the whole exchange is over")
        return left


def checked_address(host: str, port: int, allowed: set[str]) -> str:
    """The address to connect to. Raises AddressRefused when any address of the name is not public, Unreachable when the name has none."""
    try:
        found = [row[4][0] for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as fault:  # the latter for labels that are empty or too long
        raise Unreachable(f"The name {host} cannot be resolved.", host=host) from fault
    if host not in allowed and f"{host}:{port}" not in allowed:
        for address in found:
            if not _is_public(str(address)):
                raise AddressRefused(host=host)
    return str(found[0])


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.split("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return (
        bool(mapped.is_global) and not mapped.is_multicast and not any(mapped in network for network in _TUNNELS if network.version == mapped.version)
    )
