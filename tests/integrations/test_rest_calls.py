"""REST calls: where values go, who we say we are, and what an answer means."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache

from flows.models import Integration
from mcp_platform import observability
from mcp_platform.tenancy.models import Tenant
from mcp_platform.vault import services as vault
from tests.integrations.asking import ask
from tests.integrations.outside import Reply, Web

Crm = Callable[..., Integration]


def test_values_go_where_their_names_say(tenant: Tenant, web: Web, crm: Crm) -> None:
    crm(headers={"Accept-Language": "de"})
    values = {
        "id": "12/4",
        "query.page": 2,
        "header.X-Office": "north",
        "body.owner.name": "Ada",
        "body.owner.born": 1815,
        "note": "by hand",
        "query.full": True,
    }
    assert ask(tenant, "parcels/{id}/owner", values, method="POST").outcome.success
    (got,) = web.got
    assert (got.method, got.path) == ("POST", "/v1/parcels/12%2F4/owner")
    assert got.query == {"page": "2", "full": "true"}
    assert got.json == {"owner": {"name": "Ada", "born": 1815}, "note": "by hand"}
    assert (got.headers["x-office"], got.headers["accept-language"], got.headers["content-type"]) == ("north", "de", "application/json")


def test_a_get_has_its_values_in_the_query_and_no_body(tenant: Tenant, web: Web, crm: Crm) -> None:
    crm()
    ask(tenant, "search", {"q": "a b&c", "tags": ["x", "y"]})
    (got,) = web.got
    assert got.query == {"q": "a b&c", "tags": '["x", "y"]'}
    assert got.body == b""
    assert "content-type" not in got.headers


def test_a_body_may_be_any_json_or_a_form(tenant: Tenant, web: Web, crm: Crm) -> None:
    crm()
    ask(tenant, "bulk", {"body": [1, 2]}, method="PUT")
    assert web.got[0].json == [1, 2]
    Integration.objects.update(options={"body": "form"})
    ask(tenant, "token", {"amount": 5, "text": "ä b"}, method="POST")
    assert web.got[1].body == b"amount=5&text=%C3%A4+b"
    assert web.got[1].headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("value", ["", ".", "..", "../admin", "a/../../admin", "..\\admin"])
@pytest.mark.parametrize("name", ["id", "path.id"])
def test_a_value_of_the_path_cannot_leave_it(tenant: Tenant, web: Web, crm: Crm, name: str, value: str) -> None:
    crm()
    outcome = ask(tenant, "parcels/{id}/owner", {name: value}, method="DELETE").outcome
    assert (outcome.success, outcome.code, outcome.error) == (False, "INTEGRATION_ERROR", "The value of {id} cannot be a part of the path.")
    assert web.got == []


@pytest.mark.parametrize(
    ("value", "segment"), [("%2e%2e", "%252e%252e"), ("%2E./x", "%252E.%2Fx"), ("...", "..."), (".git", ".git"), (None, "null"), ("?a#b", "%3Fa%23b")]
)
def test_other_values_stay_in_their_segment(tenant: Tenant, web: Web, crm: Crm, value: Any, segment: str) -> None:
    crm()
    assert ask(tenant, "parcels/{id}/owner", {"id": value}).outcome.success
    assert web.got[0].target == f"/v1/parcels/{segment}/owner"


@pytest.mark.parametrize("name", ["Authorization", "Host", "Idempotency-Key", "cookie"])
def test_a_flow_cannot_set_the_headers_that_are_ours(tenant: Tenant, web: Web, crm: Crm, name: str) -> None:
    crm()
    heard = ask(tenant, "x", {f"header.{name}": "mine"})
    assert (heard.outcome.success, web.got) == (False, [])


def test_a_line_break_cannot_become_a_header(tenant: Tenant, web: Web, crm: Crm) -> None:
    crm()
    assert not ask(tenant, "x", {"header.X-Note": "a\r\nX-Evil: 1"}).outcome.success
    assert web.got == []


def test_every_call_carries_its_key_and_the_correlation(tenant: Tenant, web: Web, crm: Crm) -> None:
    crm()
    with observability.correlated("c-17"):
        ask(tenant, "x", key="k-17")
    assert (web.got[0].headers["idempotency-key"], web.got[0].headers["x-correlation-id"]) == ("k-17", "c-17")


@pytest.mark.parametrize(
    ("how", "header", "expected"),
    [
        ({"type": "bearer", "secret": "CRM_TOKEN"}, "authorization", "Bearer s3cret-value"),
        ({"type": "basic", "username": "joe", "secret": "CRM_TOKEN"}, "authorization", "Basic am9lOnMzY3JldC12YWx1ZQ=="),
        ({"type": "header", "header": "X-Key", "secret": "CRM_TOKEN"}, "x-key", "s3cret-value"),
        ({"type": "api_key", "name": "X-Key", "secret": "CRM_TOKEN"}, "x-key", "s3cret-value"),
    ],
)
def test_headers_show_who_we_are(tenant: Tenant, web: Web, crm: Crm, secret: Callable[..., str], how: Any, header: str, expected: str) -> None:
    secret()
    crm(authentication=how)
    heard = ask(tenant, "x")
    assert web.got[0].headers[header] == expected
    assert heard.sent is not None
    assert "s3cret" not in str(heard.sent)
    assert expected.split(" ")[-1] not in str(heard.sent)


def test_a_key_in_the_query(tenant: Tenant, web: Web, crm: Crm, secret: Callable[..., str]) -> None:
    secret(value="s3cret/value")
    crm(authentication={"type": "api_key", "in": "query", "name": "key", "secret": "CRM_TOKEN"})
    heard = ask(tenant, "x", {"a": 1})
    assert web.got[0].query == {"a": "1", "key": "s3cret/value"}
    assert heard.sent is not None
    assert heard.sent.url.endswith("/v1/x?a=1&key=•••")


def test_a_signature_binds_the_request_to_its_time(tenant: Tenant, web: Web, crm: Crm, secret: Callable[..., str]) -> None:
    secret()
    crm(authentication={"type": "hmac", "secret": "CRM_TOKEN", "header": "X-Sig"})
    ask(tenant, "x", {"query.a": "b c", "n": 1}, method="POST")
    (got,) = web.got
    at, signature = (part.split("=")[1] for part in got.headers["x-sig"].split(","))
    signed = b".".join((at.encode(), b"POST", b"/v1/x?a=b%20c", got.body))
    assert signature == hmac.new(b"s3cret-value", signed, hashlib.sha256).hexdigest()


def test_while_a_rotation_overlaps_the_old_value_is_shown_when_the_new_one_is_refused(
    tenant: Tenant, web: Web, crm: Crm, secret: Callable[..., str]
) -> None:
    secret(value="old-value")
    vault.rotate_secret(tenant, name="CRM_TOKEN", value="new-value", overlap=timedelta(hours=1), by=None)
    crm(authentication={"type": "bearer", "secret": "CRM_TOKEN"})
    web.answer = lambda request: Reply(status=200 if request.headers["authorization"] == "Bearer old-value" else 401)
    assert ask(tenant, "x", method="POST").outcome.success
    assert [got.headers["authorization"] for got in web.got] == ["Bearer new-value", "Bearer old-value"]


def test_a_secret_that_is_not_there_is_a_failure_that_names_it(tenant: Tenant, web: Web, crm: Crm) -> None:
    crm(authentication={"type": "bearer", "secret": "CRM_TOKEN"})
    outcome = ask(tenant, "x").outcome
    assert (outcome.success, outcome.code) == (False, "INTEGRATION_ERROR")
    assert "CRM_TOKEN" in outcome.error
    assert web.got == []


def test_an_echo_does_not_bring_the_secret_back(tenant: Tenant, web: Web, crm: Crm, secret: Callable[..., str]) -> None:
    secret(value='quo"te-s3cret')
    crm(authentication={"type": "bearer", "secret": "CRM_TOKEN"})
    web.answer = lambda request: Reply(body={"headers": request.headers, "list": [request.headers["authorization"]]})
    outcome = ask(tenant, "x").outcome
    assert outcome.data["headers"]["authorization"] == "Bearer •••"
    assert "s3cret" not in str(outcome.data)


def test_an_echoed_address_does_not_bring_the_key_back(tenant: Tenant, web: Web, crm: Crm, secret: Callable[..., str]) -> None:
    secret(value="s3cret value/~+")
    crm(authentication={"type": "api_key", "in": "query", "name": "key", "secret": "CRM_TOKEN"})
    web.answer = lambda request: Reply(body={"raw": request.target, "form": urlencode(request.query), "value": request.query["key"]})
    assert ask(tenant, "x").outcome.data == {"raw": "/v1/x?key=•••", "form": "key=•••", "value": "•••"}


class Issuer:
    """A token endpoint; its tokens are token-1, token-2 …"""

    def __init__(self, **answer: Any) -> None:
        self.answer, self.count = {"expires_in": 3600, **answer}, 0

    def __call__(self, request: Any) -> Reply:
        if request.path != "/token":
            good = request.headers["authorization"] == f"Bearer token-{self.count}"
            return Reply(status=200 if good else 401)
        self.count += 1
        return Reply(body={"access_token": f"token-{self.count}", "token_type": "Bearer", **self.answer})


def oauth(web: Web, **more: Any) -> dict[str, Any]:
    return {"type": "oauth2_client_credentials", "token_url": f"{web.url}/token", "client_id": "us", "secret": "CRM_TOKEN", **more}


def test_a_token_is_fetched_once_and_kept_sealed(tenant: Tenant, web: Web, crm: Crm, secret: Callable[..., str]) -> None:
    secret(value="s3cret:value")
    crm(authentication=oauth(web, scope="read write", audience="crm"))
    web.answer = Issuer()
    for _ in range(3):
        assert ask(tenant, "x").outcome.success
    assert [got.path for got in web.got] == ["/token", "/v1/x", "/v1/x", "/v1/x"]
    assert web.got[0].body == b"grant_type=client_credentials&scope=read+write&audience=crm"
    assert web.got[0].headers["authorization"] == "Basic dXM6czNjcmV0JTNBdmFsdWU="  # us:s3cret%3Avalue, as RFC 6749 2.3.1 wants
    assert "token-1" not in str(getattr(cache, "_cache", ""))


def test_a_token_that_is_refused_is_fetched_anew(tenant: Tenant, web: Web, crm: Crm, secret: Callable[..., str]) -> None:
    secret()
    crm(authentication=oauth(web, send="body"))
    issuer = web.answer = Issuer()
    ask(tenant, "x")
    issuer.count += 5  # token-1 is revoked
    assert ask(tenant, "x", method="POST").outcome.success
    assert [got.path for got in web.got] == ["/token", "/v1/x", "/v1/x", "/token", "/v1/x"]
    assert b"client_secret=s3cret-value" in web.got[0].body


def test_a_token_that_ends_soon_is_not_kept(tenant: Tenant, web: Web, crm: Crm, secret: Callable[..., str]) -> None:
    secret()
    crm(authentication=oauth(web))
    web.answer = Issuer(expires_in=20)
    ask(tenant, "x")
    ask(tenant, "x")
    assert [got.path for got in web.got] == ["/token", "/v1/x", "/token", "/v1/x"]


def test_a_token_that_is_not_given(tenant: Tenant, web: Web, crm: Crm, secret: Callable[..., str]) -> None:
    secret()
    crm(authentication=oauth(web))
    web.answer = lambda _: Reply(status=400, body={"error": "invalid_client", "error_description": "s3cret-value is wrong"})
    outcome = ask(tenant, "x").outcome
    assert outcome.error == "The token endpoint answered 400 (invalid_client) and gave no token."


@pytest.mark.parametrize(
    ("status", "success", "well", "again"),
    [
        (200, True, True, False),
        (204, True, True, False),
        (302, False, True, False),
        (400, False, True, False),
        (404, False, True, False),
        (429, False, True, True),
        (500, False, False, True),
        (503, False, False, True),
    ],
)
def test_what_a_status_means(tenant: Tenant, web: Web, crm: Crm, status: int, success: bool, well: bool, again: bool) -> None:
    crm()
    web.answer = lambda _: Reply(status=status, body=b"" if status == 204 else {"status": status}, headers={"Location": "http://169.254.169.254/"})
    heard = ask(tenant, "x")
    assert (heard.outcome.success, heard.outcome.status_code, heard.well, heard.again) == (success, status, well, again)
    assert len(web.got) == 1


def test_a_huge_answer_is_a_failure_and_no_reason_to_ask_again(tenant: Tenant, web: Web, crm: Crm) -> None:
    crm()
    web.answer = lambda _: Reply(body=b"x" * (1024 * 1024 + 1))
    heard = ask(tenant, "x")
    assert (heard.outcome.success, heard.again, heard.outcome.error) == (False, False, "The answer is larger than 1 MiB.")


def test_a_host_that_the_operator_allows_one_tenant_is_refused_to_others(tenant: Tenant, web: Web, crm: Crm, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = []
    crm()
    assert "not on the public internet" in ask(tenant, "x").outcome.error
    tenant.settings = {"outbound_allowed_hosts": [web.host]}
    assert ask(tenant, "x").outcome.success
