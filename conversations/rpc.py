"""gRPC: `mcp.v2.MCPEngine` (proto/mcp_v2.proto, docs/protocol/grpc.md). The same services as REST, the same errors."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import unquote
from uuid import UUID

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from conversations import bodies, queries, services
from conversations.errors import ConversationNotFound
from conversations.proto import mcp_v2_pb2 as pb
from conversations.proto import mcp_v2_pb2_grpc
from conversations.turn import Result
from mcp_platform import errors, observability, pool, rest
from mcp_platform.errors import Kind, PlatformError
from mcp_platform.tenancy import authenticators, scope, throttling
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)

Context = Any  # grpc.aio.ServicerContext, generic in the stubs only
Answer = TypeVar("Answer")

CODES: Mapping[Kind, int] = {
    Kind.INVALID: code_pb2.INVALID_ARGUMENT,
    Kind.DENIED: code_pb2.PERMISSION_DENIED,
    Kind.NOT_FOUND: code_pb2.NOT_FOUND,
    Kind.CONFLICT: code_pb2.FAILED_PRECONDITION,
    Kind.BUSY: code_pb2.UNAVAILABLE,  # what clients retry
    Kind.THROTTLED: code_pb2.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: code_pb2.UNAVAILABLE,
    Kind.BROKEN: code_pb2.INTERNAL,
}
# Where gRPC has a finer word than the kind.
CODE_OF: Mapping[str, int] = {"UNAUTHENTICATED": code_pb2.UNAUTHENTICATED, "IDEMPOTENCY_KEY_REUSED": code_pb2.ALREADY_EXISTS}
DEFAULT_WAIT, LONGEST_WAIT = 10.0, 60.0
MARGIN = 0.25  # seconds of a deadline that the answer needs to get home
SERVICE = "mcp.v2.MCPEngine"


class Engine(mcp_v2_pb2_grpc.MCPEngineServicer):
    """Each call authenticates by the metadata `authorization: Bearer …`, an API key or a JWT."""

    async def ProcessMessage(self, request: pb.ProcessMessageRequest, context: Context) -> pb.ProcessMessageResponse:  # noqa: N802  of the proto
        return await _guarded(context, _process, request)

    async def GetConversationState(self, request: pb.GetStateRequest, context: Context) -> pb.GetStateResponse:  # noqa: N802
        return await _guarded(context, _state, request)

    async def ResetConversation(self, request: pb.ResetRequest, context: Context) -> pb.ResetResponse:  # noqa: N802
        return await _guarded(context, _reset, request)


async def _guarded(context: Context, handle: Callable[..., Awaitable[Answer]], request: Any) -> Answer:
    """Authenticate, enter the tenant, handle; every error becomes a status with details."""
    metadata = {name.lower(): value for name, value in context.invocation_metadata() or ()}
    with observability.correlated(str(metadata.get("x-correlation-id", ""))), scope.enter(()):
        try:
            principal = await pool.run(_admitted, metadata, context.peer(), request.tenant_id)
            scope.become(principal.tenant)
            observability.bind(tenant_id=principal.tenant.pk, actor=principal.actor)
            return await handle(principal, request, _patience(context))
        except asyncio.CancelledError:
            raise
        except Exception as fault:  # as in REST: everything becomes a problem
            error = rest.as_platform_error(fault)
            if error is None:
                log.error("unexpected", exc_info=fault)
                error = errors.Broken()
            await context.abort_with_status(rpc_status.to_status(status(error)))
            raise AssertionError("abort_with_status raises") from fault


def _admitted(metadata: Mapping[str, Any], peer: str, tenant: str) -> Principal:
    kind, _, token = str(metadata.get("authorization", "")).partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send metadata authorization: Bearer <API key or JWT>.")
    with scope.platform_scope():  # which tenant it is, is what we are finding out
        principal = authenticators.authenticate_bearer(token.strip(), address=_address(peer))
    if tenant and tenant not in (principal.tenant.slug, str(principal.tenant.pk)):
        raise errors.NotFound("There is no such tenant.", path="$.tenant_id", expected="the tenant of the credential, or nothing")
    throttling.spend(principal)
    return principal


def _address(peer: str) -> str:
    """The address in gRPC's `ipv4:127.0.0.1:5000` or `ipv6:%5B::1%5D:5000`."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")


def _patience(context: Context) -> float:
    """How long to wait for a turn to end: until shortly before the deadline."""
    left = context.time_remaining()
    return DEFAULT_WAIT if left is None else max(0.0, min(left - MARGIN, LONGEST_WAIT))


async def _process(principal: Principal, request: pb.ProcessMessageRequest, patience: float) -> pb.ProcessMessageResponse:
    principal.require("conversations:write")
    body, opening = _message_body(request), _start_body(request)
    begun, result = await pool.run(_talk, principal, request.conversation_id, body, opening, defer=request.respond_async)
    if result.pending and patience and not request.respond_async:
        result = await services.ended(principal.tenant, result, patience)
    return _response(result, begun)


def _talk(principal: Principal, wanted: str, body: dict[str, Any] | None, opening: dict[str, Any], *, defer: bool) -> tuple[Result | None, Result]:
    """The result of a start in this call (None when the conversation was there), and the result that counts."""
    begun = None
    conversation_id = _known(principal.tenant, wanted) if wanted else None
    if conversation_id is None:
        begun = _begin(principal, wanted, body, opening)
        conversation_id = begun.conversation_id
    if body is None:
        if begun is None:
            raise rest.SchemaError(errors=[{"path": "$.content", "code": "required", "message": "is missing", "expected": "a message"}])
        return None, begun
    result = services.process_message(principal.tenant, conversation_id=conversation_id, defer=defer, **body)
    if begun is None and result.replayed and result.number == 2:
        begun = _opening(principal.tenant, result)  # the call that is repeated here had started the conversation, and told what that said
    return begun, result


def _opening(tenant: Tenant, result: Result) -> Result:
    first = queries.turn(tenant, result.conversation_id, 1)
    return services.look(tenant, replace(result, turn_id=first.pk, number=1))


def _known(tenant: Tenant, wanted: str) -> UUID | None:
    """The conversation with this id, or the one that was started under this name; None when a name is new. Raises ConversationNotFound."""
    try:
        return UUID(wanted)
    except ValueError:
        found = services.started_as(tenant, _name(wanted))
    try:
        queries.last_seq(tenant, found)
    except ConversationNotFound:
        return None
    return found


def _name(wanted: str) -> str:
    """The id of the start that a client's own name stands for. Raises SchemaError."""
    bodies.checked(
        {"conversation_id": wanted}, {"conversation_id": bodies.text(100, pattern=bodies.MESSAGE_ID, like="a UUID or visible ASCII characters")}
    )
    return f"name:{wanted}"


def _begin(principal: Principal, wanted: str, body: dict[str, Any] | None, opening: dict[str, Any]) -> Result:
    """The name makes the start safe to repeat; without one the message's own id does."""
    message_id = (body or opening).get("client_message_id", "")
    return services.start(
        principal.tenant,
        client_message_id=_name(wanted) if wanted else f"begun:{message_id}" if message_id else "",
        actor=principal.actor,
        **{name: value for name, value in opening.items() if name != "client_message_id"},
    )


async def _state(principal: Principal, request: pb.GetStateRequest, patience: float) -> pb.GetStateResponse:
    principal.require("conversations:read")
    context = await pool.run(_context, principal.tenant, request.conversation_id)
    return pb.GetStateResponse(
        conversation_id=context["conversation_id"],
        current_state=context["current_state"],
        previous_states=context["previous_states"],
        slots=_flat(context["slots"]),
        variables=_flat(context["variables"]),
        status=context["status"],
        intent_history=context["intent_history"],
        error_count=context["error_count"],
        created_at=context["created_at"],
        updated_at=context["updated_at"],
        context_json=json.dumps(context),
    )


def _context(tenant: Tenant, wanted: str) -> dict[str, Any]:
    return queries.context(queries.conversation(tenant, _existing(tenant, wanted)))


def _existing(tenant: Tenant, wanted: str) -> UUID:
    """Raises ConversationNotFound, SchemaError."""
    if not wanted:
        raise rest.SchemaError(errors=[{"path": "$.conversation_id", "code": "required", "message": "is missing", "expected": "a conversation"}])
    found = _known(tenant, wanted)
    if found is None:
        raise ConversationNotFound(conversation_id=wanted)
    return found


async def _reset(principal: Principal, request: pb.ResetRequest, patience: float) -> pb.ResetResponse:
    principal.require("conversations:operate")
    if request.client_message_id:
        bodies.checked({"client_message_id": request.client_message_id}, {"client_message_id": bodies.message_id})
    result = await pool.run(_begin_again, principal, request)
    if result.pending and patience:
        result = await services.ended(principal.tenant, result, patience)
    reply = result.reply
    return pb.ResetResponse(
        conversation_id=str(result.conversation_id),
        current_state=reply.get("current_state", ""),
        response=_content(reply.get("response", {})),
        turn=_turn(result),
        reply_json=result.body,
    )


def _begin_again(principal: Principal, request: pb.ResetRequest) -> Result:
    conversation_id = _existing(principal.tenant, request.conversation_id)
    return services.reset(principal.tenant, conversation_id=conversation_id, client_message_id=request.client_message_id, actor=principal.actor)


def _message_body(request: pb.ProcessMessageRequest) -> dict[str, Any] | None:
    """The arguments of `process_message`, checked by the same rules as REST's body; None without content. Raises SchemaError."""
    if not request.HasField("content"):
        return None
    given: dict[str, Any] = {
        "content": {name: value for name, value in {"type": request.content.type or "text", "text": request.content.text}.items() if value},
        **{name: value for name in ("client_message_id", "user_id", "channel") if (value := getattr(request, name))},
    }
    if request.content.attributes:
        given["content"]["attributes"] = dict(request.content.attributes)
    if request.metadata:
        given["metadata"] = dict(request.metadata)
    hints = {name: value for name in ("priority", "bypass_cache", "force_flow") if (value := getattr(request.hints, name))}
    if hints:
        given["hints"] = hints
    return bodies.message(rest.read_json(json.dumps(given).encode()))


def _start_body(request: pb.ProcessMessageRequest) -> dict[str, Any]:
    """The arguments of `start`. Raises SchemaError."""
    given: dict[str, Any] = {
        name: value for name in ("flow_id", "environment", "locale", "channel", "user_id", "client_message_id") if (value := getattr(request, name))
    }
    given.update({name: _object(request, f"{name}_json") for name in ("inputs", "user_profile") if getattr(request, f"{name}_json")})
    if not given.get("flow_id") and request.hints.force_flow:
        given["flow_id"] = request.hints.force_flow
    found = bodies.start(rest.read_json(json.dumps(given).encode()))
    renamed = {"user_id": "user_ref", "user_profile": "profile"}
    return {"flow_id": "", **{renamed.get(name, name): value for name, value in found.items()}}


def _object(request: pb.ProcessMessageRequest, name: str) -> Any:
    try:
        return rest.read_json(getattr(request, name).encode())
    except rest.SchemaError as fault:
        faults = [{**one, "path": f"$.{name}{one['path'].removeprefix('$')}"} for one in fault.details["errors"]]
        raise rest.SchemaError(errors=faults) from fault


def _response(result: Result, begun: Result | None) -> pb.ProcessMessageResponse:
    """What a start in the same call has said comes first."""
    reply = result.reply
    said = [*(begun.reply.get("response", {}).get("messages", ()) if begun else ()), *reply.get("response", {}).get("messages", ())]
    updates = {
        f"{part}.{name}": value
        for source in ((begun.reply if begun else {}), reply)
        for part, values in source.get("context_updates", {}).items()
        for name, value in values.items()
    }
    shown = reply.get("response", {}) | ({"text": "\n\n".join(one["text"] for one in said if one["text"])} if begun else {})
    return pb.ProcessMessageResponse(
        conversation_id=str(result.conversation_id),
        current_state=reply.get("current_state", ""),
        response=_content(shown),
        context_updates=_flat(updates),
        actions_performed=reply.get("actions_performed", ()),
        processing_time_ms=reply.get("processing_time_ms", 0),
        status=reply.get("status", ""),
        turn=_turn(result),
        replayed=result.replayed,
        confidence_scores=reply.get("confidence_scores", {}),
        ab_variant=reply.get("ab_variant") or "",
        messages=[_message(one) for one in said],
        reply_json=result.body,
    )


def _turn(result: Result) -> pb.Turn:
    return pb.Turn(id=str(result.turn_id), number=result.number, status=result.status)


def _content(response: Mapping[str, Any]) -> pb.MessageContent:
    attributes = {"token": response["token"]} if response.get("token") else {}
    if response.get("buttons"):
        attributes["buttons"] = json.dumps(response["buttons"])
    return pb.MessageContent(type=response.get("type", ""), text=response.get("text", ""), attributes=attributes)


def _message(said: Mapping[str, Any]) -> pb.Message:
    return pb.Message(
        type=said.get("type", "text"),
        text=said.get("text", ""),
        state=said.get("state", ""),
        delay_ms=said.get("delay_ms", 0),
        typing_indicator=said.get("typing_indicator", False),
        token=said.get("token", ""),
        json=json.dumps(said),
    )


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def status(error: PlatformError) -> status_pb2.Status:
    """google.rpc.Status with the reason (`error_code`), the faults with their paths, and when to come again."""
    problem = rest.problem(error)
    told: list[Any] = [error_details_pb2.ErrorInfo(reason=error.code, domain="mcp-platform", metadata=_flat(_facts(problem)))]
    faults = problem.get("errors")
    if isinstance(faults, list) and faults:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(
                field=one.get("path", ""), description=_sentence(one), reason=str(one.get("code", "")).upper()
            )
            for one in faults
        ]
        told.append(error_details_pb2.BadRequest(field_violations=violations))
    if error.kind in (Kind.BUSY, Kind.THROTTLED, Kind.UNAVAILABLE):
        seconds = int(error.details.get("retry_after", 1))
        told.append(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=seconds)))
    packed = []
    for one in told:
        detail = any_pb2.Any()
        detail.Pack(one)
        packed.append(detail)
    return status_pb2.Status(code=CODE_OF.get(error.code, CODES[error.kind]), message=error.message, details=packed)


def _facts(problem: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name not in ("errors", "type", "title", "status", "detail")}


def _sentence(fault: Mapping[str, Any]) -> str:
    return f"{fault.get('message', '')}; expected {fault['expected']}" if fault.get("expected") else str(fault.get("message", ""))


def register(server: grpc.aio.Server) -> str:
    """Add the service; gives its name for health and reflection."""
    mcp_v2_pb2_grpc.add_MCPEngineServicer_to_server(Engine(), server)  # type: ignore[no-untyped-call]  # generated
    return SERVICE
