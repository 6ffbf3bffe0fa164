"""REST: the mapped values go into the path, the query, headers and the body."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from conversations.effects import authentication
from conversations.effects.answers import heard
from conversations.effects.authentication import Credentials
from conversations.effects.types import MASK, Ask, Heard, Sent, Veil, failed, failed_by
from flows.models import Integration
from mcp_platform import errors, outbound

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_IN_THE_QUERY: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_HEADER: Final = re.compile(r"[\x20-\x7e]{0,1000}")
_SEPARATORS: Final = re.compile(r"[/\\]")
_RESERVED: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "idempotency-key", "authorization", "cookie"})


class PathRefused(errors.Invalid):
    """A value cannot be a part of the path."""

    code = "INTEGRATION_ERROR"


def repeatable(_integration: Integration, request: Mapping[str, Any]) -> bool:
    return str(request.get("method") or "GET").upper() in IDEMPOTENT


@dataclass(slots=True)
class Parts:
    """Where the mapped values go. `body` is whatever JSON there is to send; None sends none."""

    path: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    body: Any = None


def parts_of(method: str, values: Mapping[str, Any], endpoint: str = "") -> Parts:
    """`query.x`, `header.X-Name`, `path.x` and `body.x.y` say where they go, `body` is the whole body; other names go into the body, or into
    the query of a method that has none. A name that the endpoint has in braces goes there."""
    parts = Parts(body=None if method in _IN_THE_QUERY else {})
    for name, value in values.items():
        place, _, rest = name.partition(".")
        if name == "body":
            parts.body = value
        elif rest and place in ("query", "header", "path"):
            getattr(parts, place)[rest] = value
        elif rest and place == "body":
            _put(parts, rest.split("."), value)
        elif f"{{{name}}}" in endpoint.split("/"):
            parts.path[name] = value
        elif method in _IN_THE_QUERY:
            parts.query[name] = value
        else:
            _put(parts, [name], value)
    return parts


def _put(parts: Parts, steps: list[str], value: Any) -> None:
    """Into the body, one object deeper with each step. A body that was given whole and is no object stays as it is."""
    here = parts.body if parts.body is not None else {}
    parts.body = here
    for step in steps[:-1]:
        if not isinstance(here, dict):
            return
        here = here.setdefault(step, {})
    if isinstance(here, dict):
        here[steps[-1]] = value


def joined(base_url: str, endpoint: str, values: dict[str, Any]) -> str:
    """The endpoint below the base URL, with {name} replaced by values of the request, which are taken out of it. It cannot leave the base.

    Raises PathRefused.
    """
    parts = []
    for part in endpoint.split("/"):
        if part in ("", ".", ".."):
            continue
        name = part[1:-1] if part.startswith("{") and part.endswith("}") else ""
        parts.append(_segment(name, values.pop(name)) if name in values else part)
    path = "/".join(parts) + ("/" if parts and endpoint.endswith("/") else "")
    base = base_url.rstrip("/")
    return f"{base}/{path}" if path else base_url if urlsplit(base_url).path else f"{base}/"


def _segment(name: str, value: Any) -> str:
    """Raises PathRefused for what would name another resource: nothing at all, or steps up; some servers also read %2F as a separator."""
    text = as_text(value)
    if not text or not {".", ".."}.isdisjoint(_SEPARATORS.split(text)):
        raise PathRefused(f"The value of {{{name[:60]}}} cannot be a part of the path.")
    return quote(text, safe="")


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A request that only lacks its credentials."""

    method: str
    url: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes | None
    shown: Any  # the body as people read it


def perform(ask: Ask) -> Heard:
    letter = _letter(ask)
    return letter if isinstance(letter, Heard) else exchange(ask, letter, heard)


def exchange(ask: Ask, letter: Letter, understand: Callable[[outbound.Answer, Veil, Sent], Heard]) -> Heard:
    """Send it; when the answer is 401 and there is something else to show, once more with that: a request that was refused has not happened."""
    found: Heard | None = None
    sent: Sent | None = None
    try:
        for credentials in authentication.candidates(ask):
            veil = Veil(credentials.secrets)
            headers = {**letter.headers, **credentials.headers}
            params = {**letter.params, **credentials.params}
            url = f"{letter.url}?{urlencode(params, quote_via=quote)}" if params else letter.url
            headers |= credentials.sign(letter.method, _target(url), letter.content or b"")
            sent = _shown(letter, headers, params, credentials, veil)
            answer = outbound.request(letter.method, url, headers=headers, content=letter.content, timeout_ms=ask.left_ms, allow_hosts=ask.allowed)
            found = understand(answer, veil, sent)
            if answer.status != 401:
                break
    except errors.PlatformError as fault:
        return found or failed_by(fault, sent)
    return found or failed("there is nothing to show who we are", sent=sent)


def _letter(ask: Ask) -> Letter | Heard:
    method = ask.method
    parts = parts_of(method, ask.values, ask.endpoint)
    path = dict(parts.path)
    try:
        url = joined(ask.integration.base_url, ask.endpoint, path)
    except PathRefused as fault:
        return failed_by(fault)
    bad = [name for name, value in parts.header.items() if name.lower() in _RESERVED or not _HEADER.fullmatch(as_text(value))]
    if bad:
        return failed(f"the header {bad[0][:60]} cannot be sent with this value")
    headers = {**ask.integration.headers, **{name: as_text(value) for name, value in parts.header.items()}, **ask.marks()}
    form = ask.integration.options.get("body") == "form"
    content = None if parts.body is None else _encoded(parts.body, form)
    if content is not None:
        headers = {"Content-Type": "application/x-www-form-urlencoded" if form else "application/json", **headers}
    params = {name: as_text(value) for name, value in {**path, **parts.query}.items()}
    return Letter(method=method, url=url, params=params, headers=headers, content=content, shown=parts.body)


def _encoded(body: Any, form: bool) -> bytes:
    if form:
        fields = body.items() if isinstance(body, Mapping) else [("body", body)]
        return urlencode([(name, as_text(value)) for name, value in fields]).encode()
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _target(url: str) -> str:
    """What stands in the request line: path and query."""
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _shown(letter: Letter, headers: Mapping[str, str], params: Mapping[str, str], credentials: Credentials, veil: Veil) -> Sent:
    masked = {name: MASK if name in credentials.params else value for name, value in params.items()}
    query = "&".join(f"{quote(name)}={value if value == MASK else quote(value)}" for name, value in masked.items())
    hidden = {name: MASK if name in credentials.headers else value for name, value in headers.items()}
    return Sent(
        method=letter.method,
        url=veil.text(f"{letter.url}?{query}" if query else letter.url),
        headers=veil.headers(hidden),
        body=veil.value(letter.shown),
    )
