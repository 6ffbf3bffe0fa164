"""The decisions, without a database."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_platform.oauth.core import addresses, challenges, documents, metadata, scopes

BASE = "https://mcp.example.com"


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.com/back",
        "https://app.example.com:8443/back?x=1",
        "http://localhost:1234/back",
        "http://127.0.0.1/back",
        "http://[::1]:5/back",
        "com.example.app:/back",
        "cursor://anysphere.cursor/oauth",
    ],
)
def test_good_redirect_addresses(uri: str) -> None:
    assert addresses.redirect_fault(uri) == ""


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example.com/back",
        "http://localhost.example.com/back",
        "http://127.0.0.1.example.com/back",
        "https://app.example.com/back#part",
        "https://app.example.com/back#",
        "https://user@app.example.com/back",
        "https:///back",
        "https://app.example.com:port/",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//app.example.com",
        "/back",
        "",
        "https://app.example.com/a b",
        "https://app.example.com/\u202e",
        "https://*.example.com/back",
        "https://app.example.com\\@evil.example.com",
        "https://app.example.com/" + "x" * 2000,
    ],
)
def test_bad_redirect_addresses(uri: str) -> None:
    assert addresses.redirect_fault(uri)


@given(st.text(max_size=60))
def test_whatever_comes_is_judged(text: str) -> None:
    addresses.redirect_fault(text)
    addresses.redirect_fault(f"https://{text}")
    metadata.is_document_address(f"https://{text}")


@pytest.mark.parametrize(
    ("resource", "ours"),
    [
        (f"{BASE}/mcp", True),
        (f"{BASE}/mcp/v/permits", True),
        (f"{BASE}/mcp/", False),
        (f"{BASE}/mcp/v/", False),
        (f"{BASE}/mcp/v/a/b", False),
        (f"{BASE}/mcp/v/..", False),
        (f"{BASE}/mcp?x=1", False),
        (f"{BASE}/mcp#x", False),
        (f"{BASE}/", False),
        (BASE, False),
        (f"{BASE}.evil.example.com/mcp", False),
        (f"{BASE}@evil.example.com/mcp", False),
        ("https://MCP.example.com/mcp", False),
        ("http://mcp.example.com/mcp", False),
        ("", False),
    ],
)
def test_a_resource_is_ours_letter_by_letter(resource: str, ours: bool) -> None:
    assert addresses.is_resource(resource, BASE) is ours


def test_where_the_metadata_of_a_resource_is() -> None:
    assert addresses.metadata_of(f"{BASE}/mcp/v/permits", BASE) == f"{BASE}/.well-known/oauth-protected-resource/mcp/v/permits"


@given(st.text(max_size=400), st.text(max_size=400), st.lists(st.text(max_size=20)))
def test_nothing_in_a_challenge_can_end_it(error: str, description: str, names: list[str]) -> None:
    said = challenges.challenge(metadata_url=f"{BASE}/x", error=error, description=description, scopes=names)
    assert said.isascii()
    assert said.isprintable()
    assert re.fullmatch(r'Bearer \w+="[^"\\]*"(, \w+="[^"\\]*")*', said)


def test_a_challenge_names_what_is_missing_and_where_to_get_it() -> None:
    said = challenges.challenge(metadata_url=f"{BASE}/x", error=challenges.TOO_LITTLE, scopes=["tools:echo", "flows:read"])
    assert said == f'Bearer realm="mcp-platform", error="insufficient_scope", scope="tools:echo flows:read", resource_metadata="{BASE}/x"'
    assert "error" not in challenges.challenge(metadata_url=f"{BASE}/x")


names = st.lists(st.sampled_from(["a", "b", "c", "d"]))


@given(names, names, names)
def test_a_program_gets_no_more_than_asked_held_and_chosen(asked: list[str], held: list[str], chosen: list[str]) -> None:
    assert set(scopes.granted(asked, held, chosen)) == set(asked) & set(held) & set(chosen)


def test_what_is_withheld_is_offered_to_nobody() -> None:
    words = {**dict.fromkeys(scopes.WITHHELD, "x"), "flows:read": "y", "flows:write": "z", "tools:ping": "p"}
    assert set(scopes.offered(words)) == {"flows:read", "flows:write", "tools:ping"}
    assert scopes.basic(words) == ["flows:read", "tools:ping"]


def test_the_server_says_what_it_does_and_no_more() -> None:
    found = documents.of_server(BASE, scopes=["b", "a"], documentation="d")
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert "password" not in str(found)
    assert "registration_endpoint" not in found
    assert found["scopes_supported"] == ["a", "b"]


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("https://app.example.com/client.json", True),
        ("https://app.example.com:8443/client.json", True),
        ("http://app.example.com/client.json", False),
        ("https://app.example.com", False),
        ("https://app.example.com/", False),
        ("https://app.example.com/a/../client.json", False),
        ("https://app.example.com/client.json#x", False),
        ("https://app.example.com/client.json?x", False),
        ("https://user@app.example.com/client.json", False),
        ("https://app.example.com:port/client.json", False),
        ("https://app.example.com/" + "x" * 255, False),
        ("HTTPS://app.example.com/client.json", False),
    ],
)
def test_what_can_be_the_address_of_a_client(address: str, good: bool) -> None:
    assert metadata.is_document_address(address) is good


ME = "https://app.example.com/client.json"
GOOD = {"client_id": ME, "client_name": "App", "redirect_uris": ["http://127.0.0.1/back"]}


def test_a_document_of_a_client_is_read() -> None:
    found = metadata.read(ME, {**GOOD, "client_name": "A\u202epp\n", "grant_types": ["authorization_code", "refresh_token"], "logo_uri": "x"})
    assert (found.name, found.redirect_uris) == ("App", ("http://127.0.0.1/back",))


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "https://other.example.com/client.json"},
        {"client_secret": "x"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"grant_types": ["client_credentials"]},
        {"grant_types": "authorization_code"},
        {"redirect_uris": []},
        {"redirect_uris": "http://127.0.0.1/back"},
        {"redirect_uris": ["http://app.example.com/back"]},
        {"redirect_uris": [1]},
        {"redirect_uris": ["https://app.example.com/back"] * 21},
    ],
)
def test_a_document_that_is_wrong_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(metadata.DocumentFault):
        metadata.read(ME, {**GOOD, **wrong})
