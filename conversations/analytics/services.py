"""Counting: what is new of each conversation is added to the sums, once, whoever does it and however often it is tried.

The watermark is each conversation's own event number. Numbers of one conversation are given under its lock and without gaps, so what commits
late is simply counted later; nothing here asks for rows behind a position or a time. Time only narrows where to look first.
"""

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from conversations.analytics.core.counting import Fact, TurnFact, carry_from_json, count
from conversations.analytics.models import Head, Mark, Tally
from conversations.models import Conversation, ConversationEvent
from flows.models import Environment, FlowVersion
from mcp_platform import observability
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

BATCH = 100  # conversations in one go
RUN_SECONDS = 20.0
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)  # how far clocks may be apart until the hourly look is needed

Place = tuple[UUID, int, str, date, str, str]  # version, environment, channel, day, measure, name


@dataclass(frozen=True, slots=True)
class Counted:
    """What one run did. `more`: there is more to do."""

    conversations: int
    events: int
    more: bool


def count_new(tenant: Tenant, *, everywhere: bool = False, seconds: float = RUN_SECONDS) -> Counted:
    """Add what is new to the sums. `everywhere`: look at every conversation, not only at those touched lately. Repeating it changes nothing."""
    began, until = timezone.now(), time.monotonic() + seconds
    conversations = events = 0
    head, _ = Head.objects.get_or_create(tenant=tenant)
    since = None if everywhere else head.looked_until
    while True:
        head.refresh_from_db()
        behind = _behind(tenant, since)
        if not behind:
            Head.objects.filter(pk=tenant.pk).update(looked_until=began - OVERLAP, counted_at=Now())
            return Counted(conversations, events, more=False)
        done = _count(tenant, head, behind)
        if done is None:  # somebody else has counted meanwhile
            return Counted(conversations, events, more=True)
        conversations, events = conversations + len(behind), events + done
        if time.monotonic() > until:
            return Counted(conversations, events, more=True)


def rebuild(tenant: Tenant, *, seconds: float = float("inf")) -> Counted:
    """Forget the sums and count every log from its beginning. While it runs the numbers grow back."""
    Head.objects.get_or_create(tenant=tenant)
    with transaction.atomic():
        Head.objects.filter(pk=tenant.pk).update(rev=F("rev") + 1, looked_until=None)
        Tally.objects.for_tenant(tenant).delete()
        Mark.objects.for_tenant(tenant).delete()
    return count_new(tenant, everywhere=True, seconds=seconds)


def tenants_behind(*, everywhere: bool = False) -> list[UUID]:
    """Those with something new to count; where to look is asked of the index by tenant and time."""
    theirs = Conversation.objects.filter(tenant=OuterRef("pk"))
    if not everywhere:
        theirs = theirs.filter(updated_at__gte=OuterRef("since"))
    looked = Subquery(Head.objects.filter(tenant=OuterRef("pk")).values("looked_until"))
    tenants = Tenant.objects.annotate(since=Coalesce(looked, Value(LONG_AGO, DateTimeField())))
    return list(tenants.filter(Exists(_uncounted(theirs))).order_by("pk").values_list("pk", flat=True)[:200])


def _uncounted(rows: QuerySet[Conversation]) -> QuerySet[Conversation]:
    return rows.alias(counted=Coalesce("analytics_mark__seq", 0)).filter(last_seq__gt=F("counted"))


def _behind(tenant: Tenant, since: datetime | None) -> list[Conversation]:
    rows = Conversation.objects.for_tenant(tenant)
    new = _uncounted(rows.filter(updated_at__gte=since) if since else rows)
    return list(new.only("pk", "environment_id", "channel", "last_seq").order_by("updated_at", "pk")[:BATCH])


def _count(tenant: Tenant, head: Head, behind: list[Conversation]) -> int | None:
    """Read, count, and write all of it or nothing; None when somebody else has written since `head` was read."""
    marks = Mark.objects.for_tenant(tenant).in_bulk([one.pk for one in behind])
    logs = _logs(tenant, behind, {pk: mark.seq for pk, mark in marks.items()})
    sums: Counter[Place] = Counter()
    moved = []
    for one in behind:
        mark = marks.get(one.pk)
        carry = carry_from_json(mark.seq, mark.carry) if mark else carry_from_json(0, {})
        for (version, day, measure, name), value in count(carry, logs.get(one.pk, ())).items():
            sums[UUID(version), one.environment_id, one.channel, day, measure.value, name] += value
        moved.append(Mark(tenant_id=tenant.pk, conversation_id=one.pk, seq=carry.seq, carry=carry.to_json()))
    with transaction.atomic():
        if not Head.objects.filter(pk=tenant.pk, rev=head.rev).update(rev=F("rev") + 1, counted_at=Now()):
            return None
        Mark.objects.bulk_create(moved, update_conflicts=True, unique_fields=["conversation"], update_fields=["seq", "carry"])
        _add(tenant, sums)
    return sum(map(len, logs.values()))


def _logs(tenant: Tenant, behind: list[Conversation], seen: dict[UUID, int]) -> dict[UUID, list[Fact]]:
    """The new events of each conversation with their turns, read by one statement: an event and the state of its turn fit together."""
    new = Q()
    for one in behind:
        new |= Q(conversation_id=one.pk, seq__gt=seen.get(one.pk, 0))
    rows = (
        ConversationEvent.objects.for_tenant(tenant)
        .filter(new)
        .order_by("conversation_id", "seq")
        .values_list(
            "conversation_id", "seq", "kind", "data", "at", "turn_id", "turn__kind", "turn__status", "turn__created_at", "turn__finished_at",
            "turn__error__error_code", "turn__reply__processing_time_ms",
        )
    )  # fmt: skip
    found: dict[UUID, list[Fact]] = {}
    for row in rows.iterator(chunk_size=2000):
        found.setdefault(row[0], []).append(_fact(row))
    return found


def _fact(row: tuple[Any, ...]) -> Fact:
    turn = TurnFact(id=str(row[5]), kind=row[6] or "", status=row[7] or "", milliseconds=_milliseconds(*row[8:12]))
    return Fact(seq=row[1], kind=row[2], data=row[3], at=row[4], turn=turn)


def _milliseconds(created: datetime | None, finished: datetime | None, code: str | None, computed: Any) -> float | None:
    """From acceptance to the stored reply, and what the engine itself took when that is more. A turn that a reset gave up has no end of its own."""
    if created is None or finished is None or code == "CONVERSATION_RESET":
        return None
    spent = (finished - created).total_seconds() * 1000
    return max(spent, float(computed) if isinstance(computed, int | float) else 0.0)


def _add(tenant: Tenant, sums: Counter[Place]) -> None:
    sums = _of_what_is_there(tenant, sums)
    versions, days = {place[0] for place in sums}, {place[3] for place in sums}
    held = Tally.objects.for_tenant(tenant).filter(version_id__in=versions, day__in=days)
    known: dict[Place, Tally] = {_place(row): row for row in held.iterator()}
    changed, made = [], []
    for place, value in sums.items():
        row = known.get(place)
        if row is not None:
            row.value += value
            changed.append(row)
        else:
            version, environment, channel, day, measure, name = place
            made.append(
                Tally(
                    tenant=tenant, version_id=version, environment_id=environment, channel=channel, day=day, measure=measure, name=name, value=value
                )
            )
    Tally.objects.bulk_update(changed, ["value"], batch_size=500)
    Tally.objects.bulk_create(made, batch_size=500)


def _of_what_is_there(tenant: Tenant, sums: Counter[Place]) -> Counter[Place]:
    """Without versions and environments that have been deleted since."""
    versions = set(FlowVersion.objects.filter(tenant=tenant, pk__in={place[0] for place in sums}).values_list("pk", flat=True))
    environments = set(Environment.objects.for_tenant(tenant).values_list("pk", flat=True))
    return Counter({place: value for place, value in sums.items() if value and place[0] in versions and place[1] in environments})


def _place(row: Tally) -> Place:
    return (row.version_id, row.environment_id, row.channel, row.day, row.measure, row.name)
