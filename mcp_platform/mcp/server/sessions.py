"""Sessions of clients that speak an older revision: owned by who began them, bounded for each tenant, and taken up again after a cut.

They live in the memory of one process (docs/adr/0008-protocol-sessions.md).
"""

import secrets
from collections import OrderedDict
from typing import Any

import mcp_types as types
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, AuthorizationContext
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore, StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from mcp_platform import observability
from mcp_platform.mcp.asking import Asked

MOST_OF_TENANT = 1_000
IDLE_SECONDS = 30 * 60.0
KEPT_EVENTS = 100  # of a session, to be sent again


def owner_of(asked: Asked) -> AuthenticatedUser:
    """Who a session belongs to, in the SDK's words: it lets only the same client, issuer and subject use it. The credential may be another one
    of the same actor, so that a key can be rotated under a session."""
    token = AccessToken(
        token="", client_id=asked.actor, scopes=[], subject=asked.actor, claims={"iss": f"{asked.tenant.pk}{asked.path}"}
    )  # fmt: skip
    return AuthenticatedUser(token)


class Remembered(EventStore):
    """The last events of one session. An id can neither be guessed nor belong to another session."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, tuple[str, types.JSONRPCMessage | None]] = OrderedDict()

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        event_id = secrets.token_urlsafe(12)
        self._events[event_id] = (stream_id, message)
        while len(self._events) > KEPT_EVENTS:
            self._events.popitem(last=False)
        return event_id

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        known = self._events.get(last_event_id)
        if known is None:
            return None
        past = False
        for event_id, (stream_id, message) in list(self._events.items()):
            if past and stream_id == known[0] and message is not None:
                await send_callback(EventMessage(message, event_id))
            past = past or event_id == last_event_id
        return known[0]


class Sessions(StreamableHTTPSessionManager):
    """The SDK's manager, with a memory for each session and a bound for each tenant."""

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        if requestor is None or self._of_tenant(requestor) >= MOST_OF_TENANT:
            return None
        self.event_store = Remembered()  # the transport takes it along; there is no other task between this line and the next
        admitted = super()._admit_session(requestor)
        observability.PROTOCOL_SESSIONS.set(len(self._server_instances))
        return admitted

    def _of_tenant(self, requestor: AuthorizationContext) -> int:
        mine = _tenant_in(requestor)
        return sum(_tenant_in(owner) == mine for owner in self._session_owners.values())

    async def _discard_session(self, session_id: str, transport: Any) -> None:
        await super()._discard_session(session_id, transport)
        observability.PROTOCOL_SESSIONS.set(len(self._server_instances))


def _tenant_in(owner: AuthorizationContext) -> str:
    return str(owner["issuer"]).partition("/")[0]
