"""Webhooks with Standard Webhooks signatures: https://www.standardwebhooks.com. While a secret is being rotated both sign."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from django.conf import settings
from standardwebhooks import Webhook

from mcp_platform import outbound, sealing
from mcp_platform.errors import PlatformError
from mcp_platform.outbox.core.envelope import CONTENT_TYPE
from mcp_platform.outbox.models import PURPOSE, Endpoint
from mcp_platform.outbox.sinks.parcel import Outcome, Parcel

ANSWER_KEPT = 500  # characters
LONGEST_RETRY_AFTER = 24 * 3600


def send(endpoint: Endpoint, parcels: Sequence[Parcel]) -> list[Outcome]:
    """One request for each event; the first that fails is the last that is tried."""
    done: list[Outcome] = []
    for parcel in parcels:
        done.append(_post(endpoint, parcel))
        if not done[-1].ok:
            break
    return done


def _post(endpoint: Endpoint, parcel: Parcel) -> Outcome:
    url = settings.ANALYTICS_ENGINE_URL if endpoint.is_managed else endpoint.url
    shown = f"POST {outbound.shown(url)} webhook-id: {parcel.event_id}, attempt {parcel.attempt}"
    try:
        headers = {**_custom(endpoint), **_standard(endpoint, parcel)}
        answer = outbound.request("POST", url, headers=headers, content=parcel.body, timeout_ms=endpoint.timeout_ms, allow_hosts=_allowed(endpoint))
    except PlatformError as fault:  # SealBroken too: an operator must see it where the event has stopped
        return Outcome(ok=False, error=f"{fault.code}: {fault.message}"[:300], request=shown)
    ok = 200 <= answer.status < 300
    return Outcome(
        ok=ok,
        status=answer.status,
        error="" if ok else f"the answer was {answer.status}",
        answer=answer.body[: 4 * ANSWER_KEPT].decode("utf-8", "replace").replace("\x00", "")[:ANSWER_KEPT],
        request=shown,
        ms=answer.elapsed_ms,
        gone=answer.status == 410,
        retry_after=_retry_after(answer.headers),
    )


def _custom(endpoint: Endpoint) -> dict[str, str]:
    found: dict[str, str] = json.loads(sealing.unseal(endpoint.sealed_headers, purpose=PURPOSE)) if endpoint.sealed_headers else {}
    return found


def _standard(endpoint: Endpoint, parcel: Parcel) -> dict[str, str]:
    at = parcel.at.astimezone(UTC)
    headers = {
        "content-type": CONTENT_TYPE,
        "user-agent": f"{settings.SERVICE_NAME}/{settings.VERSION}",
        "webhook-id": str(parcel.event_id),
        "webhook-timestamp": str(int(at.timestamp())),
    }
    signatures = [Webhook(secret).sign(str(parcel.event_id), at, parcel.body.decode()) for secret in _secrets(endpoint, at)]
    return {**headers, "webhook-signature": " ".join(signatures)} if signatures else headers


def _secrets(endpoint: Endpoint, at: datetime) -> list[str]:
    """The newest first; the one before it as long as it is valid."""
    if endpoint.is_managed:
        return [settings.ANALYTICS_ENGINE_SECRET] if settings.ANALYTICS_ENGINE_SECRET else []
    sealed = [endpoint.sealed_secret] if endpoint.sealed_secret else []
    if endpoint.sealed_previous and endpoint.previous_until is not None and endpoint.previous_until > at:
        sealed.append(endpoint.sealed_previous)
    return [sealing.unseal(one, purpose=PURPOSE) for one in sealed]


def _allowed(endpoint: Endpoint) -> tuple[str, ...]:
    """The operator's own analytics engine may live inside."""
    if not endpoint.is_managed:
        return ()
    from urllib.parse import urlsplit

    parts = urlsplit(settings.ANALYTICS_ENGINE_URL)
    return tuple(name for name in (parts.hostname, parts.netloc) if name)


def _retry_after(headers: Mapping[str, str]) -> float:
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    return float(min(int(text), LONGEST_RETRY_AFTER)) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0
