"""A process that forks, as Celery's workers do, hands down no lock that the child would wait for."""

import os
import signal

import pytest
from celery.worker.components import Pool
from django.db import connection

from mcp_platform.jobs import DispatcherStep

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no pool: set DATABASE_URL")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_waits_for_no_lock_of_its_parents_pool() -> None:
    connection.ensure_connection()
    pool = connection.pool  # type: ignore[attr-defined]  # not in the stubs
    with pool._lock:  # as another thread may hold it
        child = os.fork()
        if not child:
            _close_and_connect_anew()
    assert os.waitpid(child, 0)[1] == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # the parent's is whole


def _close_and_connect_anew() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(30)
    try:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        os._exit(0)
    finally:
        os._exit(1)


def test_the_dispatcher_begins_after_the_fork() -> None:
    """A blueprint that was made in this process has put the steps in place of their names."""
    named = f"{Pool.__module__}:{Pool.__name__}"
    assert [each for each in DispatcherStep.requires or () if each == named or getattr(each, "name", "") == f"{Pool.__module__}.{Pool.__name__}"]
