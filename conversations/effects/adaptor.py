"""ADAPTOR_SERVICE_URL: another service makes the calls (docs/integrations.md has the contract). It gets names of secrets, never their values."""

import json
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from conversations.core.types import Outcome
from conversations.core.values import cleaned
from conversations.effects import answers
from conversations.effects.types import Ask, Heard, Sent, Veil, failed, failed_by
from mcp_platform import errors, outbound

SLACK_MS: Final = 1_000  # the adaptor may need this much longer than the call that it makes


def is_used() -> bool:
    return bool(settings.ADAPTOR_SERVICE_URL)


def perform(ask: Ask) -> Heard:
    row = ask.integration
    body = {
        "tenant_id": str(ask.tenant.pk),
        "integration_id": row.integration_id,
        "integration": {
            "type": row.type,
            "base_url": row.base_url,
            "authentication": row.authentication,
            "headers": row.headers,
            "options": row.options,
            "rev": row.rev,
        },
        "endpoint": ask.endpoint,
        "method": ask.method,
        "request_data": ask.values,
        "timeout_ms": ask.left_ms,
        "idempotency_key": ask.key,
    }
    url = f"{settings.ADAPTOR_SERVICE_URL.rstrip('/')}/v1/integrations/{row.integration_id}/execute"
    sent = Sent(method=ask.method, url=url, headers=ask.marks(), body=body)
    token = settings.ADAPTOR_SERVICE_TOKEN
    headers = {"Content-Type": "application/json", **ask.marks(), **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        answer = outbound.request(
            "POST",
            url,
            headers=headers,
            content=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"),
            timeout_ms=ask.left_ms + SLACK_MS,
            allow_hosts=(urlsplit(url).hostname or "",),
        )
    except errors.PlatformError as fault:
        return failed_by(fault, sent)
    return _heard(answer, Veil((token,) if token else ()), sent)


def _heard(answer: outbound.Answer, veil: Veil, sent: Sent) -> Heard:
    """200 carries an integration result; anything else is the adaptor's own trouble."""
    told = answers.data(answer)
    if answer.status != 200 or not isinstance(told, dict) or not isinstance(told.get("success"), bool):
        found = answers.heard(answer, veil, sent)
        why = "the adaptor's answer is no integration result" if answer.status == 200 else f"the adaptor answered {answer.status}"
        return failed(why, well=found.well and answer.status != 200, again=found.again, sent=sent, execution_time_ms=answer.elapsed_ms)
    status, success = _whole(told.get("status_code")), told["success"]
    outcome = Outcome(
        success=success,
        status_code=status,
        data=veil.value(cleaned(told.get("data"))),
        error="" if success else veil.text(str(told.get("error") or "the call failed")[:500]),
        code="" if success else str(told.get("code") or "INTEGRATION_ERROR")[:60],
        execution_time_ms=_whole(told.get("execution_time_ms")) or answer.elapsed_ms,
        retries=_whole(told.get("retries")),
    )
    late = outcome.code == "INTEGRATION_TIMEOUT"
    return Heard(
        outcome=outcome, well=success or not (late or status >= 500), again=not success and (late or status in answers.FOR_A_WHILE), sent=sent
    )


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else 0
