"""Virtual servers: chosen upstream tools behind our own endpoint."""

from dataclasses import asdict
from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.orchestrator import queries, services
from mcp_platform.orchestrator import serializers as shapes
from mcp_platform.orchestrator.api.manners import CONFLICT, GONE, IF_MATCH, STALE, Rows, body_of, expected_rev, tagged, taken_text
from mcp_platform.orchestrator.models import VirtualServer
from mcp_platform.orchestrator.models.virtual import SLUG_RULE
from mcp_platform.rest import BooleanFilter, SchemaError, check_body
from mcp_platform.tenancy.authenticators import principal_of
from mcp_platform.tenancy.models import Tenant

EXAMPLE = OpenApiExample(
    "Office",
    value={
        "slug": "office",
        "name": "Office tools",
        "description": "Times and products of the office.",
        "tools": [{"server": "clock", "tool": "get_current_time"}, {"server": "catalogue", "tool": "search", "name": "find_product"}],
    },
    request_only=True,
)


class VirtualFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter(lookup_expr="icontains")
    enabled = BooleanFilter()
    at_main = BooleanFilter()


class VirtualServersView(Rows):
    permissions: ClassVar = {"GET": "servers:read", "POST": "servers:write"}
    queryset = VirtualServer.objects.none()
    serializer_class = shapes.VirtualServerSerializer
    filterset_class = VirtualFilter
    ordering_fields = ("name", "slug", "updated_at")

    @extend_schema(operation_id="virtual_servers_list")
    def get(self, request: Request) -> Response:
        return self.page(queries.virtual_servers(principal_of(request).tenant))

    @extend_schema(
        operation_id="virtual_servers_create",
        request=shapes.VirtualCreateSerializer,
        responses={201: shapes.VirtualServerSerializer, **CONFLICT},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """Offer chosen tools at /mcp/v/<slug>. Names that collide are refused."""
        by, body = principal_of(request), body_of(request)
        slug, chosen = taken_text(body, "slug", SLUG_RULE), _chosen(body)
        row = services.save_virtual_server(by.tenant, slug=slug, fields=body, chosen=chosen or (), create=True, by=by)
        return _shown(row, 201)


def _chosen(body: dict[str, Any]) -> list[services.Chosen] | None:
    """Take `tools` out of the body; None when it is not there. Raises SchemaError."""
    if "tools" not in body:
        return None
    given = body.pop("tools")
    if not isinstance(given, list):
        raise SchemaError(errors=[{"path": "$.tools", "message": "is no list", "expected": "a list of {server, tool}"}])
    found = []
    for index, one in enumerate(given):
        try:
            found.append(services.Chosen(**check_body(one, shapes.VirtualChosenSerializer)))
        except SchemaError as fault:
            faults = [{**each, "path": each["path"].replace("$", f"$.tools[{index}]", 1)} for each in fault.details["errors"]]
            raise SchemaError(errors=faults) from fault
    return found


def _shown(row: VirtualServer, status: int = 200) -> Response:
    return tagged(shapes.VirtualServerSerializer(row).data, row.rev, status, f"/api/v1/virtual-servers/{row.slug}" if status == 201 else "")


class VirtualServerView(APIView):
    permissions: ClassVar = {"GET": "servers:read", "PATCH": "servers:write", "DELETE": "servers:write"}

    @extend_schema(operation_id="virtual_servers_read", responses=shapes.VirtualServerSerializer)
    def get(self, request: Request, virtual: str) -> Response:
        return _shown(_row(principal_of(request).tenant, virtual))

    @extend_schema(
        operation_id="virtual_servers_change",
        request=shapes.VirtualChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.VirtualServerSerializer, **CONFLICT, **STALE},
    )
    def patch(self, request: Request, virtual: str) -> Response:
        """Change some members; `tools` replaces all of them."""
        by, body = principal_of(request), body_of(request)
        rev = expected_rev(request, _row(by.tenant, virtual).rev)
        chosen = _chosen(body)
        return _shown(services.save_virtual_server(by.tenant, slug=virtual, fields=body, chosen=chosen, expected_rev=rev, by=by))

    @extend_schema(operation_id="virtual_servers_delete", parameters=[IF_MATCH], responses={204: GONE, **STALE})
    def delete(self, request: Request, virtual: str) -> Response:
        by = principal_of(request)
        services.delete_virtual_server(by.tenant, slug=virtual, expected_rev=expected_rev(request, _row(by.tenant, virtual).rev), by=by)
        return Response(status=204)


def _row(tenant: Tenant, slug: str) -> VirtualServer:
    return queries.virtual_server(tenant, slug)


class PreviewView(APIView):
    permissions: ClassVar = {"POST": "servers:read"}

    @extend_schema(operation_id="virtual_servers_preview", request=shapes.VirtualPreviewRequestSerializer, responses=shapes.VirtualPreviewSerializer)
    def post(self, request: Request) -> Response:
        """The names that clients would see, and every collision. Saves nothing."""
        given = check_body(request.data, shapes.VirtualPreviewRequestSerializer)
        chosen = [services.Chosen(**one) for one in given["tools"]]
        found = services.preview(principal_of(request).tenant, chosen=chosen, at_main=given["at_main"], slug=given["slug"])
        return Response({"names": [{"name": name, "place": place} for name, place in found.names], "clashes": [asdict(one) for one in found.clashes]})
