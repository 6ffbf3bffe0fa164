"""REST: trained models, what was measured, and which of them serves."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.ml import queries, services
from mcp_platform.ml import serializers as shapes
from mcp_platform.ml.models import ModelVersion
from mcp_platform.rest import check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

CONFLICT = OpenApiResponse(ProblemSerializer, description="Not possible as things are")


class ModelFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    kind = django_filters.CharFilter()
    subject = django_filters.CharFilter()
    status = django_filters.ChoiceFilter(choices=ModelVersion.Status.choices)


class ModelsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "models:read"}
    queryset = ModelVersion.objects.none()
    serializer_class = shapes.ModelSerializer
    filterset_class = ModelFilter
    ordering_fields = ("created_at", "number", "subject")

    @extend_schema(operation_id="models_list")
    def get(self, request: Request) -> Response:
        """Trained models, newest first."""
        rows = queries.models(principal_of(request).tenant).defer("metrics", "card")
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class ModelView(APIView):
    permissions: ClassVar = {"GET": "models:read"}

    @extend_schema(operation_id="models_read", responses=shapes.ModelDetailSerializer)
    def get(self, request: Request, model_id: UUID) -> Response:
        """One model with its card and everything that was measured."""
        return Response(shapes.ModelDetailSerializer(queries.model(principal_of(request).tenant, model_id)).data)


class ModelPromotionView(APIView):
    permissions: ClassVar = {"POST": "models:write"}

    @extend_schema(operation_id="models_promote", request=shapes.PromotionSerializer, responses={200: shapes.ModelSerializer, 409: CONFLICT})
    def post(self, request: Request, model_id: UUID) -> Response:
        """Let it serve. Closed gates refuse that, unless `override` says why."""
        by = principal_of(request)
        row = services.promote(by.tenant, model_id=model_id, **check_body(request.data, shapes.PromotionSerializer), by=by)
        return Response(shapes.ModelSerializer(row).data)


class ModelRollbackView(APIView):
    permissions: ClassVar = {"POST": "models:write"}

    @extend_schema(operation_id="models_roll_back", request=None, responses={200: shapes.ModelSerializer, 409: CONFLICT})
    def post(self, request: Request, model_id: UUID) -> Response:
        """Of the model that serves: the one that served before it serves again, and is the answer."""
        by = principal_of(request)
        return Response(shapes.ModelSerializer(services.roll_back(by.tenant, model_id=model_id, by=by)).data)


class ModelRejectionView(APIView):
    permissions: ClassVar = {"POST": "models:write"}

    @extend_schema(operation_id="models_reject", request=shapes.RejectionSerializer, responses={200: shapes.ModelSerializer, 409: CONFLICT})
    def post(self, request: Request, model_id: UUID) -> Response:
        """A candidate that shall never serve."""
        by = principal_of(request)
        row = services.reject(by.tenant, model_id=model_id, **check_body(request.data, shapes.RejectionSerializer), by=by)
        return Response(shapes.ModelSerializer(row).data)
