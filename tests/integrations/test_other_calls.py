"""Calls that are no REST: GraphQL, gRPC, tools of the platform, and all of them through an adaptor."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf import any_pb2, descriptor_pb2, timestamp_pb2

from conversations import effects
from flows import services as flows
from flows.errors import FieldsRefused
from flows.models import Integration
from mcp_platform.tenancy.models import Tenant
from tests.integrations.asking import ask
from tests.integrations.outside import Registry, Reply, Web, descriptor_set, reflection, registry

Crm = Callable[..., Integration]
ORDER = "query Order($id: ID!) { order(id: $id) { state } }"
CANCEL = 'mutation Cancel($id: ID!) { cancel(id: $id, why: "query") { state } }'


@pytest.fixture
def orders(crm: Crm) -> Integration:
    return crm(type="graphql", options={"operations": {"order": ORDER, "cancel": CANCEL}})


def test_a_query_sends_its_variables_and_gets_its_data(tenant: Tenant, web: Web, orders: Integration) -> None:
    web.answer = lambda request: Reply(body={"data": {"order": {"state": "sent", "id": request.json["variables"]["id"]}}})
    outcome = ask(tenant, "order", {"id": "17"}).outcome
    assert (outcome.success, outcome.data) == (True, {"order": {"state": "sent", "id": "17"}})
    assert web.got[0].json == {"query": ORDER, "variables": {"id": "17"}, "operationName": "Order"}
    web.answer = lambda _: Reply(body={"data": {"version": 3}})
    assert ask(tenant, "{ version }").outcome.data == {"version": 3}
    assert web.got[1].json == {"query": "{ version }", "variables": {}}


def test_errors_are_a_failure_whatever_the_status(tenant: Tenant, web: Web, orders: Integration) -> None:
    web.answer = lambda _: Reply(body={"data": {"order": None}, "errors": [{"message": "no such order", "path": ["order"]}]})
    heard = ask(tenant, "order", {"id": "17"})
    assert (heard.outcome.success, heard.outcome.error, heard.well) == (False, "GraphQL: no such order", True)


@pytest.mark.parametrize("body", [b"<html>", {"message": "hello"}, [1]])
def test_an_answer_that_is_no_graphql_is_a_failure(tenant: Tenant, web: Web, orders: Integration, body: Any) -> None:
    web.answer = lambda _: Reply(body=body)
    assert ask(tenant, "order").outcome.error == "the answer is not one of GraphQL"


def test_an_operation_that_the_integration_does_not_keep(tenant: Tenant, web: Web, orders: Integration) -> None:
    assert ask(tenant, "refund").outcome.error == "the integration keeps no operation refund"
    assert web.got == []


@pytest.mark.parametrize(
    ("endpoint", "repeatable"),
    [
        ("order", True),
        ("cancel", False),
        ("{ mutation { x } }", True),
        ('# mutation\nquery { a(b: "mutation {") }', True),
        ("fragment F on X { y } mutation { z }", False),
    ],
)
def test_only_queries_may_be_repeated(orders: Integration, endpoint: str, repeatable: bool) -> None:
    assert effects.may_repeat(orders, {"endpoint": endpoint}) is repeatable


@pytest.fixture
def land(settings: Any) -> Iterator[Registry]:
    with registry() as server:
        settings.OUTBOUND_ALLOWED_HOSTS = [server.host]
        yield server


def land_of(tenant: Tenant, server: Registry, **more: Any) -> Integration:
    fields = {"type": "grpc", "base_url": f"grpc://{server.host}", **more}
    return flows.save_integration(tenant, integration_id="crm", fields=fields, create=True, by=None)


FIND = "registry.v1.Registry/Find"


def test_a_unary_call_by_reflection(tenant: Tenant, land: Registry, secret: Callable[..., str]) -> None:
    secret()
    land_of(tenant, land, authentication={"type": "bearer", "secret": "CRM_TOKEN"}, headers={"X-Office": "north"})
    heard = ask(tenant, FIND, {"number": "12/4", "metadata.x-page": "2"}, key="k-9")
    assert heard.outcome.data == {"number": "12/4", "owner": "Ada", "square_metres": 900}
    (_, metadata), *_ = land.got
    expected = {"authorization": "Bearer s3cret-value", "x-office": "north", "x-page": "2", "idempotency-key": "k-9"}
    assert expected.items() <= metadata.items()
    assert heard.sent is not None
    assert "s3cret" not in str(heard.sent)


def test_a_unary_call_by_an_uploaded_descriptor(tenant: Tenant, settings: Any) -> None:
    uploaded = base64.b64encode(descriptor_set().SerializeToString()).decode()
    with registry(reflection=False) as server:
        settings.OUTBOUND_ALLOWED_HOSTS = [server.host]
        row = land_of(tenant, server, descriptor_set=uploaded)
        assert ask(tenant, FIND, {"number": "7"}).outcome.data["owner"] == "Ada"
        assert effects.may_repeat(row, {"endpoint": FIND})  # it says NO_SIDE_EFFECTS
        assert not effects.may_repeat(row, {"endpoint": "registry.v1.Registry/Slow"})
        flows.save_integration(tenant, integration_id="crm", fields={"descriptor_set": ""}, by=None)
        assert ask(tenant, FIND).outcome.error == "The server has no reflection service; upload a descriptor set."


@pytest.mark.parametrize(
    ("endpoint", "request_", "error"),
    [
        ("Find", {}, "the endpoint of a gRPC call is package.Service/Method"),
        ("registry.v1.Registry/Gone", {}, "There is no method registry.v1.Registry/Gone."),
        ("registry.v1.Nobody/Find", {}, "The server's reflection service does not know registry.v1.Nobody."),
        ("registry.v1.Registry/Watch", {}, "only unary methods can be called"),
    ],
)
def test_methods_that_cannot_be_called(tenant: Tenant, land: Registry, endpoint: str, request_: Any, error: str) -> None:
    land_of(tenant, land)
    assert ask(tenant, endpoint, request_).outcome.error == error


def test_a_request_that_does_not_fit_its_message(tenant: Tenant, land: Registry) -> None:
    land_of(tenant, land)
    heard = ask(tenant, FIND, {"nummer": "12/4"})
    assert "does not fit registry.v1.FindRequest" in heard.outcome.error
    assert (heard.again, land.got) == (False, [])


def reflected(tenant: Tenant, settings: Any, told: Callable[[str], Iterator[bytes]]) -> effects.Heard:
    with reflection(told) as host:
        settings.OUTBOUND_ALLOWED_HOSTS = [host]
        fields = {"type": "grpc", "base_url": f"grpc://{host}"}
        flows.save_integration(tenant, integration_id="crm", fields=fields, create=True, by=None)
        return ask(tenant, FIND, timeout_ms=20_000)


def test_a_reflection_service_that_never_ends_is_heard_once(tenant: Tenant, settings: Any) -> None:
    _, service = descriptor_set().file
    service.ClearField("dependency")

    def told(_asked: str) -> Iterator[bytes]:
        while True:
            yield service.SerializeToString()

    assert "does not hold together" in reflected(tenant, settings, told).outcome.error


def test_a_reflection_service_that_tells_too_much(tenant: Tenant, settings: Any) -> None:
    asked: list[str] = []

    def told(name: str) -> Iterator[bytes]:
        asked.append(name)
        file = descriptor_pb2.FileDescriptorProto(name=name, dependency=[f"{len(asked)}.proto"])
        file.source_code_info.location.add(leading_comments="x" * 1_000_000)
        yield file.SerializeToString()

    outcome = reflected(tenant, settings, told).outcome
    assert outcome.error == "The server's reflection service tells too much; upload a descriptor set."
    assert len(asked) <= 9


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ([b"\xff\xff"], "The server's reflection service told no file that can be read."),
        ([], "The server's reflection service does not know registry.v1.Registry."),
    ],
)
def test_a_reflection_service_that_talks_nonsense(tenant: Tenant, settings: Any, told: list[bytes], error: str) -> None:
    assert reflected(tenant, settings, lambda _: iter(told)).outcome.error == error


def misdescribed() -> str:
    """registry.v1 as somebody may have it wrong: Find answers with an Any, Slow with a message that has a Timestamp."""
    shared, service_file = descriptor_set().file
    shared.dependency.append("google/protobuf/timestamp.proto")
    when = shared.message_type.add(name="When")
    when.field.add(name="at", number=1, type=11, label=1, type_name=".google.protobuf.Timestamp")
    service_file.dependency.append("google/protobuf/any.proto")
    find, slow, _ = service_file.service[0].method
    find.output_type, slow.output_type = ".google.protobuf.Any", ".registry.v1.When"
    known = [descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb) for module in (any_pb2, timestamp_pb2)]
    return base64.b64encode(descriptor_pb2.FileDescriptorSet(file=[*known, shared, service_file]).SerializeToString()).decode()


@pytest.mark.parametrize(
    ("method", "number"),
    [
        ("Find", "x/registry.v1.Unknown"),
        ("Find", "x/google.protobuf.Timestamp"),
        ("Slow", "\x08\u07ff\u07ff\u07ff\x7f"),  # seconds, far beyond the year 9999
    ],
)
def test_an_answer_that_cannot_be_read_is_a_failure_and_not_an_unknown_outcome(tenant: Tenant, land: Registry, method: str, number: str) -> None:
    land_of(tenant, land, descriptor_set=misdescribed())
    heard = ask(tenant, f"registry.v1.Registry/{method}", {"number": number})
    assert "the answer cannot be read as" in heard.outcome.error
    assert (heard.outcome.success, heard.outcome.code, heard.again, heard.well, len(land.got)) == (False, "INTEGRATION_ERROR", False, True, 1)


@pytest.mark.parametrize(
    ("status", "code", "well", "again"),
    [
        ("NOT_FOUND", "INTEGRATION_ERROR", True, False),
        ("UNAVAILABLE", "INTEGRATION_ERROR", False, True),
        ("RESOURCE_EXHAUSTED", "INTEGRATION_ERROR", True, True),
        ("INTERNAL", "INTEGRATION_ERROR", False, False),
    ],
)
def test_what_a_grpc_status_means(tenant: Tenant, land: Registry, status: str, code: str, well: bool, again: bool) -> None:
    land_of(tenant, land)
    land.fails = [status]
    heard = ask(tenant, FIND)
    assert (heard.outcome.code, heard.outcome.error, heard.well, heard.again) == (code, f"{status}: as it was told", well, again)


def test_a_grpc_call_ends_at_its_deadline(tenant: Tenant, land: Registry) -> None:
    land_of(tenant, land)
    ask(tenant, FIND)  # the messages are known from now on
    assert ask(tenant, "registry.v1.Registry/Slow", timeout_ms=300).outcome.code == "INTEGRATION_TIMEOUT"


def test_a_grpc_server_on_a_private_address_is_refused(tenant: Tenant, land: Registry, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = []
    land_of(tenant, land)
    assert "not on the public internet" in ask(tenant, FIND).outcome.error
    assert land.got == []


def test_nobody_there(tenant: Tenant, land: Registry) -> None:
    land_of(tenant, land)
    land.stop()
    heard = ask(tenant, FIND, timeout_ms=1_000)
    assert (heard.well, heard.again) == (False, True)


@pytest.fixture
def house(tenant: Tenant) -> Integration:
    return flows.save_integration(tenant, integration_id="crm", fields={"type": "tool", "options": {"tools": ["echo"]}}, create=True, by=None)


def test_a_tool_is_called_with_checked_arguments(tenant: Tenant, house: Integration) -> None:
    assert ask(tenant, "echo", {"message": "hello"}).outcome.data == {"echo": "hello"}
    refused = ask(tenant, "echo", {"message": 5}).outcome
    assert (refused.code, refused.error) == ("VALIDATION_ERROR", "$.message: 5 is not of type 'string'")
    assert ask(tenant, "ping").outcome.error == "this integration does not offer the tool ping"


def test_a_tool_that_is_none(tenant: Tenant, house: Integration) -> None:
    Integration.objects.update(options={})
    assert ask(tenant, "teleport").outcome.code == "TOOL_NOT_FOUND"
    with pytest.raises(FieldsRefused):
        flows.save_integration(tenant, integration_id="crm", fields={"options": {"tools": ["teleport"]}}, by=None)


def adaptor(request: Any) -> Reply:
    """An adaptor service in small: what docs/integrations.md asks of one."""
    asked = request.json
    if request.headers.get("authorization") != "Bearer between-us":
        return Reply(status=401)
    if asked["endpoint"] == "gone":
        return Reply(body={"success": False, "status_code": 410, "error": "it is gone", "execution_time_ms": 3, "retries": 0})
    data = {"path": request.path, "asked": asked["request_data"], "secret": asked["integration"]["authentication"]["secret"]}
    return Reply(body={"success": True, "status_code": 200, "data": data, "error": None, "execution_time_ms": 12, "retries": 1})


def test_calls_go_through_the_adaptor(tenant: Tenant, web: Web, crm: Crm, settings: Any, secret: Callable[..., str]) -> None:
    secret()
    crm(base_url="https://crm.example.com", authentication={"type": "bearer", "secret": "CRM_TOKEN"})
    settings.ADAPTOR_SERVICE_URL, settings.ADAPTOR_SERVICE_TOKEN, settings.OUTBOUND_ALLOWED_HOSTS = web.url, "between-us", []
    web.answer = adaptor
    outcome = ask(tenant, "people", {"name": "Ada"}, method="POST", key="k-5").outcome
    assert (outcome.success, outcome.status_code, outcome.execution_time_ms, outcome.retries) == (True, 200, 12, 1)
    assert outcome.data == {"path": "/v1/integrations/crm/execute", "asked": {"name": "Ada"}, "secret": "CRM_TOKEN"}
    asked = web.got[0].json
    assert (asked["tenant_id"], asked["idempotency_key"], asked["method"]) == (str(tenant.pk), "k-5", "POST")
    assert b"s3cret" not in web.got[0].body
    assert ask(tenant, "gone").outcome.error == "it is gone"


@pytest.mark.parametrize("body", [b"<html>", {}, {"success": "yes"}])
def test_an_adaptor_that_talks_nonsense(tenant: Tenant, web: Web, crm: Crm, settings: Any, body: Any) -> None:
    crm()
    settings.ADAPTOR_SERVICE_URL = web.url
    web.answer = lambda _: Reply(body=body)
    heard = ask(tenant, "people")
    assert (heard.outcome.error, heard.well) == ("the adaptor's answer is no integration result", False)


def test_tools_need_no_adaptor(tenant: Tenant, house: Integration, web: Web, settings: Any) -> None:
    settings.ADAPTOR_SERVICE_URL = web.url
    assert ask(tenant, "echo", {"message": "hello"}).outcome.success
    assert web.got == []
