"""Servers of others, their tools, and what was called."""

from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.orchestrator import queries, services
from mcp_platform.orchestrator import serializers as shapes
from mcp_platform.orchestrator.api.manners import AWAY, CONFLICT, GONE, IF_MATCH, STALE, Rows, body_of, expected_rev, tagged, taken_text
from mcp_platform.orchestrator.core.definition import SLUG_RULE
from mcp_platform.orchestrator.models import RemoteServer, ServerCall, UpstreamTool
from mcp_platform.rest import BooleanFilter, check_body
from mcp_platform.tenancy.authenticators import principal_of

EXAMPLE = OpenApiExample(
    "Catalogue",
    value={
        "slug": "catalogue",
        "name": "Product catalogue",
        "url": "https://catalogue.example.com/mcp",
        "transport": "streamable-http",
        "priority": 10,
        "domains": ["products"],
        "authentication": {"type": "bearer", "secret": "CATALOGUE_TOKEN"},
        "denied_tools": ["delete_*"],
    },
    request_only=True,
)


class ServerFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter(lookup_expr="icontains")
    transport = django_filters.ChoiceFilter(choices=RemoteServer.Transport.choices)
    state = django_filters.ChoiceFilter(choices=RemoteServer.State.choices)
    enabled = BooleanFilter()


class ServersView(Rows):
    permissions: ClassVar = {"GET": "servers:read", "POST": "servers:write"}
    queryset = RemoteServer.objects.none()
    serializer_class = shapes.RemoteServerSerializer
    filterset_class = ServerFilter
    ordering_fields = ("priority", "slug", "name", "updated_at", "latency_ms")

    @extend_schema(operation_id="mcp_servers_list")
    def get(self, request: Request) -> Response:
        """In the order in which they are asked."""
        return self.page(queries.servers(principal_of(request).tenant))

    @extend_schema(
        operation_id="mcp_servers_create",
        request=shapes.RemoteServerCreateSerializer,
        responses={201: shapes.RemoteServerSerializer, **CONFLICT},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """Connect a server. Secrets are referred to by name; a literal one is refused. It is contacted when it is checked or used."""
        by, body = principal_of(request), body_of(request)
        slug = taken_text(body, "slug", SLUG_RULE)
        services.save_server(by.tenant, slug=slug, fields=body, create=True, by=by)
        return _shown(by.tenant, slug, 201)


def _shown(tenant: Any, slug: str, status: int = 200) -> Response:
    row = queries.server(tenant, slug)
    return tagged(shapes.RemoteServerSerializer(row).data, row.rev, status, f"/api/v1/mcp-servers/{slug}" if status == 201 else "")


class ServerView(APIView):
    permissions: ClassVar = {"GET": "servers:read", "PUT": "servers:write", "PATCH": "servers:write", "DELETE": "servers:write"}

    @extend_schema(operation_id="mcp_servers_read", responses=shapes.RemoteServerSerializer)
    def get(self, request: Request, server: str) -> Response:
        return _shown(principal_of(request).tenant, server)

    @extend_schema(
        operation_id="mcp_servers_replace",
        request=shapes.RemoteServerChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.RemoteServerSerializer, **CONFLICT, **STALE},
    )
    def put(self, request: Request, server: str) -> Response:
        """Replace the definition; members that are not sent go back to their defaults."""
        return self._save(request, server, {**services.SERVER_DEFAULTS, "name": server})

    @extend_schema(
        operation_id="mcp_servers_change",
        request=shapes.RemoteServerChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.RemoteServerSerializer, **CONFLICT, **STALE},
    )
    def patch(self, request: Request, server: str) -> Response:
        """Change some members of the definition."""
        return self._save(request, server, {})

    def _save(self, request: Request, server: str, defaults: dict[str, Any]) -> Response:
        by = principal_of(request)
        rev = expected_rev(request, queries.server(by.tenant, server).rev)
        services.save_server(by.tenant, slug=server, fields={**defaults, **body_of(request)}, expected_rev=rev, by=by)
        return _shown(by.tenant, server)

    @extend_schema(operation_id="mcp_servers_delete", parameters=[IF_MATCH], responses={204: GONE, **CONFLICT, **STALE})
    def delete(self, request: Request, server: str) -> Response:
        """Disconnect a server that no integration and no virtual server uses."""
        by = principal_of(request)
        rev = expected_rev(request, queries.server(by.tenant, server).rev)
        services.delete_server(by.tenant, slug=server, expected_rev=rev, by=by)
        return Response(status=204)


class ServerCheckView(APIView):
    permissions: ClassVar = {"POST": "servers:write"}

    @extend_schema(operation_id="mcp_servers_check", request=None, responses=shapes.RemoteServerSerializer)
    def post(self, request: Request, server: str) -> Response:
        """Connect now, list the tools, compare them with what was approved. A server that fails is not an error here: `state` tells."""
        by = principal_of(request)
        services.check(by.tenant, slug=server)
        return _shown(by.tenant, server)


class ServerConformityView(APIView):
    permissions: ClassVar = {"POST": "servers:write"}

    @extend_schema(operation_id="mcp_servers_conformity", request=None, responses={200: shapes.ConformitySerializer, **CONFLICT, **AWAY})
    def post(self, request: Request, server: str) -> Response:
        """Ask the server now whether it keeps to the protocol: names, schemas, lists, what it refuses. None of its tools is called."""
        by = principal_of(request)
        return Response(shapes.ConformitySerializer(services.conformity(by.tenant, slug=server, by=by)).data)


class ServerApprovalView(APIView):
    permissions: ClassVar = {"POST": "servers:write"}

    @extend_schema(operation_id="mcp_servers_approve", request=None, responses=shapes.UpstreamCountSerializer)
    def post(self, request: Request, server: str) -> Response:
        """Approve every tool of the server that waits."""
        by = principal_of(request)
        return Response({"count": services.approve_all(by.tenant, server=server, by=by)})


class ToolFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    server = django_filters.CharFilter(field_name="server__slug")
    name = django_filters.CharFilter(lookup_expr="icontains")
    status = django_filters.ChoiceFilter(choices=UpstreamTool.Status.choices)
    missing = BooleanFilter(field_name="missing_since", lookup_expr="isnull", exclude=True)


class ToolsView(Rows):
    permissions: ClassVar = {"GET": "servers:read"}
    queryset = UpstreamTool.objects.none()
    serializer_class = shapes.UpstreamToolSerializer
    filterset_class = ToolFilter
    ordering_fields = ("name", "offered_name", "last_seen_at")

    @extend_schema(operation_id="mcp_tools_list")
    def get(self, request: Request) -> Response:
        """Every tool that a connected server has listed. `status=changed`: those whose server has changed them since they were approved."""
        return self.page(queries.tools(principal_of(request).tenant))


class ToolView(APIView):
    permissions: ClassVar = {"GET": "servers:read"}

    @extend_schema(operation_id="mcp_tools_read", responses=shapes.UpstreamToolSerializer)
    def get(self, request: Request, tool_id: UUID) -> Response:
        return Response(shapes.UpstreamToolSerializer(queries.tool(principal_of(request).tenant, tool_id)).data)


class ToolApprovalView(APIView):
    permissions: ClassVar = {"POST": "servers:write"}

    @extend_schema(
        operation_id="mcp_tools_approve", request=shapes.UpstreamApprovalSerializer, responses={200: shapes.UpstreamToolSerializer, **CONFLICT}
    )
    def post(self, request: Request, tool_id: UUID) -> Response:
        """Approve the tool as its server offers it now; only that is called from then on."""
        by = principal_of(request)
        given = check_body(request.data, shapes.UpstreamApprovalSerializer)
        return _tool(services.approve(by.tenant, tool_id=tool_id, **given, by=by))


class ToolRejectionView(APIView):
    permissions: ClassVar = {"POST": "servers:write"}

    @extend_schema(operation_id="mcp_tools_reject", request=None, responses=shapes.UpstreamToolSerializer)
    def post(self, request: Request, tool_id: UUID) -> Response:
        """The tool is not called any more, and offered nowhere, until somebody approves it."""
        by = principal_of(request)
        return _tool(services.reject(by.tenant, tool_id=tool_id, by=by))


def _tool(row: UpstreamTool) -> Response:
    return Response(shapes.UpstreamToolSerializer(row).data)


class ToolCallView(APIView):
    permissions: ClassVar = {"POST": "servers:use"}

    @extend_schema(
        operation_id="mcp_tools_call",
        request=shapes.UpstreamArgumentsSerializer,
        responses={200: shapes.UpstreamAnswerSerializer, **CONFLICT, **AWAY},
    )
    def post(self, request: Request, tool_id: UUID) -> Response:
        """One call, on record. `is_error`: the tool itself has failed and says why in its content."""
        by = principal_of(request)
        given = check_body(request.data, shapes.UpstreamArgumentsSerializer)
        row = queries.tool(by.tenant, tool_id)
        answer = services.use(by.tenant, server=row.server.slug, tool=row.name, arguments=given.get("arguments", {}), actor=by.actor, via="rest")
        return Response(asdict(answer))


class CallFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    server = django_filters.CharFilter()
    name = django_filters.CharFilter()
    actor = django_filters.CharFilter()
    via = django_filters.CharFilter()
    kind = django_filters.ChoiceFilter(choices=ServerCall.Kind.choices)
    outcome = django_filters.ChoiceFilter(choices=ServerCall.Outcome.choices)
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")


class CallsView(Rows):
    permissions: ClassVar = {"GET": "servers:read"}
    queryset = ServerCall.objects.none()
    serializer_class = shapes.ServerCallSerializer
    filterset_class = CallFilter
    ordering_fields = ("at", "duration_ms")

    @extend_schema(operation_id="mcp_calls_list")
    def get(self, request: Request) -> Response:
        """Every request that was made to a server, newest first. Arguments and answers are not kept."""
        return self.page(queries.calls(principal_of(request).tenant))
