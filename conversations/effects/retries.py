"""When a call is tried again: never one that may not happen twice, with full jitter, and no later than its policy allows."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from conversations.effects.types import Heard

WITHIN_MS: Final = 60_000
LIMITS: Final[Mapping[str, tuple[int, int, int]]] = {  # name -> least, most, default
    "max_attempts": (1, 5, 1),
    "backoff_ms": (0, 60_000, 200),
    "max_backoff_ms": (0, 60_000, 10_000),
    "within_ms": (1_000, 300_000, WITHIN_MS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`within_ms`: no try begins later than this after the first one. `idempotent`: the author says that the call may happen twice."""

    max_attempts: int
    backoff_ms: int
    max_backoff_ms: int
    within_ms: int
    idempotent: bool | None


def policy_of(*sources: Mapping[str, Any]) -> Policy:
    """Of the integration, then of the flow: what comes later wins. A number out of bounds becomes the nearest one, anything else the default."""
    merged: dict[str, Any] = {}
    for source in sources:
        merged |= source
    given = {name: _bounded(merged.get(name), *limits) for name, limits in LIMITS.items()}
    idempotent = merged.get("idempotent")
    return Policy(**given, idempotent=idempotent if isinstance(idempotent, bool) else None)


def _bounded(value: Any, least: int, most: int, default: int) -> int:
    return min(max(value, least), most) if isinstance(value, int) and not isinstance(value, bool) else default


def pause_ms(policy: Policy, heard: Heard, *, tries: int, repeatable: bool) -> int | None:
    """Milliseconds to wait before the next try, after `tries` of them; None when there is none."""
    if not heard.again or not repeatable or tries >= policy.max_attempts:
        return None
    ceiling = min(policy.max_backoff_ms, policy.backoff_ms * 2 ** (tries - 1))
    pause = max(heard.wait_ms, random.randint(0, ceiling))  # noqa: S311  jitter
    return pause if pause < policy.within_ms else None
