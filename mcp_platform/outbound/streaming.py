"""The client of long conversations with the outside (MCP servers): the same checks as the one for single requests, on an event loop.

Checked addresses, no redirects to elsewhere, no proxies from the environment, no compressed answers, bounded ones. A stream of events may go on
for ever; everything else is an answer, with a size and an end.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import httpcore2
import httpx2
from django.conf import settings

from mcp_platform.errors import PlatformError
from mcp_platform.outbound.addresses import AddressRefused, checked_addresses

if TYPE_CHECKING:
    import ssl

LARGEST: Final = 8 * 1024 * 1024  # bytes of an answer: a picture in base64 fits
CONNECTIONS: Final = 32  # to one server at a time
LOOKUP_SECONDS: Final = 10.0
ENCODED: Final = "the answer is compressed; it is taken only as it is"

Watch = Callable[[httpx2.Request, httpx2.Response], None]


def client(
    *, timeout: float, headers: Mapping[str, str], allow_hosts: Collection[str] = (), auth: httpx2.Auth | None = None, watch: Watch | None = None
) -> httpx2.AsyncClient:
    """`timeout` in seconds, of connecting and of each whole answer. `watch` sees every answer before it is used."""
    transport = _Guarded(_transport({*settings.OUTBOUND_ALLOWED_HOSTS, *allow_hosts}), timeout, watch)
    return httpx2.AsyncClient(
        transport=transport,
        timeout=httpx2.Timeout(timeout, read=None),  # streams are silent for long; answers have their end in _Guarded
        headers={"User-Agent": "mcp-platform", "Accept-Encoding": "identity", **headers},
        auth=auth,
        follow_redirects=False,
        trust_env=False,
    )


def _transport(allowed: Collection[str]) -> httpx2.AsyncHTTPTransport:
    made = httpx2.AsyncHTTPTransport(verify=_trusted(), trust_env=False)
    # There is no public way to give it a network backend; the pool that it has made is not open yet.
    made._pool = httpcore2.AsyncConnectionPool(
        ssl_context=_trusted(), max_connections=CONNECTIONS, keepalive_expiry=60.0, retries=0, network_backend=_CheckedBackend(allowed)
    )
    return made


@cache
def _trusted() -> "ssl.SSLContext":
    return httpx2.create_ssl_context(trust_env=False)


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = allowed
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Any = None
    ) -> httpcore2.AsyncNetworkStream:
        """To the first of the name's addresses that takes the connection."""
        seconds = timeout or LOOKUP_SECONDS
        until = time.monotonic() + seconds
        try:
            addresses = await asyncio.to_thread(checked_addresses, host, port, self._allowed, seconds)
        except TimeoutError as late:
            raise httpcore2.ConnectTimeout("the name was not resolved in time") from late
        for number, address in enumerate(addresses, start=1):
            left = max(0.05, (until - time.monotonic()) / (len(addresses) - number + 1))
            try:
                return await self._inner.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise httpcore2.ConnectError("the name has no address")

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> httpcore2.AsyncNetworkStream:
        raise AddressRefused(path=path)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Guarded(httpx2.AsyncBaseTransport):
    """A request that fails gives an answer that says so (502, 504; `fault` in its extensions) instead of an error: over one MCP connection many
    calls are under way, and an error would end them all. Only where a stream is opened (GET) errors are raised."""

    def __init__(self, inner: httpx2.AsyncHTTPTransport, timeout: float, watch: Watch | None) -> None:
        self._inner, self._timeout, self._watch = inner, timeout, watch

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await (self._opened(request) if request.method == "GET" else self._answered(request))
        if self._watch is not None:
            self._watch(request, response)
        return response

    async def _opened(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if not _is_plain(response):
            await response.aclose()
            raise httpx2.RemoteProtocolError(ENCODED, request=request)
        return response

    async def _answered(self, request: httpx2.Request) -> httpx2.Response:
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._inner.handle_async_request(request)
                if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
                    return await _read(response)
        except TimeoutError:
            return _failed(504, httpx2.ReadTimeout("no answer in time"))
        except (httpx2.TransportError, PlatformError) as fault:
            return _failed(504 if isinstance(fault, httpx2.TimeoutException) else 502, fault)
        if _is_plain(response):
            return response
        await response.aclose()
        return _failed(502, httpx2.RemoteProtocolError(ENCODED))

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _read(response: httpx2.Response) -> httpx2.Response:
    parts, size = [], 0
    try:
        if not _is_plain(response):
            return _failed(502, httpx2.RemoteProtocolError(ENCODED))
        async for part in aiter(response.stream):  # type: ignore[arg-type]  # that of an async transport is one
            size += len(part)
            if size > LARGEST:
                return _failed(502, httpx2.ReadError(f"the answer is larger than {LARGEST} bytes"))
            parts.append(part)
    finally:
        await response.aclose()
    return httpx2.Response(response.status_code, headers=response.headers, content=b"".join(parts), extensions=response.extensions)


def _is_plain(response: httpx2.Response) -> bool:
    return response.headers.get("content-encoding", "").strip().lower() in ("", "identity")


def _failed(status: int, fault: Exception) -> httpx2.Response:
    return httpx2.Response(status, content=b"", extensions={"fault": fault})
