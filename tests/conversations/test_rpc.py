"""gRPC: a real server and real channels. The same services as REST, so what is looked at here is the protocol."""

import datetime
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from pytest_django.fixtures import Settings

from conversations import services
from conversations.models import Conversation, Turn
from conversations.proto import mcp_v2_pb2 as pb
from conversations.proto import mcp_v2_pb2_grpc
from mcp_platform import pool
from mcp_platform.grpc_server import Beside
from mcp_platform.tenancy import permissions
from mcp_platform.tenancy.models import Role, Tenant
from tests.conversations.scenes import ECHO, PERMIT, calling, land_register, register_of
from tests.conversations.server import worker
from tests.factories import TenantFactory, key, published

__all__ = ["worker"]
pytestmark = pytest.mark.django_db(transaction=True)
PROTO = Path(__file__).parents[2] / "conversations" / "proto"


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    made: Tenant = TenantFactory.create(slug="permits")
    published(made, ECHO)
    published(made, PERMIT)
    return made


@pytest.fixture
def port(transactional_db: None) -> Iterator[int]:
    server = Beside("127.0.0.1", 0)
    yield server.start()
    server.stop()
    pool.close_connections()


@pytest.fixture
def channel(port: int) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened


class Caller:
    """One client with a key."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self._stub = mcp_v2_pb2_grpc.MCPEngineStub(channel)  # type: ignore[no-untyped-call]  # generated
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def call(self, name: str, request: Any, timeout: float = 20) -> Any:
        return getattr(self._stub, name)(request, metadata=self._metadata, timeout=timeout)

    def say(self, text: str, timeout: float = 20, **fields: Any) -> Any:
        return self.call("ProcessMessage", pb.ProcessMessageRequest(content=pb.MessageContent(type="text", text=text), **fields), timeout)

    def refused(self, name: str, request: Any) -> tuple[grpc.StatusCode, error_details_pb2.ErrorInfo, list[Any]]:
        """The status, its reason, and the other details."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(name, request)
        fault: Any = caught.value
        status = rpc_status.from_call(fault)
        assert status is not None
        info, others = error_details_pb2.ErrorInfo(), []
        for detail in status.details:
            if not detail.Unpack(info):
                bad = error_details_pb2.BadRequest()
                retry = error_details_pb2.RetryInfo()
                others.append(bad if detail.Unpack(bad) else retry if detail.Unpack(retry) else detail)
        return fault.code(), info, others


@pytest.fixture
def caller(channel: grpc.Channel, tenant: Tenant) -> Caller:
    return Caller(channel, key(tenant))


def test_a_conversation_from_its_start_to_its_end(caller: Caller) -> None:
    first = caller.say("12", conversation_id="crm-77", flow_id="permit", client_message_id="m1")
    assert first.current_state == "ask"
    assert first.response.text == "How many storeys?\n\nAre there sprinklers?"  # what the start said, then the answer
    assert [said.text for said in first.messages] == ["How many storeys?", "Are there sprinklers?"]
    assert first.context_updates["slots.storeys"] == "12"
    last = caller.say("yes", conversation_id="crm-77", client_message_id="m2")
    assert (last.conversation_id, last.status, last.turn.status) == (first.conversation_id, "ended", "done")
    assert last.response.text == "12 storeys, noted."
    assert json.loads(last.reply_json)["response"]["text"] == "12 storeys, noted."


def test_the_platforms_own_id_is_the_same_conversation(caller: Caller) -> None:
    begun = caller.say("hello", conversation_id="mine", flow_id="echo")
    assert caller.say("again", conversation_id=begun.conversation_id).turn.number == begun.turn.number + 1


@pytest.mark.parametrize("conversation_id", ["crm-1", ""])
def test_a_retry_gets_the_same_answer_and_does_nothing(caller: Caller, conversation_id: str) -> None:
    answers = [caller.say("12", conversation_id=conversation_id, flow_id="permit", client_message_id="m1") for _ in range(3)]
    assert [answer.replayed for answer in answers] == [False, True, True]
    assert {answer.response.text for answer in answers} == {"How many storeys?\n\nAre there sprinklers?"}
    first, *others = [json.loads(answer.reply_json) for answer in answers]
    assert others == [first, first]
    assert Conversation.objects.count() == 1
    assert Turn.objects.count() == 2
    code, info, _ = caller.refused(
        "ProcessMessage", pb.ProcessMessageRequest(conversation_id=answers[0].conversation_id, client_message_id="m1", content={"text": "13"})
    )
    assert (code, info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED")


def test_without_a_message_it_only_starts(caller: Caller) -> None:
    begun = caller.call("ProcessMessage", pb.ProcessMessageRequest(flow_id="permit", locale="de", inputs_json='{"storeys": 3}'))
    assert begun.response.text == "Are there sprinklers?"
    assert begun.turn.number == 1
    state = caller.call("GetConversationState", pb.GetStateRequest(conversation_id=begun.conversation_id))
    assert (state.current_state, state.slots["storeys"], state.status) == ("ask", "3", "waiting")
    assert json.loads(state.context_json)["locale"] == "de"


def test_reset_starts_again(caller: Caller) -> None:
    begun = caller.say("12", conversation_id="x", flow_id="permit")
    again = caller.call("ResetConversation", pb.ResetRequest(conversation_id="x", client_message_id="r1"))
    assert (again.conversation_id, again.response.text) == (begun.conversation_id, "How many storeys?")
    assert caller.call("ResetConversation", pb.ResetRequest(conversation_id="x", client_message_id="r1")).turn.number == again.turn.number


def test_a_button_is_pressed_by_attributes(caller: Caller, tenant: Tenant) -> None:
    begun = caller.call("ProcessMessage", pb.ProcessMessageRequest(conversation_id="x", flow_id="permit"))
    pressed = caller.call(
        "ProcessMessage",
        pb.ProcessMessageRequest(
            conversation_id="x",
            content=pb.MessageContent(type="postback", attributes={"token": begun.response.attributes["token"], "slots.storeys": "4"}),
        ),
    )
    assert pressed.context_updates["slots.storeys"] == "4"


def test_the_deadline_bounds_the_wait_and_the_turn_still_ends(caller: Caller, tenant: Tenant, settings: Settings, worker: Any) -> None:
    with land_register(settings) as outside:
        register_of(tenant, outside)
        published(tenant, calling(timeout_ms=30_000))
        outside.open.clear()
        caller.call("ProcessMessage", pb.ProcessMessageRequest(conversation_id="x", flow_id="register"))
        pending = caller.say("parcel 7", conversation_id="x", client_message_id="m1", timeout=1.0)
        assert (pending.turn.status, pending.reply_json) == ("running", "")
        outside.open.set()
        done = caller.say("parcel 7", conversation_id="x", client_message_id="m1", timeout=30)
    assert (done.turn.status, done.turn.id, done.replayed) == ("done", pending.turn.id, True)
    assert "Ada" in done.response.text


def test_bad_input_names_every_fault_with_its_path(caller: Caller) -> None:
    before = Turn.objects.count()
    code, info, (bad,) = caller.refused(
        "ProcessMessage", pb.ProcessMessageRequest(conversation_id="x", flow_id="echo", content={"type": "song", "text": "x" * 10_001})
    )
    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SCHEMA_ERROR")
    assert {one.field for one in bad.field_violations} == {"$.content.type", "$.content.text"}
    assert info.metadata["correlation_id"]
    assert Turn.objects.count() == before


BAD_ARGUMENT, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
WORD = pb.MessageContent(text="x")
_process, _state, _reset = pb.ProcessMessageRequest, pb.GetStateRequest, pb.ResetRequest
NAMES = {_process: "ProcessMessage", _state: "GetConversationState", _reset: "ResetConversation"}
BAD: list[tuple[Any, grpc.StatusCode, str, str]] = [
    (_process(conversation_id="x", flow_id="echo", content={"text": ""}), BAD_ARGUMENT, "SCHEMA_ERROR", "$.content.text"),
    (_process(conversation_id="a b", content=WORD), BAD_ARGUMENT, "SCHEMA_ERROR", "$.conversation_id"),
    (_process(flow_id="echo", inputs_json="[1]"), BAD_ARGUMENT, "SCHEMA_ERROR", "$.inputs"),
    (_process(flow_id="echo", inputs_json="{"), BAD_ARGUMENT, "SCHEMA_ERROR", "$.inputs_json"),
    (_process(flow_id="echo", content={"text": "a\0b"}), BAD_ARGUMENT, "SCHEMA_ERROR", "$.content.text"),
    (_process(flow_id="echo", user_id="a\0b"), BAD_ARGUMENT, "SCHEMA_ERROR", "$.user_id"),
    (_process(flow_id="nowhere"), NOT_FOUND, "FLOW_NOT_FOUND", ""),
    (_process(conversation_id=str(uuid.uuid4()), content=WORD), NOT_FOUND, "CONVERSATION_NOT_FOUND", ""),
    (_process(client_message_id="timer:1", flow_id="echo", content=WORD), BAD_ARGUMENT, "SCHEMA_ERROR", "$.client_message_id"),
    (_state(), BAD_ARGUMENT, "SCHEMA_ERROR", "$.conversation_id"),
    (_state(conversation_id="never-used"), NOT_FOUND, "CONVERSATION_NOT_FOUND", ""),
    (_reset(conversation_id="never-used"), NOT_FOUND, "CONVERSATION_NOT_FOUND", ""),
    (_reset(conversation_id="x", client_message_id="a b"), BAD_ARGUMENT, "SCHEMA_ERROR", "$.client_message_id"),
]


@pytest.mark.parametrize(("request_", "code", "reason", "path"), BAD)
def test_each_refusal_has_its_code_and_writes_nothing(caller: Caller, request_: Any, code: grpc.StatusCode, reason: str, path: str) -> None:
    told, info, others = caller.refused(NAMES[type(request_)], request_)
    assert (told, info.reason) == (code, reason)
    if path:
        assert path in {one.field for one in others[0].field_violations}
    assert not Turn.objects.exists()


def test_a_message_over_a_mebibyte_is_refused(caller: Caller) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        caller.say("x", flow_id="echo", inputs_json=json.dumps({"x": "y" * 1_200_000}))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_owner_viewer_stranger_and_anonymous(channel: grpc.Channel, tenant: Tenant) -> None:
    begun = services.start(tenant, flow_id="echo")
    stranger: Tenant = TenantFactory.create(slug="elsewhere")
    held = str(begun.conversation_id)
    calls = {
        "ProcessMessage": pb.ProcessMessageRequest(conversation_id=held, content={"text": "hi"}),
        "GetConversationState": pb.GetStateRequest(conversation_id=held),
        "ResetConversation": pb.ResetRequest(conversation_id=held),
    }
    owner, viewer = Caller(channel, key(tenant)), Caller(channel, key(tenant, permissions.of_role(Role.VIEWER)))
    outsider, nobody, forged = Caller(channel, key(stranger)), Caller(channel, ""), Caller(channel, "mcp_forged")
    for name, request in calls.items():
        assert owner.call(name, request).conversation_id == held
        assert outsider.refused(name, request)[:2][0] is grpc.StatusCode.NOT_FOUND
        for who in (nobody, forged):
            assert who.refused(name, request)[0] is grpc.StatusCode.UNAUTHENTICATED
    assert viewer.call("GetConversationState", calls["GetConversationState"]).conversation_id == held
    for name in ("ProcessMessage", "ResetConversation"):
        code, info, _ = viewer.refused(name, calls[name])
        assert (code, info.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")


@pytest.mark.parametrize("wanted", ["permits", "id", ""])
def test_the_tenant_may_be_named(caller: Caller, tenant: Tenant, wanted: str) -> None:
    named = str(tenant.pk) if wanted == "id" else wanted
    assert caller.call("ProcessMessage", pb.ProcessMessageRequest(tenant_id=named, flow_id="echo")).conversation_id


def test_another_tenant_cannot_be_named(caller: Caller) -> None:
    TenantFactory.create(slug="elsewhere")
    for wanted in ("elsewhere", "nobody"):
        assert caller.refused("ProcessMessage", pb.ProcessMessageRequest(tenant_id=wanted, flow_id="echo"))[0] is grpc.StatusCode.NOT_FOUND


def test_the_rate_limit_holds(caller: Caller, settings: Settings) -> None:
    settings.API_RATE_LIMIT = "3/minute"
    codes = []
    for _ in range(5):
        try:
            caller.call("ProcessMessage", pb.ProcessMessageRequest(flow_id="echo"))
            codes.append("ok")
        except grpc.RpcError as fault:
            codes.append(fault.code().name)
    assert codes == ["ok"] * 3 + ["RESOURCE_EXHAUSTED"] * 2


def test_health_and_reflection(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "mcp.v2.MCPEngine"):
        assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == health_pb2.HealthCheckResponse.SERVING
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    (told,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(asked)
    names = {one.name for one in told.list_services_response.service}
    assert names == {"mcp.v2.MCPEngine", "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


def _certificate(directory: Path) -> tuple[Path, Path]:
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(1)
        .not_valid_before(timezone.now() - datetime.timedelta(days=1))
        .not_valid_after(timezone.now() + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "cert.pem").write_bytes(made.public_bytes(pem))
    (directory / "key.pem").write_bytes(secret.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return directory / "cert.pem", directory / "key.pem"


def test_tls(tenant: Tenant, settings: Settings, tmp_path: Path) -> None:
    cert, secret = _certificate(tmp_path)
    settings.GRPC_TLS_CERT, settings.GRPC_TLS_KEY = str(cert), str(secret)
    server = Beside("127.0.0.1", 0)
    port = server.start()
    try:
        with grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(cert.read_bytes())) as channel:
            assert Caller(channel, key(tenant)).say("hi", flow_id="echo").status == "waiting"
        with grpc.insecure_channel(f"localhost:{port}") as plain, pytest.raises(grpc.RpcError):
            Caller(plain, key(tenant)).say("hi", flow_id="echo", timeout=3)
    finally:
        server.stop()
        pool.close_connections()


def test_a_certificate_without_its_key_and_a_taken_port_are_told(settings: Settings, port: int) -> None:
    with pytest.raises(ImproperlyConfigured, match="cannot listen"):
        Beside("127.0.0.1", port).start()
    settings.GRPC_TLS_CERT = "/nowhere/cert.pem"
    with pytest.raises(ImproperlyConfigured, match="go together"):
        Beside("127.0.0.1", 0).start()


def test_the_generated_code_is_that_of_the_proto(tmp_path: Path) -> None:
    """Generate anew with: python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. conversations/proto/mcp_v2.proto"""
    out = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    root = PROTO.parents[1]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{root}", *out, str(PROTO / "mcp_v2.proto")], check=True)
    for name in ("mcp_v2_pb2.py", "mcp_v2_pb2.pyi", "mcp_v2_pb2_grpc.py"):
        assert (tmp_path / "conversations" / "proto" / name).read_text() == (PROTO / name).read_text(), name


def test_the_field_numbers_are_those_of_the_contract() -> None:
    numbers = {
        message.DESCRIPTOR.name: {field.name: field.number for field in message.DESCRIPTOR.fields if field.number < 20}
        for message in (pb.ProcessMessageRequest, pb.MessageContent, pb.ProcessingHints, pb.ProcessMessageResponse)
    }
    assert numbers == {
        "ProcessMessageRequest": {"tenant_id": 1, "conversation_id": 2, "content": 3, "metadata": 4, "hints": 5},
        "MessageContent": {"type": 1, "text": 2, "attributes": 3},
        "ProcessingHints": {"priority": 1, "bypass_cache": 2, "force_flow": 3},
        "ProcessMessageResponse": {
            "conversation_id": 1, "current_state": 2, "response": 3, "context_updates": 4, "actions_performed": 5, "processing_time_ms": 6,
        },
    }  # fmt: skip
