"""Everything that leaves this process for the outside world goes through here: one HTTP client, checked addresses, one breaker."""

from mcp_platform.outbound.addresses import AddressRefused, Unreachable, checked_addresses, shown
from mcp_platform.outbound.client import MAX_ANSWER, Answer, AnswerEncoded, AnswerTooLarge, TimedOut, let_go_of_database, request

__all__ = [
    "MAX_ANSWER",
    "AddressRefused",
    "Answer",
    "AnswerEncoded",
    "AnswerTooLarge",
    "TimedOut",
    "Unreachable",
    "checked_addresses",
    "let_go_of_database",
    "request",
    "shown",
]
