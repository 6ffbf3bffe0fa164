"""What the walk through all doors (tests/platform/test_walk.py) finds of the orchestrator. Its servers are switched off: nobody is contacted."""

from typing import Any

from django.db.models import Model
from django.utils import timezone

from mcp_platform.orchestrator import services
from mcp_platform.orchestrator.models import OrchestrationSettings, RemoteServer, ServerCall, UpstreamTool, VirtualServer
from mcp_platform.tenancy.models import Tenant

SERVER = "mcp-servers/{server}"
TOOL = "mcp-tools/{tool_id}"
VIRTUAL = "virtual-servers/{virtual}"
ADDRESS = {"url": "https://mcp.example.com/mcp", "enabled": False}

ORCHESTRATOR: tuple[tuple[Any, ...], ...] = (
    ("GET mcp-servers", 200, None, 200),
    ("POST mcp-servers", 201, {"slug": "new", **ADDRESS}, 201),
    (f"GET {SERVER}",),
    (f"PUT {SERVER}", 200, ADDRESS),
    (f"PATCH {SERVER}", 200, {"priority": 3}),
    (f"DELETE {SERVER}", 204),
    (f"POST {SERVER}/check", 409),
    (f"POST {SERVER}/conformity", 409),
    (f"POST {SERVER}/approve",),
    ("GET mcp-tools", 200, None, 200),
    (f"GET {TOOL}",),
    (f"POST {TOOL}/approve", 200, {}),
    (f"POST {TOOL}/reject",),
    (f"POST {TOOL}/call", 409, {}),
    ("GET mcp-calls", 200, None, 200),
    ("GET orchestrator/status", 200, None, 200),
    ("POST orchestrator/initialize", 200, None, 200),
    ("GET orchestrator/resources", 200, None, 200),
    ("POST orchestrator/close", 200, None, 200),
    ("POST orchestrator/invalidate", 200, {}, 200),
    ("GET orchestrator/settings", 200, None, 200),
    ("PATCH orchestrator/settings", 200, {"max_retries": 1}, 200),
    ("GET orchestrator/config", 200, None, 200),
    ("PUT orchestrator/config", 200, {}, 200),
    ("GET virtual-servers", 200, None, 200),
    ("POST virtual-servers", 201, {"slug": "new"}, 201),
    (f"GET {VIRTUAL}",),
    (f"PATCH {VIRTUAL}", 200, {"name": "New"}),
    (f"DELETE {VIRTUAL}", 204),
    ("POST virtual-server-preview", 200, {"tools": []}, 200),
)


def orchestrator(ours: Tenant) -> tuple[dict[str, Any], dict[type[Model], Model]]:
    """Names for addresses, and the rows of the admin's pages."""
    server = services.save_server(ours, slug="ours-server", fields={**ADDRESS, "name": "ours-server"}, create=True, by=None)
    other = services.save_server(ours, slug="ours-other", fields={**ADDRESS, "name": "ours-other"}, create=True, by=None)
    definition, now = {"description": "ours-tool"}, timezone.now()
    tool = UpstreamTool.objects.create(
        tenant=ours, server=other, name="ours-tool", offered_name="ours-tool", status="approved", definition=definition, approved_hash="1",
        seen_definition=definition, seen_hash="1", first_seen_at=now, last_seen_at=now,
    )  # fmt: skip
    chosen = [services.Chosen(server="ours-other", tool="ours-tool")]
    virtual = services.save_virtual_server(ours, slug="ours-virtual", fields={"name": "ours-virtual"}, chosen=chosen, create=True, by=None)
    call = ServerCall.objects.create(
        tenant=ours, at=now, server_id=server.pk, server="ours-server", kind="tool", name="ours-tool", actor="ours-actor", outcome="ok"
    )
    settings = services.save_settings(ours, fields={"max_retries": 2}, by=None)
    names = {"server": server.slug, "tool_id": tool.pk, "virtual": virtual.slug}
    return names, {RemoteServer: server, UpstreamTool: tool, VirtualServer: virtual, ServerCall: call, OrchestrationSettings: settings}
