"""One macrostep: lock, advance, write, commit; then the sockets are told and a blocking effect goes to a worker (ADR 0007)."""

from conversations.turn.step import GRACE, Order, Result
from conversations.turn.taking import begin, deliver, fire, run_queued, take

__all__ = ["GRACE", "Order", "Result", "begin", "deliver", "fire", "run_queued", "take"]
