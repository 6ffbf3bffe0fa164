"""Whose credential this is. API keys work here, and tokens whose audience is exactly the address that is asked."""

import functools

from django.conf import settings

from mcp_platform.mcp import threads
from mcp_platform.tenancy import credentials, throttling
from mcp_platform.tenancy.scope import Principal


async def principal_of(token: str, *, resource: str, address: str) -> Principal:
    """Raises Unauthenticated, TooMany, Unavailable."""
    known = credentials.recall(token) if token.startswith(credentials.KEY_START) else None
    if known is not None:
        return known
    pool = threads.Pool.ISSUERS if may_need_network(token) else threads.Pool.LOOKUPS
    return await threads.at(pool, functools.partial(_look, token, resource, address))


def may_need_network(token: str) -> bool:
    """A JWT's issuer may have to be asked for its keys. Keys and tokens of ours are in the database."""
    return token.count(".") >= 2 and not token.startswith(credentials.KEY_START)


def _look(token: str, resource: str, address: str) -> Principal:
    from mcp_platform.oauth import services as oauth  # brings the OAuth library along, which a process without tokens does not need

    return oauth.principal_of_bearer(token, resource=resource, address=address)


async def recheck(principal: Principal) -> Principal:
    """The same caller as it is allowed now, for streams. Raises Unauthenticated, and what the database raises."""
    return await threads.look(_look_again, principal)


def _look_again(principal: Principal) -> Principal:
    from mcp_platform.oauth import services as oauth

    return oauth.recheck(principal)


async def spend(principal: Principal) -> throttling.Budget:
    """Raises TooMany. Without Redis the counters are in this process, so no thread is needed."""
    return await threads.look(throttling.spend, principal) if settings.REDIS_URL else throttling.spend(principal)
