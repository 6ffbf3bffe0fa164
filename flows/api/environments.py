"""Environments: where flows run."""

from typing import ClassVar

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from flows import queries, services
from flows import serializers as shapes
from flows.api import manners
from flows.api.manners import CONFLICT, GONE
from flows.models import Environment
from mcp_platform.rest import BooleanFilter, check_body
from mcp_platform.tenancy.authenticators import principal_of


class EnvironmentFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter()
    is_default = BooleanFilter()


class EnvironmentsView(manners.Rows):
    permissions: ClassVar = {"GET": "flows:read", "POST": "flows:publish"}
    queryset = Environment.objects.none()
    serializer_class = shapes.EnvironmentSerializer
    filterset_class = EnvironmentFilter
    ordering_fields = ("name",)

    @extend_schema(operation_id="environments_list")
    def get(self, request: Request) -> Response:
        """Environments and which version of each flow they run."""
        return self.page(queries.environments(principal_of(request).tenant))

    @extend_schema(
        operation_id="environments_create",
        request=shapes.EnvironmentCreateSerializer,
        responses={201: shapes.EnvironmentSerializer, **CONFLICT},
        examples=[OpenApiExample("Staging", value={"name": "staging"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        by = principal_of(request)
        given = check_body(request.data, shapes.EnvironmentCreateSerializer)
        services.create_environment(by.tenant, by=by, **given)
        return _shown(request, given["name"], 201)


def _shown(request: Request, name: str, status: int = 200) -> Response:
    tenant = principal_of(request).tenant
    return Response(shapes.EnvironmentSerializer(queries.environments(tenant).get(pk=queries.environment(tenant, name).pk)).data, status=status)


class EnvironmentView(APIView):
    permissions: ClassVar = {"GET": "flows:read", "PATCH": "flows:publish", "DELETE": "flows:publish"}

    @extend_schema(operation_id="environments_read", responses=shapes.EnvironmentSerializer)
    def get(self, request: Request, name: str) -> Response:
        return _shown(request, name)

    @extend_schema(
        operation_id="environments_change", request=shapes.EnvironmentChangeSerializer, responses={200: shapes.EnvironmentSerializer, **CONFLICT}
    )
    def patch(self, request: Request, name: str) -> Response:
        """Make it the default environment."""
        by = principal_of(request)
        services.update_environment(by.tenant, name=name, by=by, **check_body(request.data, shapes.EnvironmentChangeSerializer))
        return _shown(request, name)

    @extend_schema(operation_id="environments_delete", responses={204: GONE, **CONFLICT})
    def delete(self, request: Request, name: str) -> Response:
        """Delete an environment in which no conversation ever ran."""
        by = principal_of(request)
        services.delete_environment(by.tenant, name=name, by=by)
        return Response(status=204)
