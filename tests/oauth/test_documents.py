"""The documents by which a client that knows only an address finds its way."""

from typing import Any

import pytest
from django.test import Client

BASE = "http://testserver"
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("path", "resource"), [("", "/mcp"), ("/mcp", "/mcp"), ("/mcp/v/plans", "/mcp/v/plans")])
def test_the_resource_says_who_gives_tokens_for_it(path: str, resource: str) -> None:
    answer = Client().get(f"/.well-known/oauth-protected-resource{path}")
    found = answer.json()
    assert (found["resource"], found["authorization_servers"]) == (BASE + resource, [BASE])
    assert found["bearer_methods_supported"] == ["header"]
    assert "tools:echo" in found["scopes_supported"]
    assert "tenant:manage" not in found["scopes_supported"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/api", "/mcp/", "/mcp/v/", "/mcp/v/a/b", "/mcp/../x", "/x" * 500])
def test_elsewhere_is_no_resource(path: str) -> None:
    assert Client().get(f"/.well-known/oauth-protected-resource{path}").status_code == 404


def test_the_server_says_where_its_doors_are() -> None:
    found = Client().get("/.well-known/oauth-authorization-server").json()
    assert found["issuer"] == BASE
    assert found["token_endpoint"] == f"{BASE}/oauth/token"
    assert found["client_id_metadata_document_supported"] is True
    for name in ("authorization_endpoint", "token_endpoint", "revocation_endpoint"):
        assert Client().options(found[name].removeprefix(BASE)).status_code in (204, 302, 405)


def test_what_we_are_called_is_what_the_operator_says(settings: Any) -> None:
    settings.PUBLIC_URL, settings.PUBLIC_URL_IS_GIVEN = "https://mcp.example.com/", True
    assert Client().get("/.well-known/oauth-authorization-server").json()["issuer"] == "https://mcp.example.com"
    assert Client().get("/.well-known/oauth-protected-resource/mcp").json()["resource"] == "https://mcp.example.com/mcp"


def test_a_host_that_is_not_ours_gets_nothing() -> None:
    assert Client().get("/.well-known/oauth-authorization-server", headers={"Host": "evil.example.com"}).status_code == 400


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/register"])
def test_a_browser_of_another_origin_may_ask(path: str) -> None:
    answer = Client().options(path, headers={"Origin": "https://inspector.example.com", "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert Client().get(path).status_code == 405


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b"grant_type=authorization_code&code=" + b"x" * 20_000, "application/x-www-form-urlencoded"),
        (b"grant_type=refresh_token&refresh_token=%00", "application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded"),
        (b"grant_type=authorization_code", "application/x-www-form-urlencoded"),
        (b"\xff\xfe=%ff", "application/x-www-form-urlencoded"),
        (b"grant_type=refresh_token&client_id=%ff%fe&refresh_token=%f0", "application/x-www-form-urlencoded"),
    ],
)
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
def test_nonsense_is_refused_in_the_words_of_the_standard(path: str, body: bytes, content_type: str) -> None:
    answer = Client().post(path, body, content_type=content_type)
    assert answer.status_code in (400, 401), answer.content
    assert answer.json()["error"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
