"""Public chat pages: their rows, and how a visitor enters one."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from conversations import errors, services
from conversations.models import WebChannel
from conversations.visitors import Visitor, period, returning
from flows.models import Environment, Flow
from mcp_platform.errors import Invalid
from mcp_platform.rest import StaleEtag, etag_of
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

FIELDS = ("name", "flow_id", "environment", "locale", "allowed_origins", "colour", "greeting", "enabled")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LOCALE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,2}")
MOST_ORIGINS = 50


def channel(tenant: Tenant, channel_id: UUID) -> WebChannel:
    """Raises ChannelNotFound."""
    return _found(WebChannel.objects.for_tenant(tenant), channel_id)


def save(tenant: Tenant, *, channel_id: UUID | None = None, fields: Mapping[str, Any], expected: datetime | None = None, by: By) -> WebChannel:
    """Create a chat page, or change some members of one. `expected`: the `updated_at` that the caller has read.

    Raises ChannelNotFound, StaleEtag, Invalid with every fault.
    """
    with transaction.atomic():
        if channel_id is None:
            row = WebChannel(tenant=tenant, public_id=secrets.token_urlsafe(12).replace("-", "x").replace("_", "y"))
        else:
            row = _locked(tenant, channel_id, expected)
        before = {name: getattr(row, name) for name in FIELDS} if channel_id is not None else {}
        for name in FIELDS:
            setattr(row, name, fields.get(name, getattr(row, name)))
        row.allowed_origins = (
            [str(origin).rstrip("/").lower() for origin in row.allowed_origins] if isinstance(row.allowed_origins, list) else row.allowed_origins
        )
        faults = _faults(tenant, row)
        if faults:
            raise Invalid("The chat page cannot be taken; `errors` lists every fault.", errors=faults)
        row.save()
        changes = {name: getattr(row, name) for name in FIELDS if before.get(name) != getattr(row, name)}
        if changes:
            audit(tenant, actor=actor_of(by), action="channel.save" if before else "channel.create", target=row, changes=changes)
    return row


def delete(tenant: Tenant, *, channel_id: UUID, expected: datetime | None = None, by: By) -> None:
    """Its conversations stay. Raises ChannelNotFound, StaleEtag."""
    with transaction.atomic():
        row = _locked(tenant, channel_id, expected)
        audit(tenant, actor=actor_of(by), action="channel.delete", target=row, changes={"name": row.name})
        row.delete()


def _locked(tenant: Tenant, channel_id: UUID, expected: datetime | None) -> WebChannel:
    row = _found(WebChannel.objects.for_tenant(tenant).select_for_update(), channel_id)
    if expected is not None and row.updated_at != expected:
        raise StaleEtag(expected=etag_of(row.updated_at.isoformat()), given=etag_of(expected.isoformat()))
    return row


def _found(rows: QuerySet[WebChannel], channel_id: UUID) -> WebChannel:
    row = rows.filter(pk=channel_id).first()
    if row is None:
        raise errors.ChannelNotFound
    return row


def _faults(tenant: Tenant, row: WebChannel) -> list[dict[str, str]]:
    checks = (
        (bool(row.name.strip()), "name", "is empty", "a name that visitors read"),
        (
            Flow.objects.for_tenant(tenant).filter(flow_id=row.flow_id, archived_at=None).exists(),
            "flow_id", "is no flow of this tenant", "the flow_id of a flow",
        ),
        (
            not row.environment or Environment.objects.for_tenant(tenant).filter(name=row.environment).exists(),
            "environment", "is no environment", "the name of an environment, or nothing for the default one",
        ),
        (not row.locale or bool(_LOCALE.fullmatch(row.locale)), "locale", "is no locale", "a language such as de or de-AT, or nothing"),
        (bool(_COLOUR.fullmatch(row.colour)), "colour", "is no colour", "a colour such as #6d28d9"),
    )  # fmt: skip
    found = [_fault(*said) for fits, *said in checks if not fits]
    return found + _origin_faults(row.allowed_origins)


def _origin_faults(origins: Any) -> list[dict[str, str]]:
    expected = "an origin such as https://www.example.org"
    if not isinstance(origins, list) or len(origins) > MOST_ORIGINS:
        return [_fault("allowed_origins", "is no list of origins", f"at most {MOST_ORIGINS} origins")]
    return [_fault(f"allowed_origins[{index}]", "is no origin", expected) for index, origin in enumerate(origins) if not is_origin(origin)]


def is_origin(text: str) -> bool:
    """scheme://host[:port] and nothing else: it goes into a header as it is."""
    if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}", text):
        return False
    try:
        parsed = urlsplit(text)
        return bool(parsed.hostname) and (parsed.port is None or parsed.port > 0)
    except ValueError:
        return False


def _fault(path: str, message: str, expected: str) -> dict[str, str]:
    return {"path": f"$.{path}", "code": "invalid", "message": message, "expected": expected}


def enter(here: WebChannel, *, start_id: str, token: str = "", locale: str = "", afresh: bool = False, address: str = "") -> Visitor:
    """The visitor's conversation: the one of the token, else a new one. The same `start_id`, which only the browser knows, starts it once,
    within the time that a token lives: when that has ended, so has the way back.

    Raises FlowNotFound, EnvironmentNotFound, and MessageIdReused when the chat has changed since: the browser needs another `start_id`.
    """
    known = returning(here, token, address) if token else None
    if known is not None and not afresh:
        return known
    mark = hashlib.sha256(f"{here.public_id}|{start_id}|{period()}".encode()).hexdigest()
    name = known.name if known is not None else mark[:12]
    begun = services.start(
        here.tenant,
        flow_id=here.flow_id,
        environment=here.environment,
        channel="web",
        user_ref=f"web-{name}",
        locale=locale or here.locale or "en",
        profile={"chat": here.name},
        client_message_id=f"web:{mark}",
        actor=f"visitor:{name}",
    )
    return Visitor(channel=here, conversation_id=begun.conversation_id, name=name, address=address)
