"""Mounted at /api/v1/."""

from django.urls import path

from mcp_platform.orchestrator.api import orchestration, servers, virtual

urlpatterns = [
    path("mcp-servers", servers.ServersView.as_view(), name="mcp-servers"),
    path("mcp-servers/<str:server>", servers.ServerView.as_view(), name="mcp-server"),
    path("mcp-servers/<str:server>/check", servers.ServerCheckView.as_view(), name="mcp-server-check"),
    path("mcp-servers/<str:server>/conformity", servers.ServerConformityView.as_view(), name="mcp-server-conformity"),
    path("mcp-servers/<str:server>/approve", servers.ServerApprovalView.as_view(), name="mcp-server-approve"),
    path("mcp-tools", servers.ToolsView.as_view(), name="mcp-tools"),
    path("mcp-tools/<uuid:tool_id>", servers.ToolView.as_view(), name="mcp-tool"),
    path("mcp-tools/<uuid:tool_id>/approve", servers.ToolApprovalView.as_view(), name="mcp-tool-approve"),
    path("mcp-tools/<uuid:tool_id>/reject", servers.ToolRejectionView.as_view(), name="mcp-tool-reject"),
    path("mcp-tools/<uuid:tool_id>/call", servers.ToolCallView.as_view(), name="mcp-tool-call"),
    path("mcp-calls", servers.CallsView.as_view(), name="mcp-calls"),
    path("orchestrator/status", orchestration.StatusView.as_view(), name="orchestrator-status"),
    path("orchestrator/initialize", orchestration.InitializeView.as_view(), name="orchestrator-initialize"),
    path("orchestrator/resources", orchestration.ResourcesView.as_view(), name="orchestrator-resources"),
    path("orchestrator/close", orchestration.CloseView.as_view(), name="orchestrator-close"),
    path("orchestrator/invalidate", orchestration.InvalidateView.as_view(), name="orchestrator-invalidate"),
    path("orchestrator/settings", orchestration.SettingsView.as_view(), name="orchestrator-settings"),
    path("orchestrator/config", orchestration.ConfigView.as_view(), name="orchestrator-config"),
    path("virtual-servers", virtual.VirtualServersView.as_view(), name="virtual-servers"),
    path("virtual-servers/<str:virtual>", virtual.VirtualServerView.as_view(), name="virtual-server"),
    path("virtual-server-preview", virtual.PreviewView.as_view(), name="virtual-server-preview"),
]
