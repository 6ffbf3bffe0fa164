"""Bad input: each request and each frame gets its refusal with a code and the path of the fault, and nothing is written."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.test import AsyncClient, Client

from conversations import pool
from mcp_platform.tenancy import scope
from tests.platform.bad_input import access, flows, http, talk
from tests.platform.bad_input.office import Office, furnished, stored
from tests.platform.bad_input.row import Bad

ROWS = [*talk.ROWS, *access.ROWS, *http.ROWS, *flows.ROWS]


@pytest.fixture(scope="module")
def office(django_db_setup: None, django_db_blocker: Any) -> Iterator[Office]:
    """One for all rows, really committed: no row may change anything, so none needs a database of its own."""
    with django_db_blocker.unblock(), scope.platform_scope():
        try:
            with furnished() as made:
                yield made
        finally:
            pool.close_connections()
            call_command("flush", interactive=False, verbosity=0)


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def wsgi(request: dict[str, Any]) -> Any:
    return Client().generic(**request)


def asgi(request: dict[str, Any]) -> Any:
    return async_to_sync(AsyncClient().generic)(**request)


@pytest.mark.parametrize("door", [wsgi, asgi], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_bad_request_is_refused(row: Bad, door: Callable[[dict[str, Any]], Any], office: Office) -> None:
    before = stored()
    answer = door(row.request(office))
    assert answer.headers["Content-Type"] == "application/problem+json", answer.content[:300]
    problem = answer.json()
    assert (answer.status_code, problem["error_code"]) == (row.status, row.code), problem
    assert problem["status"] == row.status
    assert problem.keys() >= {"type", "title", "detail", "correlation_id"}
    assert [fault["path"] for fault in problem.get("errors", ()) if fault["path"] == row.at] == ([row.at] if row.at else []), problem
    assert stored() == before


def test_every_row_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(map(str, ROWS)).items() if count > 1] == []
