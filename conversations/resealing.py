"""Sealed values under the newest key, and values that older releases have stored in the clear."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Model

from conversations import queries, sealed, store
from conversations.core import hiding
from conversations.models import Conversation, ConversationEvent, Effect, Turn
from conversations.sealed import Secrets
from mcp_platform import observability

log = observability.logger(__name__)
CHUNK = 500
# Every column that may hold a sealed value.
PLACES: tuple[tuple[type[Model], str], ...] = (
    (Conversation, "snapshot"),
    (ConversationEvent, "data"),
    (Turn, "request"),
    (Turn, "reply"),
    (Effect, "request"),
    (Effect, "result"),
)


def reseal_all() -> int:
    """Seal every value anew under the newest of ENCRYPTION_KEYS, so that older keys can be retired; how many rows. Platform scope.

    Raises SealBroken when a value was sealed by a key that is not there any more.
    """
    count = sum(_resealed(model, field, pk, data) for model, field in PLACES for pk, data in _sealed_rows(model, field))
    log.info("conversations_resealed", count=count)
    return count


def _sealed_rows(model: Any, field: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    rows = model.objects.filter(**{f"{field}__has_key": sealed.TOKEN}).order_by("pk").values_list("pk", field)
    last: Any = None
    while chunk := list((rows if last is None else rows.filter(pk__gt=last))[:CHUNK]):
        yield from chunk
        last = chunk[-1][0]


def _resealed(model: Any, field: str, pk: Any, data: dict[str, Any]) -> int:
    """Not when a turn has written the row meanwhile: what it wrote is under the newest key."""
    same = model.objects.filter(pk=pk, **{f"{field}__{sealed.TOKEN}": data[sealed.TOKEN]})
    return int(same.update(**{field: sealed.resealed(data)}))


def seal_clear() -> int:
    """Seal what was stored before values were sealed; how many conversations. It may be cut short and run again. Platform scope."""
    clear = ConversationEvent.objects.filter(data__has_key="sensitive").exclude(data__has_key=sealed.TOKEN)
    found = list(clear.order_by("conversation_id").values_list("tenant_id", "conversation_id").distinct())
    for tenant_id, conversation_id in found:
        with transaction.atomic():
            _seal(tenant_id, conversation_id)
    return len(found)


def _seal(tenant_id: UUID, conversation_id: UUID) -> None:
    if store.lock(tenant_id, conversation_id, "") is None:
        return
    held = Conversation.objects.get(pk=conversation_id)
    log_ = list(ConversationEvent.objects.filter(conversation_id=conversation_id).order_by("seq"))
    secret = _secrets(held, log_)
    _update(held, "snapshot", sealed.closed_snapshot(sealed.opened(held.snapshot), secret))
    for event in log_:
        _update(event, "data", sealed.closed_event(sealed.opened(event.data), secret))
    hidden = {event.turn_id for event in log_ if event.kind == "message" and not event.data.get("sensitive")}
    for turn in Turn.objects.filter(conversation_id=conversation_id):
        _update(turn, "request", sealed.closed_request(sealed.opened(turn.request), secret, wordless=turn.pk not in hidden))
        _update(turn, "trace", sealed.masked(turn.trace, secret))
        if turn.reply is not None:
            _update(turn, "reply", sealed.closed(sealed.opened(turn.reply), secret))
    for effect in Effect.objects.filter(conversation_id=conversation_id):
        _update(effect, "request", sealed.closed(sealed.opened(effect.request), secret, (["request"],)))
        if effect.result is not None:
            _update(effect, "result", sealed.closed(sealed.opened(effect.result), secret))


def _secrets(held: Conversation, log_: list[ConversationEvent]) -> Secrets:
    """Of the whole conversation: every value that an event has noted as sensitive."""
    at = queries.snapshot_of(held)
    now = sealed.secrets_in(at, queries.sensitive_slots(at), frozenset())
    names, values = set(now.names), []
    for event in log_:
        data = sealed.opened(event.data)
        noted = data.get("sensitive") or ()
        names.update(noted)
        values += [*hiding.values_in(data, noted), data.get("text") if noted else None]
    return Secrets(frozenset(names), now.words | hiding.words_of(values))


def _update(row: Any, field: str, data: Any) -> None:
    if getattr(row, field) != data:
        type(row).objects.filter(pk=row.pk).update(**{field: data})
