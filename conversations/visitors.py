"""Who a visitor of a public chat page is: a sealed token that the browser keeps, and the ticket that opens the socket of one conversation."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.core import signing
from django.core.cache import cache
from redis import RedisError

from conversations import errors, queries
from conversations.models import WebChannel
from mcp_platform import sealing
from mcp_platform.errors import Throttled, Unavailable
from mcp_platform.tenancy import scope, throttling
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.scope import Principal

TICKET_SECONDS = 60
TOKEN_SECONDS = 30 * 24 * 3600  # how long a browser may come back to its conversation
MOST_SOCKETS = 100  # at a time of one address, in this process: a school has one address
_TICKET_SALT = "mcp.chat-ticket"
PURPOSE = "conversations.visitor"  # of the tokens that are sealed here
PERMISSIONS = frozenset({"conversations:read", "conversations:write"})  # of the one conversation that the ticket names


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """`name` is made up once per browser; `address` is what limits count."""

    channel: WebChannel
    conversation_id: UUID
    name: str
    address: str = ""

    @property
    def principal(self) -> Principal:
        return Principal(tenant=self.channel.tenant, actor=f"visitor:{self.name}", permissions=PERMISSIONS)


def channel(public_id: str) -> WebChannel:
    """The chat of a public address. Works before a tenant is known. Raises ChannelNotFound, also when it or its tenant is switched off."""
    with scope.platform_scope():
        found: WebChannel | None = (
            WebChannel.objects.select_related("tenant").filter(public_id=public_id, enabled=True, tenant__is_active=True).first()
        )
    if found is None:
        raise errors.ChannelNotFound
    return found


def token_of(visitor: Visitor) -> str:
    """What the browser keeps to come back. It names the chat, so that it is good for no other."""
    body = {"chat": visitor.channel.public_id, "name": visitor.name, "conversation": str(visitor.conversation_id), "at": int(time.time())}
    return sealing.seal(json.dumps(body), purpose=PURPOSE)


def period() -> int:
    """A token and the one that takes its place after its time are never of the same period."""
    return int(time.time() // TOKEN_SECONDS)


def returning(here: WebChannel, token: str, address: str) -> Visitor | None:
    """The visitor of a token; None when it is not of this chat, too old, or its conversation is gone."""
    try:
        body = json.loads(sealing.unseal(token, purpose=PURPOSE))
        if body["chat"] != here.public_id or time.time() - body["at"] > TOKEN_SECONDS:
            return None
        found = Visitor(channel=here, conversation_id=UUID(body["conversation"]), name=body["name"], address=address)
        queries.last_seq(here.tenant, found.conversation_id)
    except (sealing.SealBroken, errors.ConversationNotFound, ValueError, KeyError, TypeError):
        return None
    return found


def issue_ticket(visitor: Visitor) -> str:
    body = {
        "id": uuid4().hex,
        "chat": visitor.channel.public_id,
        "name": visitor.name,
        "conversation": str(visitor.conversation_id),
        "address": visitor.address,
    }
    return signing.dumps(body, salt=_TICKET_SALT)


def redeem_ticket(public_id: str, token: str) -> Visitor:
    """Works once, within a minute, for this chat. Raises Unauthenticated, ChannelNotFound, Unavailable."""
    try:
        body = signing.loads(token, salt=_TICKET_SALT, max_age=TICKET_SECONDS)
    except signing.BadSignature as fault:
        raise Unauthenticated("The ticket is not valid or older than a minute.") from fault
    try:
        unused = cache.add(f"chat-ticket:{body['id']}", 1, TICKET_SECONDS + 5)
    except RedisError as fault:
        raise Unavailable("Tickets cannot be checked right now; try again.") from fault
    if not unused or body["chat"] != public_id:
        raise Unauthenticated("The ticket has been used already, or is for another chat.")
    return Visitor(channel=channel(public_id), conversation_id=UUID(body["conversation"]), name=body["name"], address=body["address"])


_seats: Counter[str] = Counter()


@contextmanager
def seat(address: str) -> Iterator[None]:
    """Around a socket. On the event loop only. Raises Throttled when the address has too many."""
    network = throttling.network_of(address)
    if _seats[network] >= MOST_SOCKETS:
        raise Throttled("Too many chats are open at this address.", retry_after=10)
    _seats[network] += 1
    try:
        yield
    finally:
        _seats[network] -= 1
        if not _seats[network]:
            del _seats[network]
