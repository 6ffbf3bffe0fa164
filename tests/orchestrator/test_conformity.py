"""Whether a server keeps to the protocol: a good one of either revision, and one that does not."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client

from mcp_platform.orchestrator.core import conformity
from mcp_platform.orchestrator.models import RemoteServer, ServerCall
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from tests import factories
from tests.orchestrator.world import Upstream, free_port, server

db = pytest.mark.django_db(transaction=True)


def asked(tenant: Tenant, slug: str = "up") -> dict[str, tuple[str, str]]:
    answer = Client(headers=factories.bearer(tenant)).post(f"/api/v1/mcp-servers/{slug}/conformity")
    assert answer.status_code == 200, answer.content
    return {one["name"]: (one["outcome"], one["said"]) for one in answer.json()["checks"]}


@db
@pytest.mark.parametrize(("era", "odd"), [("2026", {"ping": "skipped"}), ("2025", {"revision": "warning"})])
def test_a_good_server_of_either_revision_passes(tenant: Tenant, world: None, era: str, odd: dict[str, str]) -> None:
    upstream = Upstream("--era", era, "--resource", "aliases").start()
    try:
        server(tenant, "up", upstream.url)
        found = asked(tenant)
        odd = {**odd, "unknown_prompt": "warning"}  # the SDK's own server uses a number of its own there
        assert {name: outcome for name, (outcome, _) in found.items() if outcome != "passed"} == odd, found
        (kept,) = ServerCall.objects.for_tenant(tenant).filter(name="conformity")
        assert (kept.outcome, kept.via) == ("ok", "conformity")
        assert not ServerCall.objects.for_tenant(tenant).filter(kind="tool").exists()
    finally:
        upstream.kill()


class Poor(BaseHTTPRequestHandler):
    """Speaks as much of 2025-11-25 as it takes to be connected, and does everything else badly."""

    lists = 0
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in body or body["method"] == "server/discover":
            self._send(202 if "id" not in body else 400, b"")
            return
        result = {"initialize": self._initialize, "tools/list": self._tools}.get(body["method"], dict)()
        self._send(200, json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": result}).encode())

    def do_GET(self) -> None:
        self._send(405, b"")

    def do_DELETE(self) -> None:
        self._send(405, b"")

    def _initialize(self) -> dict[str, Any]:
        able: dict[str, Any] = {"tools": {}, "resources": {}}
        return {"protocolVersion": "2025-11-25", "capabilities": able, "serverInfo": {"name": "poor", "version": ""}}

    def _tools(self) -> dict[str, Any]:
        Poor.lists += 1
        hints = {"readOnlyHint": True, "destructiveHint": True}
        return {
            "tools": [
                {"name": "a b", "inputSchema": {"type": "object", "properties": {"x": {"type": "thing"}}}, "annotations": hints},
                {"name": f"list-{Poor.lists}", "inputSchema": {"type": "object"}},
            ]
        }

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def poor() -> Iterator[str]:
    served = ThreadingHTTPServer(("127.0.0.1", 0), Poor)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{served.server_address[1]}/mcp"
    finally:
        served.shutdown()
        served.server_close()
        thread.join(5)


@db
def test_a_poor_one_is_told_what_is_wrong_and_the_page_says_it(tenant: Tenant, world: None) -> None:
    with poor() as url:
        row = server(tenant, "up", url, timeout=5)
        found = asked(tenant)
        client = Client()
        client.force_login(factories.member(tenant, Role.OWNER))
        page = client.post(f"/admin/orchestrator/remoteserver/{row.pk}/conformity/").content.decode()
    failed = {name for name, (outcome, _) in found.items() if outcome == "failed"}
    assert failed >= {"introduces_itself", "unknown_method", "tool_names", "tool_schemas", "tools_again"}
    assert "a b" in found["tool_names"][1]
    assert "a b inputSchema" in found["tool_schemas"][1]
    assert (found["tool_words"][0], found["prompts"]) == ("warning", ("skipped", "It does not declare prompts."))
    assert "illegal: a b" in page
    assert "It refuses a tool that does not exist" in page


@db
def test_who_may_not_and_what_is_away(tenant: Tenant, world: None) -> None:
    server(tenant, "up", f"http://127.0.0.1:{free_port()}/mcp")
    path = "/api/v1/mcp-servers/up/conformity"
    assert Client(headers=factories.bearer(tenant, of_role(Role.VIEWER))).post(path).status_code == 403
    assert Client(headers=factories.bearer(factories.TenantFactory.create())).post(path).status_code == 404
    assert Client().post(path).status_code == 401
    answer = Client(headers=factories.bearer(tenant)).post(path)
    assert (answer.status_code, answer.json()["error_code"]) == (503, "MCP_CONNECTION_ERROR")
    assert RemoteServer.objects.get().state == "failed"


def test_what_is_wrong_with_lists_is_named() -> None:
    assert conformity.wrong_names(["ok", "a.b-c_1", "ok"]) == "more than once: ok"
    assert conformity.wrong_names([f"no good {n}" for n in range(7)]).endswith("and 2 more")
    assert conformity.wrong_uris([{"uri": "a://b"}, {"uri": "plain"}, {"uri": "a://b"}]) == "without a scheme: plain; more than once: a://b"
    assert conformity.changed({"a": {}, "b": {}}, {"a": {}, "c": {}}) == "another list the second time: b, c"
    assert conformity.wrong_schemas([{"name": "t", "inputSchema": {"type": "object"}, "outputSchema": {"type": "array"}}]) != ""
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(2_000):
        deep = {"type": "object", "properties": {"a": deep}}
    assert conformity.wrong_schemas([{"name": "deep", "inputSchema": deep}]) == "no schema of an object: deep inputSchema"
