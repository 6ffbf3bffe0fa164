"""Who may come in, and with what: address and origin, credential, rate, size, scope. Nothing of the SDK is reached before.

The order is deliberate: what costs us least is asked first, and nobody without a credential can make us read a body.
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

from mcp_platform import errors, observability
from mcp_platform.mcp import asking, catalog, threads
from mcp_platform.mcp.asking import Asked
from mcp_platform.mcp.calling import record
from mcp_platform.mcp.models import Call
from mcp_platform.mcp.server import bodies, identity, scopes
from mcp_platform.oauth.core.addresses import MCP, VIRTUAL
from mcp_platform.tenancy import scope, throttling
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)


class ForeignHost(errors.Denied):
    """This server is not reached by that name."""

    code = "HOST_NOT_ALLOWED"


class ForeignOrigin(errors.Denied):
    """Pages of that origin may not call this server."""

    code = "ORIGIN_NOT_ALLOWED"


class ScopeMissing(errors.Denied):
    """This needs a permission that the credential does not have."""

    code = "INSUFFICIENT_SCOPE"


def slug_of(path: str) -> str | None:
    """ "" for the server itself, the slug of a virtual server, None for an address that is neither."""
    path = path.removesuffix("/")
    found = VIRTUAL.fullmatch(path)
    return found["slug"] if found else "" if path == MCP else None


def headers_of(asgi: Mapping[str, Any]) -> dict[str, str]:
    """Of several headers of one name the last one; names are small letters."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in asgi["headers"]}


def check_address(headers: Mapping[str, str]) -> None:
    """Against DNS rebinding: a page of somebody else that reaches us by a name of its own. Raises ForeignHost, ForeignOrigin."""
    if not validate_host(_without_port(headers.get("host", "").lower()), settings.ALLOWED_HOSTS):
        raise ForeignHost(host=headers.get("host", "")[:200])
    origin = headers.get("origin")
    if origin is not None and not origin_is_ours(origin, headers.get("host", "")):
        raise ForeignOrigin(origin=origin[:200])


def origin_is_ours(origin: str, host: str) -> bool:
    """The server's own pages, and those of MCP_ALLOWED_ORIGINS."""
    if origin in settings.MCP_ALLOWED_ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:  # half of an IPv6 address
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _without_port(host: str) -> str:
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host


def base_of(asgi: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """Our address without a path, as the metadata of OAuth names it."""
    from mcp_platform.oauth import queries as oauth

    told = headers.get("x-forwarded-proto", "") if settings.TRUSTED_PROXIES else ""
    return oauth.base_of(headers.get("host", ""), secure=(told or asgi.get("scheme", "http")) == "https")


def path_of(slug: str) -> str:
    return f"/mcp/v/{slug}" if slug else "/mcp"


async def admit(asgi: Mapping[str, Any], headers: Mapping[str, str], slug: str) -> tuple[Principal, throttling.Budget]:
    """A token must be for exactly the address that is asked (RFC 8707). Raises Unauthenticated, TooMany, Unavailable."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or " " in token.strip():
        raise Unauthenticated("Send a bearer token: an API key, or an OAuth token for this address.")
    resource = base_of(asgi, headers) + path_of(slug)
    principal = await identity.principal_of(token.strip(), resource=resource, address=throttling.address_in(asgi))
    return principal, await identity.spend(principal)


async def examine(asked: Asked) -> None:
    """Find what is called, and whether this caller may. Raises ScopeMissing, VirtualServerNotFound."""
    if asked.method == "tools/call":
        name = str(asked.params.get("name"))[:200]
        asked.entry = catalog.instantly(asked.tenant, name, asked.virtual) or await threads.look(catalog.find, asked.tenant, name, asked.virtual)
    missing = [needed for needed in scopes.needed(asked) if not asked.principal.may(needed)]
    if missing:
        await _refused(asked)
        given = asked.principal.scopes
        if given is not None and given.issuperset(missing):  # the person may not: no other token of theirs would help
            raise errors.Denied(f"This needs the permission {' '.join(sorted(missing))}.", permission=missing[0])
        raise ScopeMissing(f"This needs the permission {' '.join(sorted(missing))}.", scope=" ".join(sorted(missing)))


async def _refused(asked: Asked) -> None:
    name = str(asked.params.get("name") or asked.params.get("uri") or "")
    await record(asked, name=name, outcome=Call.Outcome.DENIED, began=time.monotonic(), client=_Unknown(), code=ScopeMissing.code)


class _Unknown:
    name = ""
    protocol = ""


async def ask(asgi: dict[str, Any], principal: Principal, slug: str, body: bytes, correlation_id: str) -> Asked:
    """Everything that is known of a request before the SDK sees it. Raises SchemaError, ScopeMissing."""
    asking_for = bodies.asking(body) if body else bodies.Asking("", {})
    asked = Asked(
        principal=principal, path=path_of(slug), virtual=slug, correlation_id=correlation_id, method=asking_for.method,
        params=asking_for.params, size=len(body),
    )  # fmt: skip
    with scope.tenant_scope(principal.tenant):
        await examine(asked)
    asgi[asking.KEY] = asked
    asking.entered(asked)
    return asked
