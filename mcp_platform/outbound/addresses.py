"""Which addresses may be called (SSRF guard): a name is resolved once, every address it has is checked, and the caller connects to those.

So a second, different answer of the name server cannot be used. Hosts of OUTBOUND_ALLOWED_HOSTS, and those that the platform's operator has
allowed a tenant, may be private.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from mcp_platform import errors

# Addresses that lead into private ones although `is_global` says yes on Python 3.11: NAT64 and 6to4.
_TUNNELS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))
_LOOKUPS = threading.BoundedSemaphore(64)  # a resolver that hangs holds a thread each; no more of them than this


class AddressRefused(errors.Invalid):
    """The address is not on the public internet, and no operator has allowed it."""

    code = "ADDRESS_REFUSED"


class Unreachable(errors.Unavailable):
    """The other side cannot be reached."""

    code = "INTEGRATION_ERROR"


def checked_addresses(host: str, port: int, allowed: Collection[str], seconds: float) -> list[str]:
    """The addresses to connect to, in the resolver's order. Takes at most `seconds`.

    Raises AddressRefused when any address of the name is not public, Unreachable when the name has none, TimeoutError.
    """
    found = _resolved(host, port, seconds)
    if host not in allowed and f"{host}:{port}" not in allowed and not all(is_public(address) for address in found):
        raise AddressRefused(host=host)
    return found


def is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.split("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return (
        bool(mapped.is_global) and not mapped.is_multicast and not any(mapped in network for network in _TUNNELS if network.version == mapped.version)
    )


def shown(url: str) -> str:
    """The URL without user, password and query: those may be secrets."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    except ValueError:
        return "(malformed)"


def _resolved(host: str, port: int, seconds: float) -> list[str]:
    """getaddrinfo knows no time limit: it runs in a thread of its own, which is left behind when it takes too long."""
    if _is_literal(host):
        return _look_up(host, port)
    if not _LOOKUPS.acquire(timeout=max(seconds, 0)):
        raise TimeoutError("too many names are being resolved")
    answer: list[list[str] | Exception] = []
    done = threading.Event()

    def look() -> None:
        try:
            answer.append(_look_up(host, port))
        except Exception as fault:  # noqa: BLE001  raised again in the thread that asked
            answer.append(fault)
        finally:
            _LOOKUPS.release()
            done.set()

    began = time.monotonic()
    threading.Thread(target=look, name="resolver", daemon=True).start()
    if not done.wait(max(seconds, 0)):
        raise TimeoutError(f"the name was not resolved within {time.monotonic() - began:.1f} s")
    found = answer[0]
    if isinstance(found, Exception):
        raise found
    return found


def _look_up(host: str, port: int) -> list[str]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:  # the latter for labels that are empty or too long
        raise Unreachable(f"The name {host} cannot be resolved.", host=host) from fault
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
