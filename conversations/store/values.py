"""What is read and written, as plain values."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

_encode: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class TurnTaken(Exception):
    """Another transaction wrote this message while we waited for the lock: look again."""


class NotStorable(ValueError):
    """A value that JSON columns do not take: not a number, or a NUL character."""


def dump(value: Any) -> str:
    """Compact JSON. Raises NotStorable."""
    try:
        text = _encode(value)
    except ValueError as fault:
        raise NotStorable(str(fault)) from fault
    if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):  # the second look knows an escaped backslash from an escape
        raise NotStorable("a text contains a NUL character")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTurn:
    id: UUID
    number: int
    status: str
    request_sha256: str
    reply: str  # JSON, "" while there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A locked conversation, and the turn that already carries the message's id, if any."""

    id: UUID
    tenant_id: UUID
    environment_id: int
    version_id: UUID
    flow_key: str
    channel: str
    user_ref: str
    locale: str
    status: str
    snapshot: str  # JSON
    awaiting: str
    rev: int
    next_turn: int
    last_seq: int
    queued: int
    turn: StoredTurn | None = None
    created_at: datetime | None = None  # None while the conversation is being made


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnWrite:
    """`exists`: the row is there (it was queued, or it ran until an effect) and is updated; otherwise it is inserted."""

    id: UUID
    number: int
    kind: str
    client_message_id: str
    request_sha256: str
    request: str
    status: str
    reply: str | None = None
    trace: str = "[]"
    error: str | None = None
    attempts: int = 0
    exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectWrite:
    id: UUID
    effect_id: str
    step_key: str
    integration_id: str
    request: str
    request_sha256: str
    idempotency_key: str
    due_ms: int  # milliseconds from now, by the clock of the database


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxWrite:
    """An event for the world (mcp_platform/outbox). The conversation's lock orders those of one conversation."""

    id: UUID
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureWrite:
    """A conversation came to where the arms of an experiment differ; kept the first time only, and only if its unit has this arm.

    `fresh`: its flow began in this very step; else the log must show that it began in this version (`program`) after `since` and after its unit
    got the arm: a conversation that joins later runs in the base, which is the control's own version. Units from before `opened` are not analysed.
    Of experiments on models `program` is "", and `fresh` says that the conversation takes part.
    """

    experiment: UUID
    unit_type: str
    unit_id: str
    bucket_version: int
    variant: int
    phase: int
    state: str
    program: str
    since: datetime
    opened: datetime
    fresh: bool
    outbox: OutboxWrite | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Everything one macrostep changes. `rev` is the revision that was read; the write fails when it has moved."""

    tenant_id: UUID
    conversation_id: UUID
    rev: int
    version_id: UUID
    flow_key: str
    locale: str
    status: str
    current_state: str
    snapshot: str
    awaiting: str
    next_turn: int
    last_seq: int
    queued: int
    at: datetime
    turn: TurnWrite
    events: tuple[tuple[int, str, Mapping[str, Any]], ...] = ()
    timers: tuple[tuple[str, int], ...] = ()  # token, milliseconds from now
    cancelled: tuple[str, ...] = ()
    effects: tuple[EffectWrite, ...] = ()
    outbox: tuple[OutboxWrite, ...] = ()  # empty unless somebody listens
    exposures: tuple[ExposureWrite, ...] = ()  # empty unless an experiment runs and this step came to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What only a new conversation has to be told."""

    environment_id: int
    channel: str
    user_ref: str
