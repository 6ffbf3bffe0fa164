"""One transaction around a turn, tried again where that is safe."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection, transaction
from psycopg_pool import PoolTimeout

from conversations import errors
from conversations.store.values import TurnTaken
from mcp_platform import observability

log = observability.logger(__name__)
T = TypeVar("T")

ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.05


def locked(work: Callable[[], T]) -> T:
    """Run `work` in one transaction. A lock timeout is tried again with exponential back-off, then LockTimeout; a connection that broke is
    replaced. Repeating is safe: every turn has an id that is unique in its conversation."""
    pause = FIRST_PAUSE_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return work()
        except TurnTaken:
            continue
        except (OperationalError, InterfaceError) as fault:
            if not _worth_repeating(fault):
                raise
            log.warning("turn_repeated", attempt=attempt, fault=type(fault.__cause__ or fault).__name__)
            if attempt == ATTEMPTS and not _is_lock_timeout(fault):
                raise
        if attempt < ATTEMPTS:
            time.sleep(pause * (0.5 + random.random()))
            pause *= 2
    raise errors.LockTimeout(attempts=ATTEMPTS)


def _is_lock_timeout(fault: Exception) -> bool:
    return getattr(fault.__cause__, "sqlstate", None) in ("55P03", "40P01") or "database is locked" in str(fault)


def _worth_repeating(fault: Exception) -> bool:
    if connection.in_atomic_block or isinstance(fault.__cause__, PoolTimeout):  # who has waited for a connection in vain need not wait again
        return False
    if _is_lock_timeout(fault):
        return True
    broken = connection.connection is None or not connection.is_usable()
    if broken:
        connection.close()
    return broken
