"""Whose credential this is. API keys work here, and tokens whose audience is exactly the address that is asked."""

from django.conf import settings

from mcp_platform.mcp import threads
from mcp_platform.tenancy import credentials, throttling
from mcp_platform.tenancy.scope import Principal


async def principal_of(token: str, *, resource: str, address: str) -> Principal:
    """Raises Unauthenticated, TooMany, Unavailable."""
    known = credentials.recall(token) if token.startswith(credentials.KEY_START) else None
    return known if known is not None else await threads.look(_look, token, resource, address)


def _look(token: str, resource: str, address: str) -> Principal:
    from mcp_platform.oauth import services as oauth  # brings the OAuth library along, which a process without tokens does not need

    return oauth.principal_of_bearer(token, resource=resource, address=address)


async def spend(principal: Principal) -> throttling.Budget:
    """Raises TooMany. Without Redis the counters are in this process, so no thread is needed."""
    return await threads.look(throttling.spend, principal) if settings.REDIS_URL else throttling.spend(principal)
