"""Integrations: the definitions of external systems that flows may call, and the stubs that stand in for them."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from flows import queries, services
from flows import serializers as shapes
from flows.api import manners
from flows.api.manners import CONFLICT, GONE, IF_MATCH, STALE, body_of, expected_rev, tagged
from flows.models import INTEGRATION_TYPES, Integration, Stub
from flows.services.integrations import DEFAULTS
from mcp_platform.tenancy.authenticators import principal_of

EXAMPLE = OpenApiExample(
    "CRM",
    value={
        "integration_id": "crm",
        "name": "Customer register",
        "base_url": "https://crm.example.com/api",
        "authentication": {"type": "bearer", "secret": "CRM_TOKEN"},
        "timeout_ms": 3000,
        "retry_policy": {"max_attempts": 3, "backoff_ms": 200},
    },
    request_only=True,
)


class IntegrationFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    integration_id = django_filters.CharFilter()
    name = django_filters.CharFilter(lookup_expr="icontains")
    type = django_filters.ChoiceFilter(choices=INTEGRATION_TYPES)


class IntegrationsView(manners.Rows):
    permissions: ClassVar = {"GET": "integrations:read", "POST": "integrations:write"}
    queryset = Integration.objects.none()
    serializer_class = shapes.IntegrationSerializer
    filterset_class = IntegrationFilter
    ordering_fields = ("name", "integration_id", "updated_at")

    @extend_schema(operation_id="integrations_list")
    def get(self, request: Request) -> Response:
        return self.page(queries.integrations(principal_of(request).tenant))

    @extend_schema(
        operation_id="integrations_create",
        request=shapes.IntegrationCreateSerializer,
        responses={201: shapes.IntegrationSerializer, **CONFLICT},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """Define an integration. Secrets are referred to by name; a literal one is refused."""
        by = principal_of(request)
        body = body_of(request)
        integration_id = manners.take(body, "integration_id", str, "a letter, then letters, digits, _ or -; at most 63")
        return _shown(services.save_integration(by.tenant, integration_id=integration_id, fields=body, create=True, by=by), 201)


def _shown(row: Integration, status: int = 200) -> Response:
    headers = {"Location": f"/api/v1/integrations/{row.integration_id}"} if status == 201 else None
    return tagged(shapes.IntegrationSerializer(row).data, row.rev, status, headers)


class IntegrationView(APIView):
    permissions: ClassVar = {
        "GET": "integrations:read",
        "PUT": "integrations:write",
        "PATCH": "integrations:write",
        "DELETE": "integrations:write",
    }

    @extend_schema(operation_id="integrations_read", responses=shapes.IntegrationSerializer)
    def get(self, request: Request, integration_id: str) -> Response:
        return _shown(queries.integration(principal_of(request).tenant, integration_id))

    @extend_schema(
        operation_id="integrations_replace",
        request=shapes.IntegrationChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.IntegrationSerializer, **CONFLICT, **STALE},
    )
    def put(self, request: Request, integration_id: str) -> Response:
        """Replace the definition; members that are not sent go back to their defaults."""
        return self._save(request, integration_id, {**DEFAULTS, "name": integration_id})

    @extend_schema(
        operation_id="integrations_change",
        request=shapes.IntegrationChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.IntegrationSerializer, **CONFLICT, **STALE},
    )
    def patch(self, request: Request, integration_id: str) -> Response:
        """Change some members of the definition."""
        return self._save(request, integration_id, {})

    def _save(self, request: Request, integration_id: str, defaults: dict[str, Any]) -> Response:
        by = principal_of(request)
        rev = expected_rev(request, queries.integration(by.tenant, integration_id).rev)
        fields = {**defaults, **body_of(request)}
        return _shown(services.save_integration(by.tenant, integration_id=integration_id, fields=fields, expected_rev=rev, by=by))

    @extend_schema(operation_id="integrations_delete", parameters=[IF_MATCH], responses={204: GONE, **CONFLICT, **STALE})
    def delete(self, request: Request, integration_id: str) -> Response:
        """Delete an integration that no running version of a flow calls."""
        by = principal_of(request)
        rev = expected_rev(request, queries.integration(by.tenant, integration_id).rev)
        services.delete_integration(by.tenant, integration_id=integration_id, expected_rev=rev, by=by)
        return Response(status=204)


class StubFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter(lookup_expr="icontains")
    source = django_filters.ChoiceFilter(choices=Stub.Source.choices)


class StubsView(manners.Rows):
    permissions: ClassVar = {"GET": "integrations:read", "POST": "integrations:write"}
    queryset = Stub.objects.none()
    serializer_class = shapes.StubSerializer
    filterset_class = StubFilter
    ordering_fields = ("name", "created_at")

    @extend_schema(operation_id="integration_stubs_list")
    def get(self, request: Request, integration_id: str) -> Response:
        """Answers that stand in for the integration in tests and dry runs."""
        return self.page(queries.stubs(principal_of(request).tenant, integration_id))

    @extend_schema(operation_id="integration_stubs_create", request=shapes.StubChangeSerializer, responses={201: shapes.StubSerializer, **CONFLICT})
    def post(self, request: Request, integration_id: str) -> Response:
        """Write a stub by hand. Trial calls and conversations can be recorded as stubs, too."""
        by = principal_of(request)
        row = services.save_stub(by.tenant, integration_id=integration_id, fields=body_of(request), by=by)
        return Response(shapes.StubSerializer(row).data, status=201, headers={"Location": f"/api/v1/integrations/{integration_id}/stubs/{row.pk}"})


class StubView(APIView):
    permissions: ClassVar = {"GET": "integrations:read", "PATCH": "integrations:write", "DELETE": "integrations:write"}

    @extend_schema(operation_id="integration_stubs_read", responses=shapes.StubSerializer)
    def get(self, request: Request, integration_id: str, stub_id: UUID) -> Response:
        return Response(shapes.StubSerializer(queries.stub(principal_of(request).tenant, integration_id, stub_id)).data)

    @extend_schema(operation_id="integration_stubs_change", request=shapes.StubChangeSerializer, responses={200: shapes.StubSerializer, **CONFLICT})
    def patch(self, request: Request, integration_id: str, stub_id: UUID) -> Response:
        """Change some members of the stub."""
        by = principal_of(request)
        row = services.save_stub(by.tenant, integration_id=integration_id, stub_id=stub_id, fields=body_of(request), by=by)
        return Response(shapes.StubSerializer(row).data)

    @extend_schema(operation_id="integration_stubs_delete", responses={204: GONE})
    def delete(self, request: Request, integration_id: str, stub_id: UUID) -> Response:
        by = principal_of(request)
        services.delete_stub(by.tenant, integration_id=integration_id, stub_id=stub_id, by=by)
        return Response(status=204)
