"""What experiments ask of conversations: how they went, and how a user's earlier ones went."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Min, Q
from django.utils import timezone

from conversations.analytics.core.counting import Fact, TurnFact
from conversations.analytics.core.outcomes import outcome
from conversations.models import Conversation, ConversationEvent
from experiments.core.metrics import Outcome
from experiments.services.sizing import Lately
from mcp_platform.tenancy.models import Tenant

MOST_BEFORE = 200  # conversations of one user that are looked back at
MOST_RECENT = 1000  # conversations that say how a flow does now


def outcomes(tenant: Tenant, seen: Mapping[UUID, int]) -> Mapping[UUID, Outcome]:
    """Of the conversations that have moved beyond the event number that was seen."""
    rows = Conversation.objects.for_tenant(tenant).filter(pk__in=list(seen)).values_list("pk", "last_seq")
    return _read(tenant, [pk for pk, last in rows if last > seen[pk]])


def history(tenant: Tenant, user: str, until: datetime, days: int) -> Iterable[Outcome]:
    """Of a user's conversations that began in the days before `until`."""
    if not user:
        return ()
    mine = Conversation.objects.for_tenant(tenant).filter(user_ref=user, created_at__lt=until, created_at__gte=until - timedelta(days=days))
    return _read(tenant, list(mine.order_by("-created_at").values_list("pk", flat=True)[:MOST_BEFORE])).values()


def recent(tenant: Tenant, flow: str, environment: int, days: int) -> Lately:
    """The newest conversations of a flow in an environment, and how many there were in these days (or since the first of them)."""
    now = timezone.now()
    rows = Conversation.objects.for_tenant(tenant).filter(flow_key=flow, environment_id=environment, created_at__gte=now - timedelta(days=days))
    facts = rows.aggregate(total=Count("pk"), users=Count("user_ref", distinct=True, filter=~Q(user_ref="")), first=Min("created_at"))
    newest = dict(rows.order_by("-created_at").values_list("pk", "user_ref")[:MOST_RECENT])
    found = _read(tenant, list(newest))
    return Lately(
        outcomes=[(newest[pk], one) for pk, one in found.items()],
        total=facts["total"],
        users=facts["users"],
        days=(now - facts["first"]) / timedelta(days=1) if facts["first"] else 0.0,
    )


def _read(tenant: Tenant, wanted: list[UUID]) -> dict[UUID, Outcome]:
    rows = (
        ConversationEvent.objects.for_tenant(tenant)
        .filter(conversation_id__in=wanted)
        .order_by("conversation_id", "seq")
        .values_list("conversation_id", "seq", "kind", "data", "at", "turn_id", "turn__kind", "turn__status", "turn__created_at", "turn__finished_at")
    )
    found: dict[UUID, list[Fact]] = {}
    for row in rows.iterator(chunk_size=2000):
        found.setdefault(row[0], []).append(_fact(row))
    return {pk: outcome(facts) for pk, facts in found.items()}


def _fact(row: tuple[Any, ...]) -> Fact:
    spent = (row[9] - row[8]).total_seconds() * 1000 if row[8] and row[9] else None
    return Fact(
        seq=row[1], kind=row[2], data=row[3], at=row[4], turn=TurnFact(id=str(row[5]), kind=row[6] or "", status=row[7] or "", milliseconds=spent)
    )
