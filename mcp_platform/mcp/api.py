"""/mcp/capabilities: what this server speaks, and what the caller is offered, for programs that do not speak the protocol (yet)."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.mcp import catalog, queries
from mcp_platform.tenancy.scope import Principal

REVISIONS = ("2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")


class CapabilitiesSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    endpoint = serializers.CharField(help_text="Where the protocol is spoken, by streamable HTTP")
    protocol_versions = serializers.ListField(child=serializers.CharField(), help_text="Newest first")
    sessions = serializers.ChoiceField(choices=["stateful", "stateless"], help_text="For revisions before 2026-07-28")
    capabilities = serializers.DictField()
    authentication = serializers.DictField(help_text="How to get in, and where the metadata of OAuth is")
    tools = serializers.ListField(child=serializers.DictField(), help_text="Only for callers with a credential: those that they may call")
    resources = serializers.ListField(child=serializers.DictField())
    resource_templates = serializers.ListField(child=serializers.DictField())
    prompts = serializers.ListField(child=serializers.DictField())


class CapabilitiesView(APIView):
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="mcp_capabilities", responses=CapabilitiesSerializer)
    def get(self, request: Request) -> Response:
        """What the Model Context Protocol server can do. With a credential also what it offers to it."""
        base = settings.PUBLIC_URL.rstrip("/")
        told: dict[str, Any] = {
            "name": "mcp-platform",
            "version": settings.VERSION,
            "endpoint": f"{base}/mcp",
            "protocol_versions": REVISIONS,
            "sessions": "stateless" if queries.stateless() else "stateful",
            "capabilities": {"tools": True, "resources": True, "prompts": True, "completions": True, "logging": True, "subscriptions": True},
            "authentication": {"schemes": ["bearer"], "resource_metadata": f"{base}/.well-known/oauth-protected-resource/mcp"},
        }
        return Response({**told, **(_offer(request.auth) if isinstance(request.auth, Principal) else _NOTHING)})


_NOTHING: dict[str, Any] = {"tools": [], "resources": [], "resource_templates": [], "prompts": []}


def _offer(principal: Principal) -> dict[str, Any]:
    asked = catalog.asked_by(principal)
    return {
        "tools": [
            {
                "name": one.name,
                "title": one.title,
                "description": one.description,
                "scope": one.scope,
                "read_only": one.read_only,
                "source": one.source,
            }
            for one in catalog.tools(asked)
        ],
        "resources": [{"uri": one.uri, "name": one.name, "description": one.description} for one in catalog.resources(asked)],
        "resource_templates": [
            {"uri_template": one.uri_template, "name": one.name, "description": one.description} for one in catalog.templates(asked)
        ],
        "prompts": [{"name": one.name, "title": one.title, "description": one.description} for one in catalog.prompts(asked)],
    }
