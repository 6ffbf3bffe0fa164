"""Whose rows this thread or task may touch, and who is asking.

The scope is a context variable. Queries name their tenant anyway (`for_tenant`); the scope is the second lock: on PostgreSQL the connection
carries it as `mcp.tenants` and row-level security refuses every other row. The default is nobody, so that a forgotten scope shows nothing.
Doors start closed (`middleware.entrance`, `closed`) and authenticators open exactly the tenant of the credential.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mcp_platform.errors import Denied

if TYPE_CHECKING:
    from mcp_platform.tenancy.models import Tenant, User

PLATFORM = "*"
NOBODY = ""
_current: ContextVar[str] = ContextVar("mcp_tenants", default=NOBODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking: one actor inside one tenant. `expires_at` is when the credential ends; sockets outlive requests and look at it.

    `scopes`: what a person has let a program do for them; the permissions are never more than that. None: the person themselves.
    """

    tenant: "Tenant"
    actor: str
    permissions: frozenset[str]
    user: "User | None" = None
    key_id: UUID | None = None
    issuer_id: int | None = None  # of the row that vouches for a JWT
    expires_at: datetime | None = None
    scopes: frozenset[str] | None = None
    token_id: int | None = None  # of the row of an OAuth access token

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raises Denied."""
        if permission not in self.permissions:
            raise Denied(f"This needs the permission {permission}.", permission=permission)


def current() -> str:
    """'*' for the platform, '' for nobody, else comma-separated tenant ids: the value of `mcp.tenants`."""
    return _current.get()


@contextmanager
def enter(tenants: "Iterable[Tenant | UUID | str]") -> Iterator[None]:
    """Only rows of these tenants; none of them: no rows at all."""
    before = _current.get()
    _current.set(",".join(_id_of(tenant) for tenant in tenants))
    try:
        yield
    finally:
        # Not reset(token): a fixture or an async door may leave in another context than it entered.
        _current.set(before)


def tenant_scope(tenant: "Tenant | UUID | str") -> Any:
    """Only rows of this tenant."""
    return enter((tenant,))


@contextmanager
def platform_scope() -> Iterator[None]:
    """Rows of every tenant: commands, migrations, sweeps, and the look-ups that find out which tenant is asking."""
    before = _current.get()
    _current.set(PLATFORM)
    try:
        yield
    finally:
        _current.set(before)


def become(tenant: "Tenant | UUID | str") -> None:
    """Stay in this tenant until the door that began the request closes again. For authenticators only."""
    _current.set(_id_of(tenant))


def closed(application: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """An ASGI application that starts every request and socket with nobody's rows, whatever scope the server was started in."""

    async def run(*args: Any) -> None:
        with enter(()):
            await application(*args)

    return run


def _id_of(tenant: "Tenant | UUID | str") -> str:
    # UUID() of a text also refuses '*' and ',': a scope cannot be widened through an id that came from outside.
    return str(UUID(tenant)) if isinstance(tenant, str) else str(getattr(tenant, "pk", tenant))
