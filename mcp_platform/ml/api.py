"""REST: trained models, what was measured, and which of them serves."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.ml import queries, services, stages, versions
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


class ModelShadowView(APIView):
    permissions: ClassVar = {"GET": "models:read", "POST": "models:write", "DELETE": "models:write"}

    @extend_schema(operation_id="models_shadow_read", responses=shapes.ShadowSerializer)
    def get(self, request: Request, model_id: UUID) -> Response:
        """How it compares with what served while it was in the shadow. It claims no effect."""
        return Response(shapes.ShadowSerializer(stages.agreement(queries.model(principal_of(request).tenant, model_id))).data)

    @extend_schema(operation_id="models_shadow", request=None, responses={200: shapes.ModelSerializer, 409: CONFLICT})
    def post(self, request: Request, model_id: UUID) -> Response:
        """Run it on what the serving model hears, unheard, from now on."""
        by = principal_of(request)
        return Response(shapes.ModelSerializer(stages.shadow(by.tenant, model_id=model_id, by=by)).data)

    @extend_schema(operation_id="models_unshadow", responses={200: shapes.ModelSerializer, 409: CONFLICT})
    def delete(self, request: Request, model_id: UUID) -> Response:
        """Run it no more; what was measured stays."""
        by = principal_of(request)
        return Response(shapes.ModelSerializer(stages.unshadow(by.tenant, model_id=model_id, by=by)).data)


class ModelRegistryView(APIView):
    permissions: ClassVar = {"GET": "models:read"}

    @extend_schema(operation_id="models_registry", responses=shapes.RegistryEntrySerializer(many=True))
    def get(self, request: Request) -> Response:
        """Everything that models are trained for: what serves, which newer versions have open gates, whether what is heard has drifted."""
        found = versions.registry(queries.models(principal_of(request).tenant))
        return Response(shapes.RegistryEntrySerializer(found, many=True).data)


class ModelComparisonView(APIView):
    permissions: ClassVar = {"GET": "models:read"}

    @extend_schema(
        operation_id="models_compare",
        parameters=[OpenApiParameter("beside", OpenApiTypes.UUID, many=True, description="Left out: what serves and the newest of the subject")],
        responses=shapes.ModelComparisonSerializer,
    )
    def get(self, request: Request, model_id: UUID) -> Response:
        """Versions side by side: what was measured, against the one that serves, and the gates as they stand now."""
        beside = check_body({"beside": request.query_params.getlist("beside")}, shapes.BesideSerializer)["beside"]
        found = versions.compare(principal_of(request).tenant, model_id=model_id, beside=beside)
        return Response(shapes.ModelComparisonSerializer(versions.as_json(found)).data)


class ModelDriftView(APIView):
    permissions: ClassVar = {"GET": "models:read", "POST": "models:write"}

    @extend_schema(operation_id="models_drift", responses=shapes.DriftSerializer)
    def get(self, request: Request, model_id: UUID) -> Response:
        """What it makes of real inputs against its training, as population stability indices, day by day."""
        row = queries.model(principal_of(request).tenant, model_id)
        return Response(shapes.DriftSerializer(versions.drift_of(row)).data)

    @extend_schema(
        operation_id="models_measure", request=None, responses={202: OpenApiResponse(description="A worker takes the reading"), 409: CONFLICT}
    )
    def post(self, request: Request, model_id: UUID) -> Response:
        """Take today's reading now."""
        versions.start_measuring(principal_of(request).tenant, model_id=model_id)
        return Response(status=202)


class ModelCardView(APIView):
    permissions: ClassVar = {"GET": "models:read"}

    @extend_schema(operation_id="models_card", responses={(200, "text/markdown"): OpenApiTypes.STR})
    def get(self, request: Request, model_id: UUID) -> HttpResponse:
        """The model card in Markdown."""
        row = queries.model(principal_of(request).tenant, model_id)
        return HttpResponse(versions.card(row), content_type="text/markdown; charset=utf-8")


class ModelExportView(APIView):
    permissions: ClassVar = {"GET": "models:read", "POST": "models:write"}

    @extend_schema(operation_id="models_export_read", responses=shapes.ExportSerializer)
    def get(self, request: Request, model_id: UUID) -> Response:
        """What the registry outside (MLflow) knows of it."""
        row = queries.model(principal_of(request).tenant, model_id)
        return Response(shapes.ExportSerializer({"configured": versions.is_exporting(), **(versions.exported(row) or {})}).data)

    @extend_schema(operation_id="models_export", request=None, responses={202: OpenApiResponse(description="A worker tells it"), 409: CONFLICT})
    def post(self, request: Request, model_id: UUID) -> Response:
        """Tell MLflow now, also what was told before."""
        versions.start_export(principal_of(request).tenant, model_id=model_id)
        return Response(status=202)
