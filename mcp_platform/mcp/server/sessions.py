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
KEPT_BYTES = 256 * 1024  # of a session
KEPT_BYTES_OF_ALL = 32 * 1024 * 1024  # of all sessions of a manager
LARGEST_KEPT = 64 * 1024
LOST = "The answer was too large to be kept; ask again."


def owner_of(asked: Asked) -> AuthenticatedUser:
    """Who a session belongs to, in the SDK's words: it lets only the same client, issuer and subject use it. The credential may be another one
    of the same actor, so that a key can be rotated under a session."""
    token = AccessToken(
        token="", client_id=asked.actor, scopes=[], subject=asked.actor, claims={"iss": f"{asked.tenant.pk}{asked.path}"}
    )  # fmt: skip
    return AuthenticatedUser(token)


class Shelf:
    """What all sessions of a manager may keep together; for one more the oldest goes, whosever it is."""

    def __init__(self) -> None:
        self.size = 0
        self._kept: OrderedDict[str, Remembered] = OrderedDict()

    def put(self, event_id: str, owner: "Remembered", size: int) -> None:
        self._kept[event_id] = owner
        self.size += size
        while self.size > KEPT_BYTES_OF_ALL:
            oldest, whose = next(iter(self._kept.items()))
            whose.drop(oldest)

    def take(self, event_id: str, size: int) -> None:
        del self._kept[event_id]
        self.size -= size


class Remembered(EventStore):
    """The last events of one session. An id can neither be guessed nor belong to another session.

    They are kept as bytes, so that they can be counted. In place of an answer that is too large a resumed client is told so.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._events: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._size = 0

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        event_id = secrets.token_urlsafe(12)
        kept = _kept(message) if message is not None else b""
        self._events[event_id] = (stream_id, kept)
        self._size += len(kept)
        self._shelf.put(event_id, self, len(kept))
        while len(self._events) > KEPT_EVENTS or self._size > KEPT_BYTES:
            self.drop(next(iter(self._events)))
        return event_id

    def drop(self, event_id: str) -> None:
        _, kept = self._events.pop(event_id)
        self._size -= len(kept)
        self._shelf.take(event_id, len(kept))

    def clear(self) -> None:
        for event_id in list(self._events):
            self.drop(event_id)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        known = self._events.get(last_event_id)
        if known is None:
            return None
        past = False
        for event_id, (stream_id, kept) in list(self._events.items()):
            if past and stream_id == known[0] and kept:
                await send_callback(EventMessage(types.jsonrpc_message_adapter.validate_json(kept), event_id))
            past = past or event_id == last_event_id
        return known[0]


def _kept(message: types.JSONRPCMessage) -> bytes:
    whole = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
    if len(whole) <= LARGEST_KEPT:
        return whole
    if not isinstance(message, types.JSONRPCResponse):
        return b""
    lost = types.JSONRPCError(jsonrpc="2.0", id=message.id, error=types.ErrorData(code=types.INTERNAL_ERROR, message=LOST))
    return lost.model_dump_json(by_alias=True, exclude_unset=True).encode()


class Sessions(StreamableHTTPSessionManager):
    """The SDK's manager, with a memory for each session and a bound for each tenant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shelf = Shelf()

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        if requestor is None or self._of_tenant(requestor) >= MOST_OF_TENANT:
            return None
        self.event_store = Remembered(self._shelf)  # the transport takes it along; there is no other task between this line and the next
        admitted = super()._admit_session(requestor)
        observability.PROTOCOL_SESSIONS.set(len(self._server_instances))
        return admitted

    def _of_tenant(self, requestor: AuthorizationContext) -> int:
        mine = _tenant_in(requestor)
        return sum(_tenant_in(owner) == mine for owner in self._session_owners.values())

    async def _discard_session(self, session_id: str, transport: Any) -> None:
        await super()._discard_session(session_id, transport)
        remembered = transport._event_store
        if isinstance(remembered, Remembered):
            remembered.clear()
        observability.PROTOCOL_SESSIONS.set(len(self._server_instances))


def _tenant_in(owner: AuthorizationContext) -> str:
    return str(owner["issuer"]).partition("/")[0]
