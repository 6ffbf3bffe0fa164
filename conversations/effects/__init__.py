"""The calls to the outside (docs/integrations.md): one try of a call of any kind, when it is tried again, and stubs in its place.

To add a kind: a module with `perform(Ask) -> Heard` and `repeatable(integration, request)`, and a row in `calls.KINDS`.
"""

from conversations.effects.calls import OTHERS, attempt, breaker_name, integration_of, may_repeat, policy_of, trial
from conversations.effects.rest import joined
from conversations.effects.retries import pause_ms
from conversations.effects.stubs import stubbed
from conversations.effects.types import Ask, Heard, Sent

__all__ = [
    "OTHERS",
    "Ask",
    "Heard",
    "Sent",
    "attempt",
    "breaker_name",
    "integration_of",
    "joined",
    "may_repeat",
    "pause_ms",
    "policy_of",
    "stubbed",
    "trial",
]
