"""What an HTTP answer means: its data as values, and whether the same call may fare better later."""

import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, Final, NoReturn

from conversations.core.types import Outcome
from conversations.core.values import cleaned
from conversations.core.words import clean
from conversations.effects.types import Heard, Sent, Veil
from mcp_platform import outbound

# Answers that a later try may better; 500 too, which says no more than that something broke.
FOR_A_WHILE: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT_MS: Final = 300_000


def heard(answer: outbound.Answer, veil: Veil, sent: Sent | None = None) -> Heard:
    success = 200 <= answer.status < 300
    outcome = Outcome(
        success=success,
        status_code=answer.status,
        data=veil.value(data(answer)),
        error="" if success else _why(answer),
        code="" if success else "INTEGRATION_ERROR",
        execution_time_ms=answer.elapsed_ms,
    )
    again = answer.status in FOR_A_WHILE
    return Heard(outcome=outcome, well=answer.status < 500, again=again, wait_ms=wait_ms(answer.headers) if again else 0, sent=sent)


def data(answer: outbound.Answer) -> Any:
    """JSON as its value, other text as text, nothing else: bytes do not belong into a snapshot."""
    if not answer.body:
        return None
    text = clean(answer.body.decode("utf-8", errors="replace"))
    if "json" not in answer.headers.get("content-type", ""):
        return text
    try:
        return cleaned(json.loads(text, parse_constant=_refuse, parse_float=_finite))
    except (ValueError, RecursionError):
        return text


def wait_ms(headers: Mapping[str, str]) -> int:
    """Retry-After as milliseconds from now, 0 when it says nothing that can be read; at most five minutes."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]) * 1000, LONGEST_WAIT_MS)
    try:
        until = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return 0
    return min(max(0, int(until * 1000)), LONGEST_WAIT_MS)


def _why(answer: outbound.Answer) -> str:
    if 300 <= answer.status < 400:
        return f"the answer was {answer.status} to another address, and redirects are not followed"
    return f"the answer was {answer.status}"


def _finite(number: str) -> float:
    value = float(number)
    return value if isfinite(value) else _refuse(number)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
