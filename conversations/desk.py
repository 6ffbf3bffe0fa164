"""The rows behind the agents' inbox: what a turn changes in them, and how they are read.

`follow` runs inside the turn's transaction, so that the queue and the log never disagree. What agents do to a row on purpose (take it, pass
it on) is a conditional update in `handoff`, under the same lock of the conversation.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from conversations import errors, events, queries
from conversations.models import AgentPresence, CannedResponse, Conversation, Handoff, Note
from conversations.store import Row
from flows import queries as flows
from flows.core.types import Flow
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.models import Tenant

Json = dict[str, Any]

GONE_SECONDS = 45  # an agent who has not been seen for so long has closed the inbox
MOST_OPEN = 500  # of a tenant; a live list of more helps nobody
PREVIEW = 200
CLOSED_SHOWN = 50


def follow(row: Row, happened: Iterable[tuple[int, str, Mapping[str, Any]]], now: datetime) -> None:
    """Let the queue know what a step of a conversation that is or was handed over has done: its events as they are stored, without secrets."""
    said = ""
    for _, kind, data in happened:
        if kind == "message":
            said = line(data)
        change = _CHANGES.get(kind)
        if change is not None:
            change(row, data, said, now)
    events.publish_inbox(row.tenant_id)


def line(data: Mapping[str, Any]) -> str:
    """A message in one line, as readers see it."""
    shown = events.shown(data)
    text = shown.get("text") or ", ".join(f"{name} = {value}" for name, value in (shown.get("postback") or {}).items())
    return str(text or shown.get("intent") or ("attachment" if shown.get("attachment") else "…"))[:PREVIEW]


def _open(row: Row) -> QuerySet[Handoff]:
    found: QuerySet[Handoff] = Handoff.objects.for_tenant(row.tenant_id).filter(conversation_id=row.id)
    return found.exclude(status=Handoff.Status.CLOSED)


def _opened(row: Row, data: Mapping[str, Any], said: str, now: datetime) -> None:
    _close(row, "handed over again", now)
    patience = data.get("timeout_seconds", settings.HANDOFF_TIMEOUT_SECONDS)
    Handoff.objects.create(
        tenant_id=row.tenant_id,
        conversation_id=row.id,
        queue=data.get("queue", ""),
        priority=data.get("priority", 100),
        skills=data.get("skills", []),
        reason=str(data.get("reason", ""))[:200],
        opened_at=now,
        waiting_since=now,
        answer_due_at=now + timedelta(seconds=data.get("sla_seconds", settings.HANDOFF_SLA_SECONDS)),
        give_up_at=Now() + timedelta(seconds=patience) if patience else None,  # by the clock that also finds it due
        unread=1 if said else 0,
        last_by="user" if said else "",
        last_text=said,
        last_at=now,
    )


def _heard(row: Row, data: Mapping[str, Any], said: str, now: datetime) -> None:
    _open(row).update(
        unread=F("unread") + 1, waiting_since=Coalesce("waiting_since", now), last_by="user", last_text=said, last_at=now, rev=F("rev") + 1
    )


def _answered(row: Row, data: Mapping[str, Any], said: str, now: datetime) -> None:
    text = line(data)
    _open(row).update(
        unread=0, waiting_since=None, answered_at=Coalesce("answered_at", now), last_by="agent", last_text=text, last_at=now, rev=F("rev") + 1
    )


def _close(row: Row, outcome: str, now: datetime) -> None:
    _open(row).update(status=Handoff.Status.CLOSED, outcome=outcome[:40], closed_at=now, waiting_since=None, give_up_at=None, rev=F("rev") + 1)


_CHANGES: Mapping[str, Callable[[Row, Mapping[str, Any], str, datetime], None]] = {
    "handed_over": _opened,
    "message": _heard,
    "agent_said": _answered,
    "resumed": lambda row, data, said, now: _close(row, data.get("reason") or "resumed", now),
    "ended": lambda row, data, said, now: _close(row, data.get("completion") or "ended", now),
    "restarted": lambda row, data, said, now: _close(row, "restarted", now),
    "started": lambda row, data, said, now: _close(row, "restarted", now),
}


def handoffs(tenant: Tenant) -> QuerySet[Handoff]:
    found: QuerySet[Handoff] = Handoff.objects.for_tenant(tenant)
    return found.select_related("conversation").defer("conversation__snapshot")


def handoff(tenant: Tenant, handoff_id: UUID) -> Handoff:
    """Raises HandoffNotFound, also for one of somebody else."""
    found = handoffs(tenant).filter(pk=handoff_id).first()
    if found is None:
        raise errors.HandoffNotFound(handoff_id=str(handoff_id))
    return found


def revisions(tenant: Tenant) -> dict[UUID, int]:
    """Of every open one, the most urgent first: what a live list compares with what it has."""
    rows = Handoff.objects.for_tenant(tenant).exclude(status=Handoff.Status.CLOSED).order_by("priority", "opened_at")
    return dict(rows.values_list("pk", "rev")[:MOST_OPEN])


def items(tenant: Tenant, ids: Iterable[UUID]) -> list[Json]:
    return [item(row) for row in handoffs(tenant).filter(pk__in=list(ids)).order_by("priority", "opened_at")]


def item(row: Handoff) -> Json:
    """One line of the inbox."""
    held = row.conversation
    times = ("opened_at", "taken_at", "answered_at", "closed_at", "waiting_since", "answer_due_at", "give_up_at", "last_at")
    return {
        "id": str(row.pk),
        "conversation_id": str(row.conversation_id),
        "status": row.status,
        "outcome": row.outcome,
        "queue": row.queue,
        "priority": row.priority,
        "skills": row.skills,
        "reason": row.reason,
        "agent": row.agent,
        "agent_name": row.agent_name,
        "unread": row.unread,
        "last": {"by": row.last_by, "text": row.last_text},
        "flow_id": held.flow_key,
        "state": held.current_state,
        "channel": held.channel,
        "locale": held.locale,
        "user_id": held.user_ref,
        **{name: _time(getattr(row, name)) for name in times},
        "rev": row.rev,
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def detail(tenant: Tenant, row: Handoff) -> Json:
    """What an agent must know to take over: the facts so far (masked), notes, and what else there was with this user."""
    held = queries.conversation(tenant, row.conversation_id)
    context = queries.context(held)
    shown = ("slots", "variables", "user_profile", "current_state", "previous_states", "intent_history", "flow_stack", "flow_version", "environment")
    return {
        **item(row),
        "context": {name: context[name] for name in shown},
        "ways_back": ways_back(held),
        "notes": [note(one) for one in Note.objects.for_tenant(tenant).filter(conversation_id=row.conversation_id)],
        "messages": [events.spoken(one, one.turn.number) for one in queries.spoken(tenant, row.conversation_id).reverse()[:10]][::-1],
        "earlier": _earlier(tenant, held),
    }


def flow_on_top(held: Conversation) -> Flow | None:
    """As far as it can be loaded."""
    frames = queries.snapshot_of(held).frames
    with suppress(ValueError, PlatformError):
        return flows.program_for(UUID(frames[-1].program)).flow if frames else None
    return None


def ways_back(held: Conversation) -> Json:
    """Where the bot can go on, and which slots an agent may fill."""
    flow = flow_on_top(held)
    if flow is None:
        return {"states": [], "slots": []}
    slots = [{"name": rule.name, "type": rule.type.value, "sensitive": rule.sensitive} for rule in flow.slots.values()]
    return {"states": sorted(flow.states), "slots": slots}


def _earlier(tenant: Tenant, held: Conversation) -> list[Json]:
    """The newest other conversations of the same user, when the client has told who it is."""
    if not held.user_ref:
        return []
    rows = queries.conversations(tenant).filter(user_ref=held.user_ref).exclude(pk=held.pk).defer("snapshot").order_by("-updated_at")[:5]
    return [{"conversation_id": str(one.pk), "flow_id": one.flow_key, "status": one.status, "updated_at": one.updated_at.isoformat()} for one in rows]


def note(row: Note) -> Json:
    return {"id": row.pk, "author": row.author, "author_name": row.author_name, "text": row.text, "at": row.at.isoformat()}


def agents(tenant: Tenant) -> list[Json]:
    """Whose inbox is open, and how many conversations each has."""
    seen = AgentPresence.objects.for_tenant(tenant).filter(seen_at__gte=timezone.now() - timedelta(seconds=GONE_SECONDS)).order_by("name", "agent")
    busy: dict[str, int] = {}
    for agent in Handoff.objects.for_tenant(tenant).filter(status=Handoff.Status.TAKEN).values_list("agent", flat=True):
        busy[agent] = busy.get(agent, 0) + 1
    return [{"agent": one.agent, "name": one.name, "status": one.status, "conversations": busy.get(one.agent, 0)} for one in seen]


def canned(tenant: Tenant, queue: str | None = None) -> list[Json]:
    """Texts that agents send often; for `queue`: those that fit it."""
    rows = CannedResponse.objects.for_tenant(tenant)
    if queue is not None:
        rows = rows.filter(Q(queue="") | Q(queue=queue))
    return [{"id": one.pk, "shortcut": one.shortcut, "texts": one.texts, "queue": one.queue} for one in rows]


def waiting_count(tenant_ids: Iterable[UUID] | None = None) -> int:
    rows = Handoff.objects.filter(status=Handoff.Status.WAITING)
    return rows.filter(tenant_id__in=list(tenant_ids)).count() if tenant_ids is not None else rows.count()
