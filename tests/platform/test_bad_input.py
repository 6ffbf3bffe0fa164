"""Bad input: each request and each frame gets its refusal with a code and the path of the fault, and nothing is written."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mcp_platform.tenancy import authenticators
from tests.platform.bad_input import (
    access,
    building,
    doors,
    events,
    experiments,
    flows,
    http,
    inbox,
    metadata,
    models,
    oauth,
    orchestrator,
    reports,
    sockets,
    talk,
    web_chats,
)
from tests.platform.bad_input.doors import Answer
from tests.platform.bad_input.office import Office, committed, furnished
from tests.platform.bad_input.row import Bad
from tests.platform.bad_input.sockets import BadSocket
from tests.platform.stored import stored

ROOMS = (talk, access, http, flows, events, inbox, models, web_chats, metadata, oauth, reports, building, experiments, orchestrator)
ROWS = [row for room in ROOMS for row in room.ROWS]


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """In place of pytest-django's: one for all rows, because no row may change anything."""
    with committed(django_db_blocker):
        yield


@pytest.fixture(scope="module")
def office(db: None) -> Iterator[Office]:
    with furnished() as made:
        yield made


@pytest.fixture(scope="module")
def nothing_changed(office: Office) -> Callable[[], bool]:
    """Whether everything is stored as it was when this was asked last."""
    last = [stored()]

    def ask() -> bool:
        last.append(stored())
        return last.pop(0) == last[0]

    return ask


@pytest.mark.parametrize("door", [doors.wsgi, doors.asgi], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_bad_request_is_refused(row: Bad, door: Callable[..., Answer], office: Office, nothing_changed: Callable[[], bool]) -> None:
    answer = door(**row.request(office))
    problem = answer.problem()
    assert (answer.status, problem["error_code"]) == (row.status, row.code), problem
    assert problem["status"] == row.status
    assert problem.keys() >= {"type", "title", "detail", "correlation_id"}
    if row.at:
        assert row.at in [fault["path"] for fault in problem["errors"]]
    assert nothing_changed()


@pytest.mark.parametrize("door", [doors.wsgi, doors.asgi], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("prefer", ["wait=soon", "wait=-1", "wait=", "wait=\u0663", f"wait={'9' * 6000}", "wait=1.5", ",;=,", "please"])
def test_a_preference_that_is_not_understood_is_none(
    prefer: str, door: Callable[..., Answer], office: Office, nothing_changed: Callable[[], bool]
) -> None:
    """RFC 7240: what a server does not know, it ignores."""
    asked = Bad("prefers", talk.SAY, {"content": "hello", "client_message_id": "m-1"}, 200, "", headers={"Prefer": prefer.encode().decode("latin-1")})
    answer = door(**asked.request(office))
    assert (answer.status, answer.headers["Idempotency-Replayed"]) == (200, "true")
    assert nothing_changed()


@pytest.mark.parametrize("door", [doors.wsgi, doors.asgi], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("call", ["GET flows", "POST conversations/{conversation}/messages"])
def test_a_fault_of_ours_is_a_problem_document_too(
    call: str, door: Callable[..., Answer], office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr("flows.queries.flows", broken)
    monkeypatch.setattr("conversations.services.process_message", broken)
    answer = door(**Bad("", call, {"content": "hello"}, 500, "").request(office))
    assert (answer.status, answer.problem()["error_code"]) == (500, "INTERNAL_ERROR")
    assert b"secret cause" not in answer.body


@pytest.mark.parametrize("row", [*sockets.ROWS, *building.SOCKETS], ids=str)
def test_a_bad_socket_is_refused(row: BadSocket, office: Office, nothing_changed: Callable[[], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_platform.sockets.AUTHENTICATE_SECONDS", 10.0 if row.by or row.frames else 0.05)
    end = sockets.end_of(row, office)
    assert (end.code, end.error.get("error_code")) == (row.close, row.code), end.error
    if row.at:
        assert row.at in [end.error.get("path"), *(fault["path"] for fault in end.error.get("errors", ()))]
    assert nothing_changed()


def test_a_ticket_opens_one_socket(office: Office, nothing_changed: Callable[[], bool]) -> None:
    ticket = authenticators.issue_ticket(authenticators.authenticate_bearer(office.token("owner"), address="127.0.0.1"))
    row = BadSocket("", ({"type": "dance"},), 4400, "BAD_FRAME", by="", to=f"conversations/{{conversation}}/?ticket={ticket}")
    assert sockets.end_of(row, office).code == row.close  # it was let in
    again = sockets.end_of(row, office)
    assert (again.code, again.error["error_code"]) == (4401, "UNAUTHENTICATED")
    assert nothing_changed()


def test_a_ticket_opens_no_door_of_the_neighbour(office: Office) -> None:
    ticket = authenticators.issue_ticket(authenticators.authenticate_bearer(office.token("neighbour"), address="127.0.0.1"))
    end = sockets.end_of(BadSocket("", (), 4404, "", by="", to=f"conversations/{{conversation}}/?ticket={ticket}"), office)
    assert (end.code, end.error["error_code"]) == (4404, "CONVERSATION_NOT_FOUND")


def test_every_row_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(map(str, [*ROWS, *sockets.ROWS, *building.SOCKETS])).items() if count > 1] == []
