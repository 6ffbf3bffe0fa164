"""Metrics, namespaces and holdouts: what experiments share."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from experiments import queries, services
from experiments import serializers as shapes
from experiments.models import Holdout, MetricDefinition, Namespace
from mcp_platform.rest import check_body
from mcp_platform.tenancy.authenticators import principal_of

PERMISSIONS = {"GET": "experiments:read", "POST": "experiments:write"}
OF_ONE = {"GET": "experiments:read", "PATCH": "experiments:write", "DELETE": "experiments:write"}
GONE = {204: OpenApiResponse(description="Gone")}


class Shared(GenericAPIView[Any]):
    """A list, and a place for new ones."""

    permissions: ClassVar = PERMISSIONS
    shape: ClassVar[Any]
    rows: ClassVar[Callable[..., Any]]
    save: ClassVar[Callable[..., Any]]
    filterset_fields = ("key",)
    ordering_fields = ("key",)

    def listed(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(type(self).rows(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def made(self, request: Request) -> Response:
        by = principal_of(request)
        row = type(self).save(by.tenant, fields=check_body(request.data, self.shape), by=by)
        return Response(self.get_serializer(row).data, status=201)


class SharedOne(APIView):
    permissions: ClassVar = OF_ONE
    shape: ClassVar[Any]
    find: ClassVar[Callable[..., Any]]
    save: ClassVar[Callable[..., Any]]
    remove: ClassVar[Callable[..., Any]]

    def shown(self, request: Request, key: str) -> Response:
        return Response(self.shape(type(self).find(principal_of(request).tenant, key)).data)

    def changed(self, request: Request, key: str) -> Response:
        by = principal_of(request)
        row = type(self).save(by.tenant, fields=check_body(request.data, self.shape, partial=True), key=key, by=by)
        return Response(self.shape(row).data)

    def removed(self, request: Request, key: str) -> Response:
        by = principal_of(request)
        type(self).remove(by.tenant, key=key, by=by)
        return Response(status=204)


class MetricsView(Shared):
    queryset = MetricDefinition.objects.none()
    serializer_class = shape = shapes.MetricSerializer
    rows = staticmethod(queries.metrics)
    save = staticmethod(services.save_metric)

    @extend_schema(operation_id="experiment_metrics_list")
    def get(self, request: Request) -> Response:
        """What experiments may measure."""
        return self.listed(request)

    @extend_schema(operation_id="experiment_metrics_create", responses={201: shapes.MetricSerializer})
    def post(self, request: Request) -> Response:
        return self.made(request)


class MetricView(SharedOne):
    shape = shapes.MetricSerializer
    find = staticmethod(queries.metric)
    save = staticmethod(services.save_metric)
    remove = staticmethod(services.delete_metric)

    @extend_schema(operation_id="experiment_metrics_read", responses=shapes.MetricSerializer)
    def get(self, request: Request, key: str) -> Response:
        return self.shown(request, key)

    @extend_schema(operation_id="experiment_metrics_change", request=shapes.MetricSerializer, responses=shapes.MetricSerializer)
    def patch(self, request: Request, key: str) -> Response:
        return self.changed(request, key)

    @extend_schema(operation_id="experiment_metrics_delete", responses=GONE)
    def delete(self, request: Request, key: str) -> Response:
        return self.removed(request, key)


class NamespacesView(Shared):
    queryset = Namespace.objects.none()
    serializer_class = shape = shapes.NamespaceSerializer
    rows = staticmethod(queries.namespaces)
    save = staticmethod(services.save_namespace)

    @extend_schema(operation_id="experiment_namespaces_list")
    def get(self, request: Request) -> Response:
        """Where experiments share people out among each other."""
        return self.listed(request)

    @extend_schema(operation_id="experiment_namespaces_create", responses={201: shapes.NamespaceSerializer})
    def post(self, request: Request) -> Response:
        return self.made(request)


class NamespaceView(SharedOne):
    shape = shapes.NamespaceSerializer
    find = staticmethod(queries.namespace)
    save = staticmethod(services.save_namespace)
    remove = staticmethod(services.delete_namespace)

    @extend_schema(operation_id="experiment_namespaces_read", responses=shapes.NamespaceSerializer)
    def get(self, request: Request, key: str) -> Response:
        return self.shown(request, key)

    @extend_schema(operation_id="experiment_namespaces_change", request=shapes.NamespaceSerializer, responses=shapes.NamespaceSerializer)
    def patch(self, request: Request, key: str) -> Response:
        return self.changed(request, key)

    @extend_schema(operation_id="experiment_namespaces_delete", responses=GONE)
    def delete(self, request: Request, key: str) -> Response:
        return self.removed(request, key)


class HoldoutsView(Shared):
    queryset = Holdout.objects.none()
    serializer_class = shape = shapes.HoldoutSerializer
    rows = staticmethod(queries.holdouts)
    save = staticmethod(services.save_holdout)

    @extend_schema(operation_id="experiment_holdouts_list")
    def get(self, request: Request) -> Response:
        """Who is kept out of experiments, so that all of them together can be judged."""
        return self.listed(request)

    @extend_schema(operation_id="experiment_holdouts_create", responses={201: shapes.HoldoutSerializer})
    def post(self, request: Request) -> Response:
        return self.made(request)


class HoldoutView(SharedOne):
    shape = shapes.HoldoutSerializer
    find = staticmethod(queries.holdout)
    save = staticmethod(services.save_holdout)
    remove = staticmethod(services.delete_holdout)

    @extend_schema(operation_id="experiment_holdouts_read", responses=shapes.HoldoutSerializer)
    def get(self, request: Request, key: str) -> Response:
        return self.shown(request, key)

    @extend_schema(operation_id="experiment_holdouts_change", request=shapes.HoldoutSerializer, responses=shapes.HoldoutSerializer)
    def patch(self, request: Request, key: str) -> Response:
        return self.changed(request, key)

    @extend_schema(operation_id="experiment_holdouts_delete", responses=GONE)
    def delete(self, request: Request, key: str) -> Response:
        return self.removed(request, key)
