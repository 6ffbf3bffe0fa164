"""What agents do with conversations that were handed over: take, answer, pass on, give back to the bot, end.

Every deed is a turn of its own under the conversation's lock, exactly once by its message id; what it needs of the queue is claimed by
conditional update in the same transaction. So two agents cannot both take a conversation, and an answer cannot follow a return to the bot.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from conversations import desk, errors, events, queries, services, turn
from conversations.core import products, slots
from conversations.core.attending import UNANSWERED
from conversations.core.types import Status
from conversations.models import AgentPresence, CannedResponse, Conversation, Handoff, Note, Turn
from conversations.turn import Order, Result
from flows.core.types import SlotRule, SlotType
from mcp_platform import jobs, observability
from mcp_platform.errors import Conflict, Invalid, NotFound
from mcp_platform.metadata import queries as product_metadata
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import Membership, Tenant, User
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By, actor_of, audit

log = observability.logger(__name__)

LEASE_SECONDS = 30  # a job that gives a conversation back to the bot and is lost is found again after that
BATCH = 50
PATIENCE_SECONDS = 5.0  # how long somebody who takes a conversation from the bot waits for a call that is under way
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,2}")
Guard = Callable[[], None]


def name_of(by: Principal) -> str:
    """What users read: the person's name; a program has none."""
    return (by.user.get_full_name() or by.user.get_username()) if by.user is not None else ""


def take(tenant: Tenant, *, handoff_id: UUID, by: Principal, client_message_id: str = "") -> Handoff:
    """Claim a waiting conversation. Of several agents one gets it. Raises HandoffNotFound, HandoffTaken, HandoffClosed."""
    row = desk.handoff(tenant, handoff_id)
    if row.status == Handoff.Status.TAKEN and row.agent == by.actor:
        return row

    def claim() -> None:
        _change(row, _taken_by, status=Handoff.Status.WAITING)(
            status=Handoff.Status.TAKEN, agent=by.actor, agent_name=name_of(by), taken_at=timezone.now(), give_up_at=None, unread=0
        )

    _do(tenant, row, by, "joined", client_message_id, guard=claim)
    return desk.handoff(tenant, handoff_id)


def reply(tenant: Tenant, *, handoff_id: UUID, text: str, by: Principal, client_message_id: str = "") -> Result:
    """Say something to the user. Raises HandoffNotFound, HandoffNotYours, HandoffClosed, MessageIdReused."""
    row = desk.handoff(tenant, handoff_id)
    return _do(tenant, row, by, "said", client_message_id, guard=_mine(row, by), text=text)


def transfer(
    tenant: Tenant, *, handoff_id: UUID, by: Principal, queue: str | None = None, agent: str | None = None, client_message_id: str = ""
) -> Handoff:
    """Back into a queue, or to another agent (an actor: `user:<id>`), who then has it. Raises HandoffNotFound, HandoffClosed, Invalid."""
    row = desk.handoff(tenant, handoff_id)
    if (queue is None) == (agent is None):
        raise Invalid("Name a queue or an agent.", errors=[_fault("queue", "queue and agent", "exactly one of queue and agent")])
    if agent is not None:
        _give_to(tenant, row, by, agent, client_message_id)
    else:
        _put_back(tenant, row, by, queue or "", client_message_id)
    return desk.handoff(tenant, handoff_id)


def _give_to(tenant: Tenant, row: Handoff, by: Principal, agent: str, message_id: str) -> None:
    other = _agent(tenant, agent, by)

    def claim() -> None:
        _change(row, _closed, status__in=(Handoff.Status.WAITING, Handoff.Status.TAKEN))(
            status=Handoff.Status.TAKEN, agent=agent, agent_name=other, taken_at=timezone.now(), give_up_at=None
        )

    _do(tenant, row, by, "joined", message_id, guard=claim, agent=agent, name=other)


def _put_back(tenant: Tenant, row: Handoff, by: Principal, queue: str, message_id: str) -> None:
    patience = settings.HANDOFF_TIMEOUT_SECONDS

    def claim() -> None:
        _change(row, _closed, status__in=(Handoff.Status.WAITING, Handoff.Status.TAKEN))(
            status=Handoff.Status.WAITING,
            queue=queue,
            agent="",
            agent_name="",
            taken_at=None,
            waiting_since=Coalesce("waiting_since", Now()),
            give_up_at=Now() + timedelta(seconds=patience) if patience else None,
        )

    _do(tenant, row, by, "left", message_id, guard=claim, reason="transferred")


def resume(
    tenant: Tenant, *, handoff_id: UUID, by: Principal, state: str = "", slots: Mapping[str, Any] | None = None, client_message_id: str = ""
) -> Result:
    """Give the conversation back to the bot: where it was, or in `state`, with `slots` filled.

    Raises HandoffNotFound, HandoffNotYours, HandoffClosed, Invalid for a state or a value that the flow does not take.
    """
    row = desk.handoff(tenant, handoff_id)
    faults = _faults_of_way(tenant, row, state, slots or {})
    if faults:
        raise Invalid("The bot cannot go on like this; `errors` lists every fault.", errors=faults)
    return _do(tenant, row, by, "resumed", client_message_id, guard=_mine(row, by), state=state, slots=dict(slots or {}))


def _faults_of_way(tenant: Tenant, row: Handoff, state: str, given: Mapping[str, Any]) -> list[dict[str, str]]:
    """The engine would refuse them too; here nothing is written yet, and every fault has its path."""
    held = queries.conversation(tenant, row.conversation_id)
    flow = desk.flow_on_top(held)
    if flow is None:
        return []
    found = [_fault("state", "is no state of this flow", ", ".join(sorted(flow.states)))] if state and state not in flow.states else []
    for name, value in given.items():
        rule = flow.slots.get(name)
        if rule is None:
            found.append(_fault(f"slots.{name}", "is no slot of this flow", ", ".join(sorted(flow.slots)) or "no slots"))
        elif not isinstance(slots.accept(_knowing(tenant, rule), value, locale=held.locale, now=timezone.now()), slots.Extracted):
            found.append(_fault(f"slots.{name}", "is no value of this slot", rule.type.value))
    return found


def _knowing(tenant: Tenant, rule: SlotRule) -> SlotRule:
    return products.knowing(rule, product_metadata.live(tenant)) if rule.type is SlotType.PRODUCT else rule


def end(tenant: Tenant, *, handoff_id: UUID, by: Principal, completion: str = "", client_message_id: str = "") -> Result:
    """End the conversation. Raises HandoffNotFound, HandoffNotYours, HandoffClosed."""
    row = desk.handoff(tenant, handoff_id)
    return _do(tenant, row, by, "ended", client_message_id, guard=_mine(row, by), reason=completion)


def hand_over(tenant: Tenant, *, conversation_id: UUID, by: Principal, reason: str = "") -> Handoff | Result:
    """Take a conversation from the bot, at once into one's own hands. While it waits for a call that takes longer: the pending turn; when that
    has run, the conversation is in the queue. Raises ConversationNotFound, Conflict when it cannot be."""

    def still_with_the_bot() -> None:
        status = Conversation.objects.for_tenant(tenant).filter(pk=conversation_id).values_list("status", flat=True).first()
        if status == Status.ENDED:
            raise errors.ConversationEnded(conversation_id=str(conversation_id))
        if status == Status.HANDOFF:
            raise errors.HandoffTaken("It is handed over already.")

    order = _order(conversation_id, "", guard=still_with_the_bot, deed="handed_over", agent=by.actor, name=name_of(by), reason=reason[:200])
    result = _refused(services.waited(tenant, turn.take(tenant, conversation_id, order), PATIENCE_SECONDS))
    if result.pending:
        return result
    opened = Handoff.objects.for_tenant(tenant).filter(conversation_id=conversation_id).exclude(status=Handoff.Status.CLOSED).first()
    if opened is None:
        raise errors.HandoffNotFound(conversation_id=str(conversation_id))
    return take(tenant, handoff_id=opened.pk, by=by)


def _do(tenant: Tenant, row: Handoff, by: Principal, deed: str, message_id: str, *, guard: Guard, **more: Any) -> Result:
    said = {"agent": by.actor, "name": name_of(by), **more}
    return _refused(turn.take(tenant, row.conversation_id, _order(row.conversation_id, message_id, guard=guard, deed=deed, **said)))


def _order(conversation_id: UUID, message_id: str, *, guard: Guard | None = None, **said: Any) -> Order:
    observability.bind(conversation_id=conversation_id)
    request = {"type": "attended", **{name: value for name, value in said.items() if value}}
    return Order(
        kind=Turn.Kind.AGENT,
        client_message_id=message_id if message_id.startswith("server:") else f"agent:{message_id or uuid.uuid4()}",
        request=request,
        sha256=hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest(),
        guard=guard,
    )


_REFUSALS = {"NOT_HANDED_OVER": errors.HandoffClosed, "ALREADY_HANDED_OVER": Conflict}


def _refused(result: Result) -> Result:
    """What the engine would not do is told as an error. Raises HandoffClosed, Conflict, Invalid."""
    fault = result.reply.get("error")
    if fault is None:
        return result
    kind = _REFUSALS.get(fault["error_code"], Invalid)
    raise kind(str(fault["message"]), reason=fault["error_code"])


def _rows(row: Handoff) -> QuerySet[Handoff]:
    found: QuerySet[Handoff] = Handoff.objects.for_tenant(row.tenant_id).filter(pk=row.pk)
    return found


def _taken_by(row: Handoff) -> Conflict:
    now = _rows(row).values_list("status", "agent_name").first()
    return errors.HandoffTaken(agent_name=now[1]) if now and now[0] == Handoff.Status.TAKEN else errors.HandoffClosed()


def _closed(row: Handoff) -> Conflict:
    return errors.HandoffClosed()


def _change(row: Handoff, refusal: Callable[[Handoff], Conflict], **seen: Any) -> Callable[..., None]:
    """A conditional update: whoever comes second finds nothing left to change."""

    def change(**values: Any) -> None:
        if not _rows(row).filter(**seen).update(**values, rev=F("rev") + 1):
            raise refusal(row)
        events.publish_inbox(row.tenant_id)

    return change


def _mine(row: Handoff, by: Principal) -> Guard:
    def check() -> None:
        found = _rows(row).values_list("status", "agent").first()
        if found is None or found[0] == Handoff.Status.CLOSED:
            raise errors.HandoffClosed
        if found != (Handoff.Status.TAKEN, by.actor):
            raise errors.HandoffNotYours

    return check


def _agent(tenant: Tenant, actor: str, by: Principal) -> str:
    """The name of a member who may work in the inbox. Raises Invalid."""
    if actor == by.actor:
        return name_of(by)
    kind, _, pk = actor.partition(":")
    try:
        found = Membership.objects.for_tenant(tenant).select_related("user").filter(user_id=UUID(pk)).first() if kind == "user" else None
    except ValueError:
        found = None
    if found is None or "inbox:work" not in tenancy.permissions_of(found.user, tenant):
        raise Invalid(
            "There is no such agent.", errors=[_fault("agent", "is no agent of this tenant", "user:<id> of a member who works in the inbox")]
        )
    user: User = found.user
    return user.get_full_name() or user.get_username()


def _fault(name: str, message: str, expected: str) -> dict[str, str]:
    return {"path": f"$.{name}", "code": "invalid", "message": message, "expected": expected}


def claim_unanswered() -> int:
    """Conversations that nobody has taken in time, each handed to one worker, by the clock of the database."""
    due = Handoff.objects.filter(status=Handoff.Status.WAITING, give_up_at__lte=Now()).order_by("give_up_at")
    found = list(due.values_list("pk", "tenant_id", "give_up_at")[:BATCH])
    for pk, tenant_id, at in found:
        if Handoff.objects.filter(pk=pk, status=Handoff.Status.WAITING, give_up_at=at).update(give_up_at=Now() + timedelta(seconds=LEASE_SECONDS)):
            jobs.enqueue("conversations.give_up_handoff", tenant_id=str(tenant_id), handoff_id=str(pk))
    return len(found)


def give_up(tenant: Tenant, *, handoff_id: UUID) -> Result | None:
    """The bot goes on; None when somebody has taken the conversation after all."""
    row = Handoff.objects.for_tenant(tenant).filter(pk=handoff_id).first()
    if row is None or row.status != Handoff.Status.WAITING:
        return None

    def still_waiting() -> None:
        if not _rows(row).filter(status=Handoff.Status.WAITING).exists():
            raise errors.HandoffTaken

    order = _order(
        row.conversation_id, f"server:unanswered:{row.pk}:{row.opened_at.timestamp():.0f}", guard=still_waiting, deed="resumed", reason=UNANSWERED
    )
    try:
        return turn.take(tenant, row.conversation_id, order)
    except errors.HandoffTaken:
        return None


def mark_read(tenant: Tenant, *, handoff_id: UUID, by: Principal) -> Handoff:
    """The agent who has it has seen everything. Raises HandoffNotFound."""
    row = desk.handoff(tenant, handoff_id)
    if _rows(row).filter(agent=by.actor, unread__gt=0).update(unread=0, rev=F("rev") + 1):
        events.publish_inbox(tenant.pk)
    return desk.handoff(tenant, handoff_id)


def add_note(tenant: Tenant, *, handoff_id: UUID, text: str, by: Principal) -> Note:
    """For colleagues; the user never sees it. Raises HandoffNotFound."""
    row = desk.handoff(tenant, handoff_id)
    with transaction.atomic():
        note: Note = Note.objects.create(
            tenant=tenant, conversation_id=row.conversation_id, author=by.actor, author_name=name_of(by), text=text, at=timezone.now()
        )
        _rows(row).update(rev=F("rev") + 1)
        events.publish_inbox(tenant.pk)
    return note


def be_present(tenant: Tenant, *, by: Principal, status: str = "") -> None:
    """The agent's inbox is open; `status` when it has changed."""
    now = timezone.now()
    mine = AgentPresence.objects.for_tenant(tenant).filter(agent=by.actor)
    before = mine.values_list("status", "seen_at").first()
    chosen = status or (before[0] if before else AgentPresence.Status.AVAILABLE)
    AgentPresence.objects.update_or_create(tenant=tenant, agent=by.actor, defaults={"name": name_of(by), "status": chosen, "seen_at": now})
    if before is None or before[0] != chosen or before[1] < now - timedelta(seconds=desk.GONE_SECONDS):
        events.publish_inbox(tenant.pk)


def be_gone(tenant: Tenant, *, by: Principal) -> None:
    """The inbox was closed. Another open one of the same agent says so again within seconds."""
    if AgentPresence.objects.for_tenant(tenant).filter(agent=by.actor).update(seen_at=timezone.now() - timedelta(seconds=desk.GONE_SECONDS + 1)):
        events.publish_inbox(tenant.pk)


def texts_of(value: Any) -> dict[str, str]:
    """Texts by language, as people type them into one field. Raises Invalid."""
    good = isinstance(value, Mapping) and value and all(isinstance(text, str) and text.strip() for text in value.values())
    if not good or not all(_LANGUAGE.fullmatch(str(name)) for name in value):
        raise Invalid("The texts cannot be taken.", errors=[_fault("texts", "are no texts by language", '{"en": "…", "de": "…"}')])
    return {str(name): str(text) for name, text in value.items()}


def save_canned(
    tenant: Tenant, *, shortcut: str, texts: Mapping[str, str], queue: str = "", canned_id: int | None = None, by: By = None
) -> CannedResponse:
    """Create one, or change the one with this id. Raises NotFound, Conflict when the shortcut is taken."""
    row = CannedResponse.objects.for_tenant(tenant).filter(pk=canned_id).first() if canned_id is not None else CannedResponse(tenant=tenant)
    if row is None:
        raise NotFound("There is no such canned response.")
    row.shortcut, row.texts, row.queue = shortcut, dict(texts), queue
    try:
        with transaction.atomic():
            row.save()
            changes = {"shortcut": shortcut, "texts": row.texts, "queue": queue}
            audit(tenant, actor=actor_of(by), action="canned_response.save", target=row, changes=changes)
    except IntegrityError as taken:
        raise Conflict("There is a canned response with this shortcut already.", shortcut=shortcut) from taken
    return row


def delete_canned(tenant: Tenant, *, canned_id: int, by: By = None) -> None:
    """Raises NotFound."""
    with transaction.atomic():
        row = CannedResponse.objects.for_tenant(tenant).filter(pk=canned_id).first()
        if row is None:
            raise NotFound("There is no such canned response.")
        audit(tenant, actor=actor_of(by), action="canned_response.delete", target=row, changes={"shortcut": row.shortcut})
        row.delete()
