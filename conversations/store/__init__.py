"""The hot turn: how a conversation is locked, read and written. The one place with SQL of its own (ADR 0007).

PostgreSQL: one SELECT, then one data-modifying CTE; with a lock around them where one statement cannot be the whole transaction. SQLite: plain
statements under BEGIN IMMEDIATE. The order in which the row lock is given is the order of arrival. Everything else in this app goes by the ORM.
"""

from conversations.store.locking import ATTEMPTS, locked
from conversations.store.reading import lock, one_statement, read
from conversations.store.values import Birth, EffectWrite, ExposureWrite, NotStorable, OutboxWrite, Row, StoredTurn, TurnTaken, TurnWrite, Write, dump
from conversations.store.writing import queue, save

__all__ = [
    "ATTEMPTS",
    "Birth",
    "EffectWrite",
    "ExposureWrite",
    "NotStorable",
    "OutboxWrite",
    "Row",
    "StoredTurn",
    "TurnTaken",
    "TurnWrite",
    "Write",
    "dump",
    "lock",
    "locked",
    "one_statement",
    "queue",
    "read",
    "save",
]
