"""What a serving process starts besides answering requests."""

import atexit
import fcntl
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_claim: Any = None


def start_serving() -> None:
    """Start the embedded worker, once, in the one process that may have it. With REDIS_URL the workers are processes of their own."""
    from mcp_platform import celery

    if not settings.EMBEDDED:
        return
    claim_single_process()
    celery.start_embedded_once()
    atexit.register(celery.stop_embedded)


def claim_single_process() -> None:
    """Without Redis pushes and jobs stay inside one process, so a second one would silently miss half of them. Raises ImproperlyConfigured."""
    global _claim
    if _claim is not None:
        return
    lock = (settings.STATE_DIR / "serving.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as taken:
        lock.close()
        raise ImproperlyConfigured(
            f"Another process serves {settings.STATE_DIR} already. Several processes need REDIS_URL (and DATABASE_URL); see .env.example."
        ) from taken
    _claim = lock
