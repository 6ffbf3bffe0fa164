"""Turns that were given up: their workers died three times. An operator sees them, and says them again or lays them to rest."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet

from conversations import errors, queries, sealed, turn
from conversations.models import DeadTurn, Turn
from conversations.turn import Order, Result
from mcp_platform import observability
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import audit

Action = DeadTurn.Action
# A start is repeated by a reset, and what moves conversations between versions by its plan.
RETRYABLE = frozenset({Turn.Kind.MESSAGE, Turn.Kind.COMMAND, Turn.Kind.TIMER})
_OF_ITS_RUN = ("input", "session_begun", "force_flow")  # what the first run added to the request


def turns(tenant: Tenant) -> QuerySet[Turn]:
    """Newest first, with what was done about each (`dead_turn`, if anything was)."""
    found: QuerySet[Turn] = Turn.objects.for_tenant(tenant).filter(status=Turn.Status.DEAD)
    return found.select_related("conversation", "dead_turn").defer("conversation__snapshot", "trace").order_by("-finished_at", "id")


def item(row: Turn, tenant: Tenant) -> dict[str, Any]:
    """One of the list; what was said is masked as readers see it."""
    done = getattr(row, "dead_turn", None)
    return {
        "id": str(row.pk),
        "conversation_id": str(row.conversation_id),
        "flow_id": row.conversation.flow_key,
        "number": row.number,
        "kind": row.kind,
        "attempts": row.attempts,
        "error": row.error,
        "request": queries.request(tenant, row),
        "created_at": row.created_at,
        "finished_at": row.finished_at,
        "resolution": done and {"action": done.action, "by": done.by, "note": done.note, "at": done.at, "turn": done.retried_as},
    }


def retry(tenant: Tenant, *, turn_id: UUID, by: str) -> Result:
    """Say it again, as a new turn at the end of the conversation that a worker runs: it may kill again what runs it. Asking twice says it once.

    Raises DeadTurnNotFound, DeadTurnResolved, NotRetryable, ConversationEnded, LockTimeout.
    """
    dead = _dead(tenant, turn_id)
    if dead.kind not in RETRYABLE:
        raise errors.NotRetryable(kind=dead.kind, expected=", ".join(sorted(RETRYABLE)))
    _resolve(tenant, dead, Action.RETRIED, by)
    request = sealed.opened(dead.request)
    order = Order(
        kind=dead.kind,
        client_message_id=f"retry:{dead.pk}",
        request={name: value for name, value in request.items() if name not in _OF_ITS_RUN},
        sha256=dead.request_sha256,
        defer=True,
        force_flow=request.get("force_flow", ""),
    )
    result = turn.take(tenant, dead.conversation_id, order)
    DeadTurn.objects.for_tenant(tenant).filter(turn=dead).update(retried_as=result.number)
    return result


def bury(tenant: Tenant, *, turn_id: UUID, by: str, note: str = "") -> Turn:
    """Nothing is to be done about it any more. Raises DeadTurnNotFound, DeadTurnResolved."""
    dead = _dead(tenant, turn_id)
    _resolve(tenant, dead, Action.BURIED, by, note)
    return _dead(tenant, turn_id)


def _dead(tenant: Tenant, turn_id: UUID) -> Turn:
    found = turns(tenant).filter(pk=turn_id).first()
    if found is None:
        raise errors.DeadTurnNotFound(turn_id=str(turn_id))
    return found


def _resolve(tenant: Tenant, dead: Turn, action: str, by: str, note: str = "") -> None:
    """Of several operators one decides; the same decision again is no fault."""
    with transaction.atomic():
        row, made = DeadTurn.objects.get_or_create(turn=dead, defaults={"tenant": tenant, "action": action, "by": by[:200], "note": note[:500]})
        if row.action != action:
            raise errors.DeadTurnResolved(action=row.action, by=row.by)
        if made:
            audit(tenant, actor=by, action=f"turn.{action}", target=dead, changes={"conversation": str(dead.conversation_id), "note": note[:500]})


def open_counts() -> Mapping[UUID, int]:
    """How many of each tenant wait for an operator."""
    rows = Turn.objects.filter(status=Turn.Status.DEAD, dead_turn=None).values_list("tenant_id").annotate(n=Count("pk")).order_by()
    return dict(rows)


_told: set[str] = set()


def count() -> None:
    """Set the gauge; a tenant whose last one was resolved is told as 0."""
    counts = {observability.bounded(str(tenant_id), "tenants"): number for tenant_id, number in open_counts().items()}
    for label in (*counts, *(_told - set(counts))):
        observability.DEAD_TURNS.labels(label).set(counts.get(label, 0))
    _told.update(counts)
