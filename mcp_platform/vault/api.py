"""REST: secrets by name. Nothing here answers with a value."""

from datetime import timedelta
from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of
from mcp_platform.vault import queries, services
from mcp_platform.vault import serializers as shapes
from mcp_platform.vault.models import Secret

CONFLICT = OpenApiResponse(ProblemSerializer, description="Not possible as things are")


class SecretFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter(lookup_expr="icontains")


class SecretsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "secrets:read", "POST": "secrets:write"}
    queryset = Secret.objects.none()
    serializer_class = shapes.SecretSerializer
    filterset_class = SecretFilter
    ordering_fields = ("name", "created_at", "last_used_at")

    @extend_schema(operation_id="secrets_list")
    def get(self, request: Request) -> Response:
        """Names, versions and when each was last used."""
        page = self.paginate_queryset(self.filter_queryset(queries.secrets(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="secrets_create", request=shapes.SecretCreateSerializer, responses={201: shapes.SecretSerializer, 409: CONFLICT})
    def post(self, request: Request) -> Response:
        """Store a secret under a name. Its value is never shown again."""
        by = principal_of(request)
        row = services.create_secret(by.tenant, **check_body(request.data, shapes.SecretCreateSerializer), by=by)
        return Response(shapes.SecretSerializer(row).data, status=201, headers={"Location": f"/api/v1/secrets/{row.name}"})


class SecretView(APIView):
    permissions: ClassVar = {"GET": "secrets:read", "PATCH": "secrets:write", "DELETE": "secrets:write"}

    @extend_schema(operation_id="secrets_read", responses=shapes.SecretSerializer)
    def get(self, request: Request, secret_name: str) -> Response:
        return Response(shapes.SecretSerializer(queries.secret(principal_of(request).tenant, secret_name)).data)

    @extend_schema(operation_id="secrets_describe", request=shapes.SecretChangeSerializer, responses=shapes.SecretSerializer)
    def patch(self, request: Request, secret_name: str) -> Response:
        """Change the description. A new value is a rotation."""
        by = principal_of(request)
        row = services.describe_secret(by.tenant, name=secret_name, **check_body(request.data, shapes.SecretChangeSerializer), by=by)
        return Response(shapes.SecretSerializer(row).data)

    @extend_schema(operation_id="secrets_delete", responses={204: OpenApiResponse(description="Done; nothing to say"), 409: CONFLICT})
    def delete(self, request: Request, secret_name: str) -> Response:
        """Delete a secret that nothing refers to."""
        by = principal_of(request)
        services.delete_secret(by.tenant, name=secret_name, by=by)
        return Response(status=204)


class SecretRotationView(APIView):
    permissions: ClassVar = {"POST": "secrets:write"}

    @extend_schema(operation_id="secrets_rotate", request=shapes.SecretRotationSerializer, responses=shapes.SecretSerializer)
    def post(self, request: Request, secret_name: str) -> Response:
        """Give it a new value; the one before it stays good until the overlap ends."""
        by = principal_of(request)
        given = check_body(request.data, shapes.SecretRotationSerializer)
        overlap = timedelta(seconds=given["overlap_seconds"]) if "overlap_seconds" in given else services.OVERLAP
        return Response(
            shapes.SecretSerializer(services.rotate_secret(by.tenant, name=secret_name, value=given["value"], overlap=overlap, by=by)).data
        )
