"""The one HTTP client to the outside world: checked addresses, no redirects, no proxies from the environment, bounded answers."""

import ssl
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore
import httpx  # noqa: TID251  this is the one place
from django.conf import settings
from django.db import connection

from mcp_platform import errors
from mcp_platform.outbound.addresses import AddressRefused, Unreachable, checked_addresses, shown

MAX_ANSWER = 1024 * 1024


class TimedOut(errors.Unavailable):
    """The other side did not answer in time."""

    code = "INTEGRATION_TIMEOUT"


class AnswerTooLarge(errors.Unavailable):
    """The answer is larger than 1 MiB."""

    code = "INTEGRATION_ERROR"


class AnswerEncoded(errors.Unavailable):
    """The answer is compressed (Content-Encoding); we take it only as it is."""

    code = "INTEGRATION_ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    elapsed_ms: int


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    content: bytes | None = None,
    params: Mapping[str, str] | None = None,
    timeout_ms: int = 5000,
    allow_hosts: Iterable[str] = (),
) -> Answer:
    """One request, one answer. `timeout_ms` bounds the whole exchange, the name's resolution too. `content` is sent as it is, in place of `json`.

    Raises AddressRefused, Unreachable (`sent` in its details: false when no byte of the request has left), TimedOut, AnswerTooLarge, AnswerEncoded.
    """
    let_go_of_database()
    trusted = _trusted()
    began = time.monotonic()
    backend = _CheckedBackend({*settings.OUTBOUND_ALLOWED_HOSTS, *allow_hosts}, began + timeout_ms / 1000)
    pool = httpcore.ConnectionPool(network_backend=backend, ssl_context=trusted, retries=0)
    transport = httpx.HTTPTransport(verify=trusted, trust_env=False)
    transport._pool.close()
    transport._pool = pool  # httpx has no public way to give it a network backend
    body: dict[str, Any] = {"content": content} if content is not None else {"json": json}
    try:
        with (
            httpx.Client(transport=transport, timeout=timeout_ms / 1000, follow_redirects=False, trust_env=False) as client,
            client.stream(method, url, headers={"Accept-Encoding": "identity", **(headers or {})}, params=dict(params or {}) or None, **body) as got,
        ):
            read = _read(got, deadline=began + timeout_ms / 1000)
            return Answer(status=got.status_code, headers=dict(got.headers), body=read, elapsed_ms=int((time.monotonic() - began) * 1000))
    except (httpx.TimeoutException, TimeoutError) as fault:
        raise TimedOut(url=shown(url), timeout_ms=timeout_ms) from fault
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as fault:
        raise AddressRefused(str(fault), url=shown(url)) from fault
    except httpx.HTTPError as fault:
        message = f"The other side cannot be reached: {type(fault).__name__}."
        raise Unreachable(message, url=shown(url), sent=not isinstance(fault, httpx.ConnectError)) from fault


@cache
def _trusted() -> ssl.SSLContext:
    """Made once: to read the certificates takes longer than many a call."""
    return httpx.create_ssl_context(trust_env=False)


def let_go_of_database() -> None:
    """Give this thread's connection back before a wait for somebody else: a process has few of them, and a slow partner must not hold them.
    Not inside a transaction; nobody should wait there (tests do)."""
    if not connection.in_atomic_block:
        connection.close()


def _read(response: httpx.Response, deadline: float) -> bytes:
    """The body as it came: to unpack it would make any size out of a small one."""
    if response.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise AnswerEncoded()
    parts, size = [], 0
    for part in response.iter_raw():
        size += len(part)
        if size > MAX_ANSWER:
            raise AnswerTooLarge(limit_bytes=MAX_ANSWER)
        if time.monotonic() > deadline:
            raise TimedOut()
        parts.append(part)
    return b"".join(parts)


class _CheckedBackend(httpcore.NetworkBackend):
    def __init__(self, allowed: Collection[str], deadline: float) -> None:
        self._allowed, self._deadline = allowed, deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Any = None) -> Any:
        """To the first of the name's addresses that takes the connection."""
        addresses = checked_addresses(host, port, self._allowed, self._left())
        for number, address in enumerate(addresses, start=1):
            try:
                stream = self._inner.connect_tcp(address, port, self._left() / (len(addresses) - number + 1), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return _BoundedStream(stream, self._deadline)
        raise httpcore.ConnectError("the name has no address")

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise AddressRefused(path=path)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ConnectTimeout("the time for the whole exchange is over")
        return left


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
