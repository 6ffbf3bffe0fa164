"""Reads that more than one door needs."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from conversations import errors, events, sealed
from conversations.core.codec import snapshot_from_json
from conversations.core.types import Book, Snapshot, Status
from conversations.models import Conversation, ConversationEvent, Turn
from flows import queries as flows
from flows.models import Environment
from mcp_platform.errors import PlatformError
from mcp_platform.metadata import queries as product_metadata
from mcp_platform.tenancy.models import Tenant


def book(tenant: Tenant, environment_id: int, keys: Iterable[str], starts: str = "", instead: Mapping[str, str] | None = None) -> Book:
    """The pinned programs, the one that starts or may start again, and the current version of every flow that these can reach; `instead` of it
    the version that an experiment gives.

    Raises errors of `flows` when a pinned version is not there any more or does not compile.
    """
    default: str = tenant.settings.get("default_flow") or ""
    found = flows.book_for(tenant, environment_id, keys, [name for name in (starts, default) if name], instead)
    made = Book(programs=found.programs, current=found.current, default_flow=default, tenant=found.tenant, triggers=found.triggers)
    if any(program.reads_metadata for program in found.programs.values()) or (found.tenant is not None and found.tenant.reads_metadata):
        return replace(made, products=product_metadata.live(tenant))
    return made


def flow_to_start(tenant: Tenant, environment_id: int, flow_id: str) -> str:
    """The flow itself when the environment runs it, else the tenant's default flow. Raises FlowNotFound."""
    current = flows.current_versions(tenant, environment_id)
    default: str = tenant.settings.get("default_flow") or ""
    for candidate in (flow_id, default):
        if candidate and candidate in current:
            return candidate
    raise errors.FlowNotFound(flow_id=flow_id)


ENVIRONMENT_SECONDS = 5.0
_environments: dict[tuple[UUID, str], tuple[int, float]] = {}


def environment_id(tenant: Tenant, name: str) -> int:
    """Believed for 5 seconds. Raises EnvironmentNotFound."""
    now = time.monotonic()
    known = _environments.get((tenant.pk, name))
    if known is not None and now < known[1]:
        return known[0]
    found = flows.environment(tenant, name).pk
    if len(_environments) >= 10_000:
        _environments.clear()
    _environments[tenant.pk, name] = (found, now + ENVIRONMENT_SECONDS)
    return int(found)


_environment_names: dict[int, str] = {}


def environment_name(environment_id: int) -> str:
    """For ever: the name of an environment never changes."""
    if environment_id not in _environment_names:
        if len(_environment_names) >= 10_000:
            _environment_names.clear()
        _environment_names[environment_id] = Environment.objects.filter(pk=environment_id).values_list("name", flat=True).first() or ""
    return _environment_names[environment_id]


def conversations(tenant: Tenant) -> QuerySet[Conversation]:
    found: QuerySet[Conversation] = Conversation.objects.for_tenant(tenant)
    return found.select_related("environment", "version")


def conversation(tenant: Tenant, conversation_id: UUID) -> Conversation:
    """Raises ConversationNotFound, also for a conversation of somebody else."""
    found = conversations(tenant).filter(pk=conversation_id).first()
    if found is None:
        raise errors.ConversationNotFound(conversation_id=str(conversation_id))
    return found


def last_seq(tenant: Tenant, conversation_id: UUID) -> int:
    """Raises ConversationNotFound."""
    found = Conversation.objects.for_tenant(tenant).filter(pk=conversation_id).values_list("last_seq", flat=True).first()
    if found is None:
        raise errors.ConversationNotFound(conversation_id=str(conversation_id))
    return int(found)


def turn(tenant: Tenant, conversation_id: UUID, number: int) -> Turn:
    """Raises ConversationNotFound, TurnNotFound."""
    last_seq(tenant, conversation_id)
    found = Turn.objects.for_tenant(tenant).filter(conversation_id=conversation_id, number=number).first()
    if found is None:
        raise errors.TurnNotFound(conversation_id=str(conversation_id), number=number)
    return found


def context(held: Conversation) -> dict[str, Any]:
    """contracts "context", and where the conversation stands, with masks. A snapshot that cannot be read shows as empty."""
    snapshot = masked_snapshot(held)
    shown = events.context(snapshot, sensitive=sensitive_slots(snapshot))
    return {
        "conversation_id": str(held.pk),
        "tenant_id": str(held.tenant_id),
        "user_id": held.user_ref,
        **shown,
        "created_at": held.created_at.isoformat(),
        "updated_at": held.updated_at.isoformat(),
        **summary(held),
    }


def summary(held: Conversation) -> dict[str, Any]:
    """One line of the list."""
    return {
        "conversation_id": str(held.pk),
        "flow_id": held.flow_key,
        "flow_version": held.version.number,
        "environment": held.environment.name,
        "channel": held.channel,
        "user_id": held.user_ref,
        "locale": held.locale,
        "status": held.status,
        "current_state": held.current_state,
        "awaiting": bool(held.awaiting),
        "queued_turns": held.queued,
        "turns": held.next_turn - 1,
        "last_seq": held.last_seq,
        "created_at": held.created_at.isoformat(),
        "updated_at": held.updated_at.isoformat(),
    }


def snapshot_of(held: Conversation) -> Snapshot:
    """With the values of sensitive slots: not for readers. Raises SealBroken."""
    return _snapshot(sealed.opened(held.snapshot))


def masked_snapshot(held: Conversation) -> Snapshot:
    """As it is stored: masks where the values of sensitive slots are."""
    return _snapshot(held.snapshot)


def _snapshot(stored: Mapping[str, Any]) -> Snapshot:
    try:
        return snapshot_from_json(stored)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Snapshot(status=Status.FAILED)


def sensitive_slots(snapshot: Snapshot) -> frozenset[str]:
    """Of the flows on the stack, as far as they can be loaded, and of those that have left it what they had filled."""
    programs = []
    for frame in snapshot.frames:
        with suppress(ValueError, PlatformError):
            programs.append(flows.program_for(UUID(frame.program)))
    return events.sensitive_slots(programs).union(snapshot.sensitive)


def request(tenant: Tenant, row: Turn) -> dict[str, Any]:
    """A turn's request as readers see it. In a conversation with sensitive slots its words are shown only when the log says that they hold
    none: a turn that waits, or failed before it was heard, may have been the answer to such a question."""
    said = ConversationEvent.objects.for_tenant(tenant).filter(conversation_id=row.conversation_id, turn_id=row.pk).values_list("kind", "data")
    names = set(sensitive_slots(masked_snapshot(conversation(tenant, row.conversation_id))))
    heard = False
    for kind, data in said:
        noted = data.get("sensitive") or ()
        names.update(noted)
        heard = heard or (kind == "message" and not noted)
    return events.request(row.request, frozenset(names), wordless=bool(names) and not heard)


def reply(row: Turn) -> dict[str, Any] | None:
    """A turn's stored reply as readers see it: where it repeats a secret, a mask."""
    return sealed.unmarked(row.reply) if row.reply is not None else None


REPLIES_WITH_BUTTONS = 50  # how far back a button may be that is still pressed


def log(tenant: Tenant, conversation_id: UUID) -> QuerySet[ConversationEvent]:
    found: QuerySet[ConversationEvent] = ConversationEvent.objects.for_tenant(tenant).filter(conversation_id=conversation_id)
    return found.order_by("seq").select_related("turn").defer("turn__request", "turn__reply", "turn__trace")


def log_after(tenant: Tenant, conversation_id: UUID, seq: int, limit: int) -> list[dict[str, Any]]:
    """The next events in order, as readers see them."""
    return [events.event(row, row.turn.number) for row in log(tenant, conversation_id).filter(seq__gt=seq)[:limit]]


def heard_after(tenant: Tenant, conversation_id: UUID, seq: int, limit: int) -> list[dict[str, Any]]:
    """The next lines as the user of a public page hears them: frames of mcp-chat.v1."""
    rows = log(tenant, conversation_id).filter(seq__gt=seq, kind__in=tuple(events.HEARD))[:limit]
    return [events.heard(row) for row in rows]


def was_offered(tenant: Tenant, conversation_id: UUID, postback: Mapping[str, Any]) -> bool:
    """Whether one of the bot's last messages, since the flow began, has a button that says exactly this: its intent, slots and token."""
    rows = log(tenant, conversation_id).filter(kind__in=("started", "restarted", "replied")).order_by("-seq")[:REPLIES_WITH_BUTTONS]
    for row in rows:
        if row.kind != "replied":
            return False
        if _meaning(postback) in map(_meaning, events.postbacks(row)):
            return True
    return False


def _meaning(postback: Mapping[str, Any]) -> tuple[Any, ...]:
    return postback.get("intent") or "", postback.get("slots") or {}, postback.get("token") or ""


def spoken(tenant: Tenant, conversation_id: UUID) -> QuerySet[ConversationEvent]:
    """The transcript: what was said, and by whom (events.SPOKEN)."""
    return log(tenant, conversation_id).filter(kind__in=tuple(events.SPOKEN))


def traces(rows: Iterable[ConversationEvent]) -> list[dict[str, Any]]:
    """The turns behind some events, with the reasons of the engine."""
    numbers = {row.turn_id for row in rows}
    found = Turn.objects.filter(pk__in=numbers).order_by("number").values("number", "kind", "status", "client_message_id", "trace", "error")
    return [dict(row) for row in found]


def active_counts() -> Mapping[UUID, int]:
    """How many conversations of each tenant have not ended."""
    rows = Conversation.objects.exclude(status__in=("ended", "failed")).values_list("tenant_id").annotate(n=Count("pk")).order_by()
    return dict(rows)
