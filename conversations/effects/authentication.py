"""How we show who we are: `authentication` of an integration, its secrets opened at the moment of sending and nowhere else."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlencode

from django.core.cache import cache

from conversations.effects.types import Ask
from mcp_platform import errors, observability, outbound, sealing
from mcp_platform.vault import services as vault

log = observability.logger(__name__)

SOONER_SECONDS: Final = 30  # a token is renewed this long before it ends
UNKNOWN_LIFETIME_SECONDS: Final = 300  # of a token whose issuer does not say
LONGEST_LIFETIME_SECONDS: Final = 86_400
PURPOSE: Final = "integrations.token"  # of what is sealed here
Sign = Callable[[str, str, bytes], Mapping[str, str]]  # method, path with query, body -> headers


class TokenRefused(errors.Unavailable):
    """The token endpoint gave no token."""

    code = "INTEGRATION_ERROR"


def _nothing(_method: str, _target: str, _body: bytes) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """`secrets` are what a veil must hide. `sign` gives headers that depend on the request."""

    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    sign: Sign = _nothing


def candidates(ask: Ask) -> Iterator[Credentials]:
    """What to show, best first: the next one is for when the other side answers 401. Raises SecretNotFound, SealBroken, TokenRefused, TimedOut."""
    how = ask.integration.authentication
    yield from KINDS[str(how.get("type", "none"))](ask, how)


def _none(_ask: Ask, _how: Mapping[str, Any]) -> Iterator[Credentials]:
    yield Credentials()


def _bearer(ask: Ask, how: Mapping[str, Any]) -> Iterator[Credentials]:
    for value in vault.values(ask.tenant, how["secret"]):
        yield Credentials(headers={"Authorization": f"Bearer {value}"}, secrets=(value,))


def _basic(ask: Ask, how: Mapping[str, Any]) -> Iterator[Credentials]:
    for value in vault.values(ask.tenant, how["secret"]):
        pair = _encoded(how["username"], value)
        yield Credentials(headers={"Authorization": f"Basic {pair}"}, secrets=(value, pair))


def _header(ask: Ask, how: Mapping[str, Any]) -> Iterator[Credentials]:
    for value in vault.values(ask.tenant, how["secret"]):
        yield Credentials(headers={how["header"]: value}, secrets=(value,))


def _api_key(ask: Ask, how: Mapping[str, Any]) -> Iterator[Credentials]:
    for value in vault.values(ask.tenant, how["secret"]):
        shown = {how["name"]: value}
        if how.get("in", "header") == "query":
            yield Credentials(params=shown, secrets=(value, quote(value, safe=""), quote_plus(value)))
        else:
            yield Credentials(headers=shown, secrets=(value,))


def _hmac(ask: Ask, how: Mapping[str, Any]) -> Iterator[Credentials]:
    for value in vault.values(ask.tenant, how["secret"]):
        yield Credentials(secrets=(value,), sign=_signer(value, how.get("header") or "X-Signature", how.get("algorithm") or "sha256"))


def _signer(secret: str, header: str, algorithm: str) -> Sign:
    """`t=<unix seconds>,v1=<hex of the HMAC over "t.METHOD.path?query.body">`: bound to the request and to its time."""

    def sign(method: str, target: str, body: bytes) -> Mapping[str, str]:
        at = str(int(time.time()))
        signed = b".".join((at.encode(), method.encode(), target.encode(), body))
        return {header: f"t={at},v1={hmac.new(secret.encode(), signed, algorithm).hexdigest()}"}

    return sign


def _oauth2(ask: Ask, how: Mapping[str, Any]) -> Iterator[Credentials]:
    """The token that is kept, then a new one."""
    key = _token_key(ask, how)
    kept = _kept(key)
    if kept:
        yield Credentials(headers={"Authorization": f"Bearer {kept}"}, secrets=(kept,))
    token = _fetched(ask, how, key)
    yield Credentials(headers={"Authorization": f"Bearer {token}"}, secrets=(token,))


def _token_key(ask: Ask, how: Mapping[str, Any]) -> str:
    """Another definition, another token."""
    told = json.dumps([str(ask.tenant.pk), str(ask.integration.pk), dict(how)], sort_keys=True)
    return f"oauth2:{hashlib.sha256(told.encode()).hexdigest()}"


def _kept(key: str) -> str:
    try:
        sealed = cache.get(key)
        return sealing.unseal(sealed, purpose=PURPOSE) if sealed else ""
    except Exception as fault:  # noqa: BLE001  each cache has its own errors; then a new token is fetched
        log.warning("token_not_kept", fault=type(fault).__name__)
        return ""


def _fetched(ask: Ask, how: Mapping[str, Any], key: str) -> str:
    answer = None
    for secret in vault.values(ask.tenant, how["secret"]):
        answer = _token_request(ask, how, secret)
        if answer.status not in (400, 401):
            break
    told = _json_object(answer)
    token = told.get("access_token")
    if answer is None or answer.status != 200 or not isinstance(token, str) or not token:
        # `error` is one of the standard's words; nothing else of the answer is repeated
        word = told.get("error") if isinstance(told.get("error"), str) else ""
        status = answer.status if answer else 0
        raise TokenRefused(f"The token endpoint answered {status}{f' ({word[:60]})' if word else ''} and gave no token.")
    lifetime = told.get("expires_in")
    seconds = int(lifetime) if isinstance(lifetime, int | float) and not isinstance(lifetime, bool) else UNKNOWN_LIFETIME_SECONDS
    _keep(key, token, min(seconds, LONGEST_LIFETIME_SECONDS) - SOONER_SECONDS)
    return token


def _token_request(ask: Ask, how: Mapping[str, Any], secret: str) -> outbound.Answer:
    form = {"grant_type": "client_credentials", **{name: how[name] for name in ("scope", "audience") if how.get(name)}}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if how.get("send", "basic") == "body":
        form |= {"client_id": how["client_id"], "client_secret": secret}
    else:
        headers["Authorization"] = f"Basic {_encoded(quote_plus(how['client_id']), quote_plus(secret))}"
    return outbound.request(
        "POST", how["token_url"], headers=headers, content=urlencode(form).encode(), timeout_ms=ask.left_ms, allow_hosts=ask.allowed
    )


def _keep(key: str, token: str, seconds: int) -> None:
    if seconds > 0:
        try:
            cache.set(key, sealing.seal(token, purpose=PURPOSE), seconds)  # sealed: the cache may be a Redis that others read
        except Exception as fault:  # noqa: BLE001  see _kept
            log.warning("token_not_kept", fault=type(fault).__name__)


def _json_object(answer: outbound.Answer | None) -> dict[str, Any]:
    try:
        found = json.loads(answer.body) if answer else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


KINDS: Final[Mapping[str, Callable[[Ask, Mapping[str, Any]], Iterator[Credentials]]]] = {
    "none": _none,
    "bearer": _bearer,
    "basic": _basic,
    "header": _header,
    "api_key": _api_key,
    "oauth2_client_credentials": _oauth2,
    "hmac": _hmac,
}
