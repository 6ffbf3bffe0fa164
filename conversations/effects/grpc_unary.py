"""gRPC: one unary call. What the messages look like comes from an uploaded FileDescriptorSet, or from the server's reflection service.

grpc and protobuf are imported where they are used: only workers that make such calls pay for them.
"""

import base64
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from conversations.core.types import Outcome
from conversations.core.values import cleaned
from conversations.effects import authentication
from conversations.effects.authentication import Credentials
from conversations.effects.types import MASK, Ask, Heard, Sent, Veil, failed, failed_by
from flows.models import Integration
from mcp_platform import errors, outbound

METHOD: Final = re.compile(r"/?(?P<service>[A-Za-z_][\w.]*)/(?P<method>[A-Za-z_]\w*)")
FORGET_SECONDS: Final = 300.0  # how long the answer of a reflection service is believed
POOLS_KEPT: Final = 200
MOST_FILES: Final = 200
MOST_REFLECTED: Final = 8 * outbound.MAX_ANSWER  # bytes that a reflection service may tell of one service
UNWELL: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "DATA_LOSS"})
FOR_A_WHILE: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"})
_METADATA_NAME: Final = re.compile(r"[a-z0-9_.\-]{1,100}")
_pools: dict[tuple[str, int], tuple[float, Any]] = {}  # (integration, rev) -> when, DescriptorPool
_pools_lock = threading.Lock()


class NotDescribed(errors.Unavailable):
    """The server's messages are not known: it has no reflection service, and no descriptor set was uploaded."""

    code = "INTEGRATION_ERROR"


def repeatable(integration: Integration, request: Mapping[str, Any]) -> bool:
    """When the method itself says so (`idempotency_level`) in an uploaded descriptor set. Nobody is asked over the network for this."""
    found = METHOD.fullmatch(str(request.get("endpoint", "")).strip())
    if not found or not integration.descriptor_set:
        return False
    try:
        method = _method(uploaded(integration.descriptor_set), found)
    except errors.PlatformError:
        return False
    return method.GetOptions().idempotency_level in (1, 2)  # NO_SIDE_EFFECTS, IDEMPOTENT


def perform(ask: Ask) -> Heard:
    wanted = METHOD.fullmatch(ask.endpoint.strip())
    if wanted is None:
        return failed("the endpoint of a gRPC call is package.Service/Method")
    began = time.monotonic()
    found: Heard | None = None
    try:
        with channel_to(ask) as channel:
            for credentials in authentication.candidates(ask):
                found = _once(ask, channel, wanted, credentials, began)
                if found.outcome.status_code != 16:  # UNAUTHENTICATED
                    break
    except errors.PlatformError as fault:
        return found or failed_by(fault)
    return found or failed("there is nothing to show who we are")


def _once(ask: Ask, channel: Any, wanted: "re.Match[str]", credentials: Credentials, began: float) -> Heard:
    import grpc
    from google.protobuf import json_format, message_factory
    from google.protobuf.message import DecodeError

    veil = Veil(credentials.secrets)
    metadata, message = _metadata(ask, credentials), {name: value for name, value in ask.values.items() if not name.startswith("metadata.")}
    hidden = {name: MASK if name in {key.lower() for key in credentials.headers} else value for name, value in metadata.items()}
    sent = Sent(method="gRPC", url=f"{ask.integration.base_url}/{wanted[0].lstrip('/')}", headers=veil.headers(hidden), body=veil.value(message))
    method = _method(_pool(ask, channel, metadata), wanted)
    if method.client_streaming or method.server_streaming:
        return failed("only unary methods can be called", sent=sent)
    ask_type, answer_type = (message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type))
    try:
        body = json_format.ParseDict(message, ask_type())
    except json_format.ParseError as fault:
        return failed(veil.text(f"the request does not fit {method.input_type.full_name}: {str(fault)[:300]}"), sent=sent)
    call = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=ask_type.SerializeToString,
        response_deserializer=answer_type.FromString,
    )
    outbound.let_go_of_database()
    try:
        answer = call(body, timeout=ask.left_ms / 1000, metadata=tuple(metadata.items()))
    except grpc.RpcError as fault:
        return _failure(fault, veil, sent, began)
    try:
        data = json_format.MessageToDict(
            answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, unquote_int64_if_possible=True
        )
    except (json_format.Error, DecodeError, TypeError, ValueError) as fault:  # an unknown type in an Any, a Timestamp out of bounds
        why = veil.text(f"the answer cannot be read as {method.output_type.full_name}: {str(fault)[:300]}")
        return failed(why, sent=sent, execution_time_ms=_since(began))
    outcome = Outcome(success=True, status_code=0, data=veil.value(cleaned(data)), execution_time_ms=_since(began))
    return Heard(outcome=outcome, sent=sent)


def _failure(fault: Any, veil: Veil, sent: Sent, began: float) -> Heard:
    code = fault.code()
    late = code.name == "DEADLINE_EXCEEDED"
    return failed(
        veil.text(f"{code.name}: {str(fault.details() or '')[:300]}"),
        code="INTEGRATION_TIMEOUT" if late else "INTEGRATION_ERROR",
        well=code.name not in UNWELL,
        again=code.name in FOR_A_WHILE,
        sent=sent,
        status_code=code.value[0],
        execution_time_ms=_since(began),
    )


def _metadata(ask: Ask, credentials: Credentials) -> dict[str, str]:
    """gRPC wants names in lower case. `metadata.x` of the mapping is one of them."""
    mapped = {name.removeprefix("metadata."): value for name, value in ask.values.items() if name.startswith("metadata.")}
    found = {**ask.integration.headers, **mapped, **ask.marks(), **credentials.headers}
    named = {name.lower(): value if isinstance(value, str) else str(value) for name, value in found.items()}
    return {name: value for name, value in named.items() if value and _METADATA_NAME.fullmatch(name) and value.isascii() and value.isprintable()}


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


@contextmanager
def channel_to(ask: Ask) -> Iterator[Any]:
    """A channel to the checked address, under the server's own name. Raises AddressRefused, Unreachable, TimedOut."""
    import grpc

    parts = urlsplit(ask.integration.base_url)
    secure = parts.scheme in ("grpcs", "https")
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    try:
        address = outbound.checked_addresses(host, port, {*settings.OUTBOUND_ALLOWED_HOSTS, *ask.allowed}, ask.left_ms / 1000)[0]
    except TimeoutError as fault:
        raise outbound.TimedOut(url=outbound.shown(ask.integration.base_url)) from fault
    target = f"ipv6:[{address}]:{port}" if ":" in address else f"ipv4:{address}:{port}"
    options = [
        ("grpc.default_authority", f"{host}:{port}"),
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.max_receive_message_length", outbound.MAX_ANSWER),
    ]
    if secure:
        authority = ask.integration.options.get("ca_certificate")
        trusted = grpc.ssl_channel_credentials(root_certificates=authority.encode() if isinstance(authority, str) and authority else None)
        opened = grpc.secure_channel(target, trusted, [*options, ("grpc.ssl_target_name_override", host)])
    else:
        opened = grpc.insecure_channel(target, options)
    try:
        yield opened
    finally:
        opened.close()


def uploaded(descriptor_set: str) -> Any:
    """A DescriptorPool of the uploaded set (base64). Raises NotDescribed."""
    from google.protobuf import descriptor_pb2
    from google.protobuf.message import DecodeError

    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(descriptor_set, validate=True)).file
        return _pool_of({file.name: file for file in files})
    except (ValueError, DecodeError) as fault:
        raise NotDescribed("The descriptor set cannot be read.") from fault


def _method(pool: Any, wanted: "re.Match[str]") -> Any:
    try:
        return pool.FindServiceByName(wanted["service"]).methods_by_name[wanted["method"]]
    except KeyError as fault:
        raise NotDescribed(f"There is no method {wanted[0].lstrip('/')}.") from fault


def _pool(ask: Ask, channel: Any, metadata: Mapping[str, str]) -> Any:
    """Kept for the process: by its revision when it was uploaded, for five minutes when the server told it."""
    row = ask.integration
    key = (f"{row.pk}:{'' if row.descriptor_set else ask.endpoint.strip()}", row.rev)
    found = _pools.get(key)
    if found is not None and (row.descriptor_set or time.monotonic() - found[0] < FORGET_SECONDS):
        return found[1]
    pool = uploaded(row.descriptor_set) if row.descriptor_set else _reflected(ask, channel, metadata)
    with _pools_lock:
        if len(_pools) >= POOLS_KEPT:
            _pools.clear()
        _pools[key] = (time.monotonic(), pool)
    return pool


def _reflected(ask: Ask, channel: Any, metadata: Mapping[str, str]) -> Any:
    """Ask the server for the file of the service, and then for every file that this one needs."""
    from google.protobuf import descriptor_pb2
    from google.protobuf.message import DecodeError
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    files: dict[str, Any] = {}
    symbol = ask.endpoint.strip().lstrip("/").split("/")[0]
    questions, left = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)], MOST_REFLECTED
    while questions:
        told = _told(stub.ServerReflectionInfo(iter(questions), timeout=ask.left_ms / 1000, metadata=tuple(metadata.items())), len(questions), left)
        left -= sum(answer.ByteSize() for answer in told)
        try:
            found = [
                descriptor_pb2.FileDescriptorProto.FromString(raw) for answer in told for raw in answer.file_descriptor_response.file_descriptor_proto
            ]
        except DecodeError as fault:
            raise NotDescribed("The server's reflection service told no file that can be read.") from fault
        files |= {file.name: file for file in found}
        needed = {name for file in files.values() for name in file.dependency} - files.keys()
        if not found or len(files) + len(needed) > MOST_FILES or any(answer.HasField("error_response") for answer in told):
            raise NotDescribed(f"The server's reflection service does not know {symbol[:100]}.")
        questions = [reflection_pb2.ServerReflectionRequest(file_by_filename=name) for name in sorted(needed)]
    return _pool_of(files)


def _told(call: Any, count: int, most_bytes: int) -> list[Any]:
    """At most an answer to each of `count` questions: how many a server sends, and how large they are, is up to it."""
    import grpc

    answers = []
    try:
        for answer in islice(call, count):
            most_bytes -= answer.ByteSize()
            if most_bytes < 0:
                raise NotDescribed("The server's reflection service tells too much; upload a descriptor set.")
            answers.append(answer)
    except grpc.RpcError as fault:
        raise _not_told(fault) from fault
    finally:
        call.cancel()
    return answers


def _not_told(fault: Any) -> errors.PlatformError:
    code = fault.code().name
    if code == "DEADLINE_EXCEEDED":
        return outbound.TimedOut()
    if code == "UNIMPLEMENTED":
        return NotDescribed("The server has no reflection service; upload a descriptor set.")
    if code == "UNAVAILABLE":
        return outbound.Unreachable(f"The other side cannot be reached: {str(fault.details() or '')[:200]}", sent=False)
    return NotDescribed(f"The server's reflection service answered {code}.")


def _pool_of(files: Mapping[str, Any]) -> Any:
    """Added in the order in which they need each other. Raises NotDescribed."""
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    waiting = dict(files)
    while waiting:
        ready = [file for file in waiting.values() if not set(file.dependency) & waiting.keys()]
        try:
            for file in ready:
                pool.Add(file)
                del waiting[file.name]
        except TypeError as fault:
            raise NotDescribed(f"The descriptor set does not hold together: {str(fault)[:200]}") from fault
        if not ready:
            raise NotDescribed("The descriptor set does not hold together: its files need each other.")
    return pool
