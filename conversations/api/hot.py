"""The two hot routes: start a conversation, post a message. No serializers, no middleware but the entrance (ADR 0007).

Under ASGI the view is asynchronous and the service runs on one of the threads of `pool`; under WSGI the same runs where it is. Waiting for a
turn holds no thread.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.views import APIView

from conversations import bodies, services
from conversations.turn import Result
from mcp_platform import errors, observability, pool, rest
from mcp_platform.tenancy.authenticators import admit
from mcp_platform.tenancy.scope import Principal, become

log = observability.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What a handler gives back: who asked, how the turn stands, how long the caller waits."""

    principal: Principal
    result: Result
    wait_seconds: float


Handler = Callable[..., Accepted]


def post_message(request: HttpRequest, conversation_id: UUID) -> Accepted:
    principal = admit(request)
    principal.require("conversations:write")
    body = bodies.message(_json(request))
    preference = bodies.preference(request.META.get("HTTP_PREFER", ""))
    result = services.process_message(
        principal.tenant,
        conversation_id=conversation_id,
        content=body["content"],
        client_message_id=_message_id(request, body),
        user_id=body.get("user_id", ""),
        channel=body.get("channel", ""),
        metadata=body.get("metadata"),
        hints=body.get("hints"),
        defer=preference.respond_async,
    )
    return Accepted(principal=principal, result=result, wait_seconds=0 if preference.respond_async else preference.wait_seconds)


def post_start(request: HttpRequest) -> Accepted:
    principal = admit(request)
    principal.require("conversations:write")
    body = bodies.start(_json(request))
    preference = bodies.preference(request.META.get("HTTP_PREFER", ""))
    result = services.start(
        principal.tenant,
        flow_id=body.get("flow_id", ""),
        environment=body.get("environment", ""),
        channel=body.get("channel", "web"),
        user_ref=body.get("user_id", ""),
        locale=body.get("locale", "en"),
        inputs=body.get("inputs"),
        profile=body.get("user_profile"),
        client_message_id=_message_id(request, body),
        actor=principal.actor,
    )
    return Accepted(principal=principal, result=result, wait_seconds=0 if preference.respond_async else preference.wait_seconds)


def _json(request: HttpRequest) -> Any:
    try:
        body = request.body
    except RequestDataTooBig as fault:
        raise rest.PayloadTooLarge(limit_bytes=rest.MAX_BODY) from fault
    if body and request.content_type != "application/json":
        raise UnsupportedMediaType(request.content_type or "(none)")
    return rest.read_json(body)


def _message_id(request: HttpRequest, body: dict[str, Any]) -> str:
    """From the body, else from the Idempotency-Key header. Raises SchemaError."""
    given: str = body.get("client_message_id", "")
    header = request.META.get("HTTP_IDEMPOTENCY_KEY", "")
    if not given and header:
        bodies.checked({"Idempotency-Key": header}, {"Idempotency-Key": bodies.message_id})
    return given or header


def answer(result: Result, *, created: bool = False) -> HttpResponse:
    """The stored reply as it is; 202 with the turn's address while there is none."""
    here = f"/api/v1/conversations/{result.conversation_id}"
    if result.pending:
        turn = {"id": str(result.turn_id), "number": result.number, "status": result.status}
        body = json.dumps({"conversation_id": str(result.conversation_id), "turn": turn})
        response = HttpResponse(body, status=202, content_type="application/json")
        response.headers["Location"] = f"{here}/turns/{result.number}"
        response.headers["Retry-After"] = "1"
    else:
        response = HttpResponse(result.body, status=201 if created else 200, content_type="application/json")
        if created:
            response.headers["Location"] = here
    if result.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _refusal(fault: Exception) -> HttpResponse:
    error = rest.as_platform_error(fault)
    if error is None:
        log.error("unexpected", exc_info=fault)
        error = errors.Broken()
    response = rest.problem_json(error)
    for name, value in getattr(error, "headers", {}).items():
        response.headers[name] = value
    return response


def route(handler: Handler, others: type[APIView], *, created: bool = False) -> Any:
    """A view that answers POST by `handler` and every other method by a DRF view, which also documents both."""
    rest_of = others.as_view()

    async def hot(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if request.method != "POST" or not isinstance(request, ASGIRequest):  # a synchronous server came the long way: back to its thread
            other: HttpResponse = await sync_to_async(direct)(request, **kwargs)
            return other
        try:
            accepted = await pool.run(handler, request, **kwargs)
            result = accepted.result
            if result.pending and accepted.wait_seconds:
                become(accepted.principal.tenant)
                result = await services.ended(accepted.principal.tenant, result, accepted.wait_seconds)
            return answer(result, created=created)
        except Exception as fault:  # noqa: BLE001  as DRF's handler does: everything becomes a problem document
            return _refusal(fault)

    def direct(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if request.method != "POST":
            other: HttpResponse = rest_of(request, **kwargs)
            return other
        try:
            accepted = handler(request, **kwargs)
            return answer(services.waited(accepted.principal.tenant, accepted.result, accepted.wait_seconds), created=created)
        except Exception as fault:  # noqa: BLE001  see above
            return _refusal(fault)

    view: Any = csrf_exempt(hot)
    view.sync = direct  # what a WSGI server runs
    view.cls, view.initkwargs = others, {}  # where drf-spectacular looks
    return view
