"""What a sink gets and what it gives back."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """`body` is the CloudEvent as JSON; `at` is now, in UTC; `attempt` counts from 1."""

    event_id: UUID
    type: str
    key: str
    body: bytes
    at: datetime
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`status` is an HTTP status, 0 where none came. `gone`: the other side wants nothing more, ever. `retry_after`: seconds it asked for."""

    ok: bool
    status: int = 0
    error: str = ""
    answer: str = ""  # the beginning of what came back
    request: str = ""  # what was sent besides the event, without secrets
    ms: int = 0
    held: bool = False  # not tried: one before it with its key has failed
    gone: bool = False
    retry_after: float = 0
