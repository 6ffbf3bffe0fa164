"""REST: where events go, what became of each, and which types there are."""

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.outbox import queries, services
from mcp_platform.outbox import serializers as shapes
from mcp_platform.outbox.core.catalogue import TYPES
from mcp_platform.outbox.models import Delivery, Endpoint
from mcp_platform.rest import BooleanFilter, check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

GONE = OpenApiResponse(description="Done; nothing to say")
CONFLICT = OpenApiResponse(ProblemSerializer, description="Not possible as things are")
EXAMPLE = OpenApiExample(
    "Webhook",
    value={"name": "CRM", "url": "https://crm.example.com/hooks/mcp", "types": ["conversation.*"], "headers": {"Authorization": "Bearer …"}},
    request_only=True,
)


class _Rows(GenericAPIView[Any]):
    """A filtered, ordered, paged list of one of the tenant's tables."""

    def _page(self, rows: QuerySet[Any]) -> Response:
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class EndpointFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    kind = django_filters.ChoiceFilter(choices=Endpoint.Kind.choices)
    enabled = BooleanFilter()
    name = django_filters.CharFilter(lookup_expr="icontains")


class EndpointsView(_Rows):
    permissions: ClassVar = {"GET": "events:read", "POST": "events:manage"}
    queryset = Endpoint.objects.none()
    serializer_class = shapes.EndpointSerializer
    filterset_class = EndpointFilter
    ordering_fields = ("name", "created_at", "failing_since")

    @extend_schema(operation_id="event_endpoints_list")
    def get(self, request: Request) -> Response:
        return self._page(queries.endpoints(principal_of(request).tenant))

    @extend_schema(
        operation_id="event_endpoints_create",
        request=shapes.EndpointCreateSerializer,
        responses={201: shapes.NewEndpointSerializer},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """Send events somewhere. The answer holds the secret that verifies their signatures, once and never again."""
        by = principal_of(request)
        given = check_body(request.data, shapes.EndpointCreateSerializer)
        return _with_secret(*services.create_endpoint(by.tenant, fields=given, by=by))


def _with_secret(row: Endpoint, secret: str) -> Response:
    shown = {**shapes.EndpointSerializer(queries.endpoint(row.tenant, row.pk)).data, "secret": secret}
    headers = {"Cache-Control": "no-store", "Location": f"/api/v1/event-endpoints/{row.pk}"}
    return Response(shown, status=201, headers=headers)


class EndpointView(APIView):
    permissions: ClassVar = {"GET": "events:read", "PATCH": "events:manage", "DELETE": "events:manage"}

    @extend_schema(operation_id="event_endpoints_read", responses=shapes.EndpointSerializer)
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        return _shown(queries.endpoint(principal_of(request).tenant, endpoint_id))

    @extend_schema(
        operation_id="event_endpoints_change",
        request=shapes.EndpointChangeSerializer,
        responses={200: shapes.EndpointSerializer, 409: CONFLICT},
    )
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change some members. Switched on again, it starts afresh with everything that waits."""
        by = principal_of(request)
        given = check_body(request.data, shapes.EndpointChangeSerializer)
        services.change_endpoint(by.tenant, endpoint_id=endpoint_id, fields=given, by=by)
        return _shown(queries.endpoint(by.tenant, endpoint_id))

    @extend_schema(operation_id="event_endpoints_delete", responses={204: GONE, 409: CONFLICT})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Delete it with its deliveries and their log."""
        by = principal_of(request)
        services.delete_endpoint(by.tenant, endpoint_id=endpoint_id, by=by)
        return Response(status=204)


def _shown(row: Endpoint) -> Response:
    return Response(shapes.EndpointSerializer(row).data)


class SecretRotationView(APIView):
    permissions: ClassVar = {"POST": "events:manage"}

    @extend_schema(
        operation_id="event_endpoints_rotate_secret",
        request=shapes.OverlapSerializer,
        responses={201: shapes.NewEndpointSerializer, 409: CONFLICT},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """A new secret; until the overlap ends requests carry the signatures of both."""
        by = principal_of(request)
        given = check_body(request.data, shapes.OverlapSerializer)
        overlap = timedelta(seconds=given["overlap_seconds"])
        return _with_secret(*services.rotate_secret(by.tenant, endpoint_id=endpoint_id, overlap=overlap, by=by))


class TestEventView(APIView):
    permissions: ClassVar = {"POST": "events:manage"}

    @extend_schema(operation_id="event_endpoints_test", request=None, responses={202: shapes.DeliverySerializer})
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send an event of type endpoint.test; the delivery tells what came of it."""
        by = principal_of(request)
        return _accepted(services.send_test(by.tenant, endpoint_id=endpoint_id, by=by))


def _accepted(row: Delivery) -> Response:
    return Response(shapes.DeliverySerializer(row).data, status=202, headers={"Location": f"/api/v1/event-deliveries/{row.pk}"})


class EndpointRedeliveryView(APIView):
    permissions: ClassVar = {"POST": "events:manage"}

    @extend_schema(operation_id="event_endpoints_redeliver", request=shapes.RedeliverySerializer, responses={202: shapes.CountSerializer})
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send everything again that was given up, in its order."""
        by = principal_of(request)
        given = check_body(request.data, shapes.RedeliverySerializer)
        count = services.redeliver_failed(by.tenant, endpoint_id=endpoint_id, since=given["since"], by=by)
        return Response({"count": count}, status=202)


class DeliveryFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    endpoint_id = django_filters.UUIDFilter()
    event_id = django_filters.UUIDFilter(field_name="event__event_id")
    status = django_filters.ChoiceFilter(choices=Delivery.Status.choices)
    type = django_filters.CharFilter()
    key = django_filters.CharFilter()
    since = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")


class DeliveriesView(_Rows):
    permissions: ClassVar = {"GET": "events:read"}
    queryset = Delivery.objects.none()
    serializer_class = shapes.DeliverySerializer
    filterset_class = DeliveryFilter
    ordering_fields = ("created_at", "finished_at", "attempts")

    @extend_schema(operation_id="event_deliveries_list")
    def get(self, request: Request) -> Response:
        """What became of each event at each endpoint, newest first. `status=dead` is the dead letter."""
        return self._page(queries.deliveries(principal_of(request).tenant))


class DeliveryView(APIView):
    permissions: ClassVar = {"GET": "events:read"}

    @extend_schema(operation_id="event_deliveries_read", responses=shapes.DeliveryDetailSerializer)
    def get(self, request: Request, delivery_id: UUID) -> Response:
        """With the event as it is sent and the log of its attempts."""
        return Response(shapes.DeliveryDetailSerializer(queries.delivery(principal_of(request).tenant, delivery_id)).data)


class RedeliveryView(APIView):
    permissions: ClassVar = {"POST": "events:manage"}

    @extend_schema(operation_id="event_deliveries_redeliver", request=None, responses={202: shapes.DeliverySerializer, 409: CONFLICT})
    def post(self, request: Request, delivery_id: UUID) -> Response:
        """Send one event once more, whatever became of it."""
        by = principal_of(request)
        return _accepted(services.redeliver(by.tenant, delivery_id=delivery_id, by=by))


class EventTypesView(APIView):
    permissions: ClassVar = {"GET": "events:read"}

    @extend_schema(
        operation_id="event_types_list",
        parameters=[OpenApiParameter("name", description="Only this type")],
        responses=shapes.EventTypeSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Every type of event, with the JSON Schema of its data."""
        wanted = request.query_params.get("name", "")
        found: Any = [one for one in TYPES.values() if wanted in ("", one.name)]
        return Response(shapes.EventTypeSerializer(found, many=True).data)
