"""The words that all kinds of calls share: what is asked, and what was heard."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conversations.core.types import Outcome
from flows.models import Integration
from mcp_platform import errors, observability, outbound
from mcp_platform.tenancy.models import Tenant

MASK = "•••"
SHORTEST_MASKED = 4  # a shorter secret would make holes in ordinary words


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One try of one call. `request` is the journal's: endpoint, method, request (the mapped values), timeout_ms, retry. `deadline` is monotonic."""

    tenant: Tenant
    integration: Integration
    request: Mapping[str, Any]
    key: str  # equal over all tries of the call
    deadline: float
    allowed: tuple[str, ...] = ()  # hosts of this tenant that may be private

    @property
    def values(self) -> dict[str, Any]:
        return dict(self.request.get("request") or {})

    @property
    def endpoint(self) -> str:
        return str(self.request.get("endpoint", ""))

    @property
    def method(self) -> str:
        return str(self.request.get("method") or "GET").upper()

    @property
    def left_ms(self) -> int:
        """Milliseconds that are left. Raises TimedOut when there are none."""
        left = int((self.deadline - time.monotonic()) * 1000)
        if left <= 0:
            raise outbound.TimedOut()
        return left

    def marks(self) -> dict[str, str]:
        """Headers (or metadata) that every call carries."""
        return {"Idempotency-Key": self.key, "X-Correlation-ID": observability.correlation_id()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The request as it left, secrets masked: for the person who tries an integration out."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """`well`: the other side does its work, whatever it thought of the call. `again`: the same call may fare better later.

    `wait_ms` is what it asked us to wait (Retry-After).
    """

    outcome: Outcome
    well: bool = True
    again: bool = False
    wait_ms: int = 0
    sent: Sent | None = None


def failed(error: str, *, code: str = "INTEGRATION_ERROR", well: bool = True, again: bool = False, sent: Sent | None = None, **more: Any) -> Heard:
    return Heard(outcome=Outcome(success=False, code=code, error=error, **more), well=well, again=again, sent=sent)


def failed_by(fault: errors.PlatformError, sent: Sent | None = None) -> Heard:
    """What an exchange that came to nothing means. An address that we refuse or an answer that is too large will be so again."""
    late = isinstance(fault, outbound.TimedOut)
    if late or isinstance(fault, outbound.Unreachable):
        return failed(fault.message, code="INTEGRATION_TIMEOUT" if late else "INTEGRATION_ERROR", well=False, again=True, sent=sent)
    return failed(fault.message, sent=sent)


class Veil:
    """Hides secrets wherever they might come back: an echoing server must not write them into our events."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= SHORTEST_MASKED for form in (secret, json.dumps(secret)[1:-1])}
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def value(self, value: Any) -> Any:
        if not self._forms:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.value(inner) for name, inner in value.items()}
        return [self.value(inner) for inner in value] if isinstance(value, list | tuple) else value

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: self.text(value) for name, value in headers.items()}
