"""SECURITY_HUB_URL: a policy decision point that has the last word on flows. docs/integrations.md has the contract.

The permissions here come first; the hub can only refuse more. It is asked in the manner of the OpenID AuthZEN Authorization API 1.0. Without
an answer nothing is allowed: who sets a hub up wants it obeyed also on its bad days. `system` is the platform itself and is not asked about.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Lock
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from django.conf import settings

from mcp_platform import errors, observability, outbound
from mcp_platform.outbound import breaker
from mcp_platform.tenancy.models import Tenant

Action = Literal["start", "edit", "publish", "archive", "delete"]

EVALUATION: Final = "/access/v1/evaluation"
BREAKER: Final = "security-hub"
REMEMBERED: Final = 10_000
SYSTEM: Final = "system"

log = observability.logger(__name__)
_Key = tuple[str, str, str, str, str]
_answers: "OrderedDict[_Key, tuple[float, str | None]]" = OrderedDict()
_lock = Lock()


@dataclass(frozen=True, slots=True)
class _Answer:
    fault: errors.PlatformError | None


_ahead: "ContextVar[Mapping[_Key, _Answer]]" = ContextVar("asked_ahead", default=MappingProxyType({}))


class Refused(errors.Denied):
    """The security hub does not allow this."""

    code = "REFUSED_BY_SECURITY_HUB"


class HubAway(errors.Unavailable):
    """The security hub cannot be asked; without its answer this is not allowed."""

    code = "SECURITY_HUB_UNAVAILABLE"


def require_flow(tenant: Tenant, *, actor: str, action: Action, flow_id: str) -> None:
    """Nothing without a hub. Asks over the network: never call it inside a transaction. Raises Refused, HubAway."""
    if not settings.SECURITY_HUB_URL or actor in ("", SYSTEM):
        return
    found = _ahead.get().get(_key(tenant, actor, action, flow_id)) or _answer(tenant, actor, action, flow_id)
    if found.fault is not None:
        raise found.fault


@contextmanager
def ahead(tenant: Tenant, *, actor: str, actions: Sequence[Action], flow_id: str) -> Iterator[None]:
    """Ask before a transaction: inside the block `require_flow` knows the answers, refusals too, however long the transaction takes."""
    found = {_key(tenant, actor, action, flow_id): _answer(tenant, actor, action, flow_id) for action in actions}
    before = _ahead.set({**_ahead.get(), **found})
    try:
        yield
    finally:
        _ahead.reset(before)


def _key(tenant: Tenant, actor: str, action: str, flow_id: str) -> _Key:
    return (settings.SECURITY_HUB_URL, str(tenant.pk), actor, action, flow_id)


def _answer(tenant: Tenant, actor: str, action: str, flow_id: str) -> _Answer:
    key = _key(tenant, actor, action, flow_id)
    found = _remembered(key)
    if found is None:
        try:
            found = (_ask(tenant, actor, action, flow_id),)
        except HubAway as away:
            return _Answer(away)
        _remember(key, found[0])
    return _Answer(None if found[0] is None else Refused(found[0], flow_id=flow_id, action=action))


def _remembered(key: _Key) -> tuple[str | None] | None:
    """A tuple of why it was refused, None for allowed; None when nothing is known."""
    with _lock:
        until, why = _answers.get(key, (0.0, None))
    return (why,) if time.monotonic() < until else None


def _remember(key: _Key, why: str | None) -> None:
    with _lock:
        _answers[key] = (time.monotonic() + settings.SECURITY_HUB_CACHE_SECONDS, why)
        _answers.move_to_end(key)
        while len(_answers) > REMEMBERED:
            _answers.popitem(last=False)


def forget() -> None:
    with _lock:
        _answers.clear()


def _ask(tenant: Tenant, actor: str, action: str, flow_id: str) -> str | None:
    if not breaker.admits(BREAKER):
        raise HubAway
    well = False
    try:
        why = _read(_send(_question(tenant, actor, action, flow_id)))
        well = True
    except HubAway:
        raise
    except errors.PlatformError as fault:
        log.warning("security_hub_failed", fault=str(fault))
        raise HubAway from fault
    finally:
        breaker.report(BREAKER, healthy=well)
    return why


def _question(tenant: Tenant, actor: str, action: str, flow_id: str) -> dict[str, Any]:
    kind, _, name = actor.partition(":")
    return {
        "subject": {"type": kind, "id": name or kind, "properties": {"tenant_id": str(tenant.pk), "tenant": tenant.slug}},
        "action": {"name": action},
        "resource": {"type": "flow", "id": flow_id, "properties": {"tenant_id": str(tenant.pk), "tenant": tenant.slug}},
        "context": {"correlation_id": observability.correlation_id(), "service": settings.SERVICE_NAME},
    }


def _send(question: dict[str, Any]) -> outbound.Answer:
    base = settings.SECURITY_HUB_URL.rstrip("/")
    headers = {"X-Request-ID": observability.correlation_id()}
    if settings.SECURITY_HUB_TOKEN:
        headers["Authorization"] = f"Bearer {settings.SECURITY_HUB_TOKEN}"
    # The address is the operator's, not a tenant's: it may be a private one.
    return outbound.request(
        "POST",
        base + EVALUATION,
        json=question,
        headers=headers,
        timeout_ms=settings.SECURITY_HUB_TIMEOUT_MS,
        allow_hosts=[urlsplit(base).hostname or ""],
    )


def _read(answer: outbound.Answer) -> str | None:
    """Why it is refused; None when it is allowed."""
    told = _decoded(answer) if answer.status == 200 else None
    decision = told.get("decision") if isinstance(told, dict) else None
    if told is None or not isinstance(decision, bool):
        log.warning("security_hub_unreadable", status=answer.status)
        raise HubAway
    return None if decision else _reason(told.get("context"))


def _decoded(answer: outbound.Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _reason(context: Any) -> str:
    """What the hub wants its users to read: AuthZEN's `reason_user`, a text or texts by language."""
    told = context.get("reason_user") if isinstance(context, dict) else None
    text = next(iter(told.values()), None) if isinstance(told, dict) else told
    return text[:300] if isinstance(text, str) and text.strip() else str(Refused.__doc__)
