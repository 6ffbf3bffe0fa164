"""One macrostep: lock, advance, write, commit; then the sockets are told and a blocking effect goes to a worker (ADR 0007)."""

from conversations.turn.moving import Already, MovedOn, book_of
from conversations.turn.step import GRACE, ContextLost, Order, Result
from conversations.turn.taking import begin, bury_effect, bury_timer, deliver, expire, fire, go_back, move, run_queued, take
from conversations.turn.ways import Way, checked, forget, way_of

__all__ = [
    "GRACE",
    "Already",
    "ContextLost",
    "MovedOn",
    "Order",
    "Result",
    "Way",
    "begin",
    "book_of",
    "bury_effect",
    "bury_timer",
    "checked",
    "deliver",
    "expire",
    "fire",
    "forget",
    "go_back",
    "move",
    "run_queued",
    "take",
    "way_of",
]
