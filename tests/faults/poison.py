"""Loaded into a worker (`celery --include tests.faults.poison`): a job that kills its own process, and words that make the engine do so."""

import os
import signal
from typing import Any

from conversations.core import machine
from mcp_platform import jobs

_advance = machine.advance


@jobs.task("tests.poison")
def poison() -> None:
    die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def advance(book: Any, snapshot: Any, event: Any, *rest: Any, **more: Any) -> Any:
    if "poison" in str(getattr(event, "text", "")) or "poison" in str(snapshot.profile):
        die()
    return _advance(book, snapshot, event, *rest, **more)


machine.advance = advance
