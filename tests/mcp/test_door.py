"""Who may come in at /mcp: addresses, origins, credentials, scopes, sizes. Nothing of the protocol is reached before."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.core.cache import cache
from django.test import override_settings

from mcp_platform.mcp.ledger import ledger
from mcp_platform.mcp.models import Call
from mcp_platform.mcp.server import bodies
from mcp_platform.oauth.core.scopes import basic
from mcp_platform.tenancy import throttling
from mcp_platform.tenancy.permissions import PERMISSIONS
from tests.mcp.house import MODERN, House, modern_headers, rpc

PING = ("tools/call", {"name": "ping", "arguments": {}})
ECHO = ("tools/call", {"name": "echo", "arguments": {"message": "hi"}})
INITIALIZE = (
    b'{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, '
    b'"clientInfo": {"name": "tests", "version": "1"}}}'
)
LEGACY_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def challenge(answer: httpx.Response) -> str:
    return answer.headers["www-authenticate"]


def test_anonymous_is_told_where_to_get_a_token(house: House) -> None:
    answer = house.post("", *PING)
    assert answer.status_code == 401
    assert f'resource_metadata="{house.base}/.well-known/oauth-protected-resource/mcp"' in challenge(answer)
    assert f'scope="{" ".join(basic(PERMISSIONS))}"' in challenge(answer)
    assert "error=" not in challenge(answer)  # nothing was wrong with a token: there was none
    assert answer.json()["error"]["data"]["error_code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("token", ["mcp_nobody", "mcpo_nobody", "e30.e30.", "mcp_aaaaaaaaaa_" + "0" * 64])
def test_a_token_that_nobody_gave_is_no_token(house: House, token: str) -> None:
    answer = house.post("", *PING, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in challenge(answer)


@pytest.mark.parametrize("form", ["Basic abc", "Bearer", "Bearer a b"])
def test_the_header_has_one_form(house: House, form: str) -> None:
    assert house.post("", *PING, headers={"Authorization": form}).status_code == 401


def test_a_key_in_the_address_is_not_looked_at(house: House) -> None:
    assert house.post("", *PING, path=f"/mcp?access_token={house.keys['owner']}").status_code == 401


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example"])
def test_pages_of_others_may_not_call(house: House, origin: str) -> None:
    answer = house.post("owner", *PING, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_our_own_pages_may(house: House) -> None:
    answer = house.post("owner", *PING, headers={"Origin": house.base})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == house.base
    ask = httpx.options(house.url, headers={"Origin": house.base, "Access-Control-Request-Method": "POST"})
    assert ask.status_code == 204
    assert "mcp-protocol-version" in ask.headers["access-control-allow-headers"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", ""])
def test_a_name_that_is_not_ours_is_dns_rebinding(house: House, host: str) -> None:
    assert house.post("owner", *PING, headers={"Host": host}).status_code in (400, 403)


def test_a_scope_that_is_missing_is_named(house: House) -> None:
    assert house.post("echo only", *ECHO).status_code == 200
    answer = house.post("echo only", *PING)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in challenge(answer)
    assert 'scope="tools:ping"' in challenge(answer)
    ledger.settle()
    assert Call.objects.filter(name="ping", outcome="denied", tenant=house.ours).exists()


def test_the_scope_is_looked_up_in_the_body_that_runs(house: House) -> None:
    """The header says a tool that the caller may call, the body another one: whichever counts for rights must count for the call."""
    answer = house.post("echo only", *PING, headers={"Mcp-Name": "echo"})
    assert answer.status_code in (400, 403)
    twice = rpc(*ECHO).replace(b'"name": "echo"', b'"name": "ping", "name": "echo"', 1)
    assert house.post("echo only", *ECHO, content=twice).status_code == 400


def test_no_more_than_a_mebibyte(house: House) -> None:
    long = rpc("tools/call", {"name": "echo", "arguments": {"message": "x" * 1_100_000}})
    assert house.post("owner", *ECHO, content=long).status_code == 413

    def pieces() -> Iterator[bytes]:
        for _ in range(12):
            yield b" " * 100_000

    unsaid = httpx.post(house.url, content=pieces(), headers={**modern_headers(*ECHO), **house.bearer("owner")})
    assert unsaid.status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_SECONDS", 0.2)
    host, port = house.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        head = f"POST /mcp HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {house.keys['owner']}\r\nContent-Length: 100\r\n\r\n{{"
        slow.sendall(head.encode())
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_nobody_without_a_credential_makes_us_read(house: House) -> None:
    host, port = house.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as stranger:
        stranger.sendall(f"POST /mcp HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000\r\n\r\n".encode())
        assert stranger.recv(1000).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{", b'{"jsonrpc": "2.0"}', b"[" * 100_000, b'{"a": NaN}', b"\xff", b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]'],
)
def test_what_is_no_request_is_told_so(house: House, body: bytes) -> None:
    for headers in (modern_headers(*PING), LEGACY_HEADERS):
        answer = httpx.post(house.url, content=body, headers={**headers, **house.bearer("owner")})
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["x-correlation-id"]


def test_a_limit_is_a_limit(house: House) -> None:
    throttling.forget_everything()
    with override_settings(API_RATE_LIMIT="3/minute"):
        answers = [house.post("viewer", *PING) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "ratelimit" in answers[0].headers
    throttling.forget_everything()


def test_every_answer_has_the_correlation_id_of_its_request(house: House) -> None:
    answer = house.post("owner", *ECHO, headers={"X-Correlation-ID": "story-7"})
    assert answer.headers["x-correlation-id"] == "story-7"
    assert answer.json()["result"]["_meta"]["mcp-platform/correlationId"] == "story-7"
    ledger.settle()
    row = Call.objects.get(correlation_id="story-7")
    assert (row.name, row.outcome, row.protocol, row.client, row.tenant) == ("echo", "ok", MODERN, "tests 1", house.ours)


def test_other_addresses_go_on_to_django(house: House) -> None:
    assert {httpx.get(f"{house.base}{path}").status_code for path in ("/mcpx", "/mcp/capabilities", "/mcp/v/", "/mcp/v/A")} == {418}


def test_other_methods_are_not_known(house: House) -> None:
    assert httpx.put(house.url, headers=house.bearer("owner")).status_code == 405


def test_an_unknown_virtual_server_is_not_there(house: House) -> None:
    for who in ("owner", "stranger"):
        answer = house.post(who, *ECHO, path="/mcp/v/nobody")
        assert answer.status_code == 404, answer.text


def _session(house: House, who: str, path: str = "/mcp") -> str:
    answer = httpx.post(f"{house.base}{path}", content=INITIALIZE, headers={**LEGACY_HEADERS, **house.bearer(who)})
    assert answer.status_code == 200
    return str(answer.headers["mcp-session-id"])


@pytest.mark.parametrize("who", ["stranger", "viewer"])
def test_a_session_is_of_who_began_it(house: House, who: str) -> None:
    """Another tenant, and another actor of the same one, are told what they would be told of a session that never was."""
    session = _session(house, "owner")
    body = b'{"jsonrpc": "2.0", "id": 2, "method": "tools/list"}'

    def ask(by: str, name: str) -> httpx.Response:
        return httpx.post(house.url, content=body, headers={**LEGACY_HEADERS, "Mcp-Session-Id": name, **house.bearer(by)})

    stolen, unknown = ask(who, session), ask(who, "0" * 32)
    assert (stolen.status_code, stolen.text) == (unknown.status_code, unknown.text)
    assert stolen.status_code == 404
    for verb in ("GET", "DELETE"):
        taken = httpx.request(verb, house.url, headers={"Accept": "text/event-stream", "Mcp-Session-Id": session, **house.bearer(who)})
        assert taken.status_code == 404
    assert ask("owner", session).status_code == 200


def test_without_sessions_there_is_nothing_to_get(house: House) -> None:
    with override_settings(MCP_SESSIONS="stateless"):
        answer = httpx.get(house.url, headers={"Accept": "text/event-stream", **house.bearer("owner")})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_a_burst_of_guesses_gets_the_limit(house: House) -> None:
    cache.clear()
    throttling.forget_everything()
    answers: list[int] = []

    def guess(number: int) -> None:
        answers.append(house.post("", *PING, headers={"Authorization": f"Bearer mcp_aaaaaaaaa{'abcdefgh'[number]}_{number:064}"}).status_code)

    with override_settings(ADDRESS_RATE_LIMIT="3/minute"):
        threads: list[Any] = [threading.Thread(target=guess, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == [401] * 3 + [429] * 5
    throttling.forget_everything()
