"""REST: long-running work, how far it is, and its end."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.operations import queries, services
from mcp_platform.operations.models import Operation
from mcp_platform.operations.serializers import OperationSerializer
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

ENDED = OpenApiResponse(ProblemSerializer, description="It has ended already")


class OperationFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    kind = django_filters.CharFilter()
    subject = django_filters.CharFilter()
    status = django_filters.ChoiceFilter(choices=Operation.Status.choices)


class OperationsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "tenants:read"}
    queryset = Operation.objects.none()
    serializer_class = OperationSerializer
    filterset_class = OperationFilter
    ordering_fields = ("created_at", "finished_at", "status")

    @extend_schema(operation_id="operations_list")
    def get(self, request: Request) -> Response:
        """Long-running work of the kinds that you may see, newest first."""
        by = principal_of(request)
        page = self.paginate_queryset(self.filter_queryset(queries.operations(by.tenant, services.readable(by))))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class OperationView(APIView):
    permissions: ClassVar = {"GET": "tenants:read"}

    @extend_schema(operation_id="operations_read", responses=OperationSerializer)
    def get(self, request: Request, operation_id: UUID) -> Response:
        """How far it is, and at the end its result or the problem."""
        by = principal_of(request)
        return Response(OperationSerializer(queries.operation(by.tenant, operation_id, kinds=services.readable(by))).data)


class OperationCancelView(APIView):
    permissions: ClassVar = {"POST": "operations:cancel"}

    @extend_schema(operation_id="operations_cancel", request=None, responses={200: OperationSerializer, 409: ENDED})
    def post(self, request: Request, operation_id: UUID) -> Response:
        """Stop it: at once when it waits, at its next step when it runs. What it has done stays done."""
        by = principal_of(request)
        return Response(OperationSerializer(services.cancel(by.tenant, operation_id=operation_id, by=by)).data)
