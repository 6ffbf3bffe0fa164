"""REST: the numbers of flows, by day, channel, version and environment."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.analytics import queries
from conversations.analytics import serializers as shapes
from conversations.analytics.looking import view_of
from conversations.analytics.queries import View
from flows import queries as flows
from mcp_platform.tenancy.authenticators import principal_of

PARAMETERS = [
    OpenApiParameter("since", OpenApiTypes.DATE, description="First day (UTC); 28 days before `until` unless given"),
    OpenApiParameter("until", OpenApiTypes.DATE, description="Last day; today unless given"),
    OpenApiParameter("version", OpenApiTypes.INT, description="Number of a version; all unless given"),
    OpenApiParameter("environment", OpenApiTypes.STR),
    OpenApiParameter("channel", OpenApiTypes.STR),
]


class FlowsAnalyticsView(APIView):
    permissions: ClassVar = {"GET": "metrics:read"}

    @extend_schema(operation_id="analytics_flows", parameters=PARAMETERS[:2], responses=shapes.FlowListSerializer)
    def get(self, request: Request) -> Response:
        """Starts and completions of every flow."""
        tenant = principal_of(request).tenant
        view = view_of(request.query_params, timezone.now().date())
        rows = list(flows.flows(tenant))
        totals = queries.flow_totals([tenant.pk], [row.pk for row in rows], view)
        nothing = {"starts": 0, "completed": 0, "completion_rate": None, "handoffs": 0}
        results = [{"flow_id": row.flow_id, "name": row.name, **totals.get(row.pk, nothing)} for row in rows]
        shown = {"since": view.since, "until": view.until, "counted_at": queries.counted_at(tenant), "results": results}
        return Response(shapes.FlowListSerializer(shown).data)


class _Numbers(APIView):
    permissions: ClassVar = {"GET": "metrics:read"}

    def shown(self, request: Request, flow_id: str, shape: Any, report: Callable[[Any, Any, View], dict[str, Any]]) -> Response:
        tenant = principal_of(request).tenant
        flow = queries.flow(tenant, flow_id)
        view = view_of(request.query_params, timezone.now().date())
        about = {
            "flow_id": flow.flow_id,
            "since": view.since,
            "until": view.until,
            "version": view.version,
            "environment": view.environment,
            "channel": view.channel,
            "counted_at": queries.counted_at(tenant),
        }
        return Response(shape({**about, **report(tenant, flow, view)}).data)


class OverviewView(_Numbers):
    @extend_schema(operation_id="analytics_overview", parameters=PARAMETERS, responses=shapes.OverviewSerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """Everything but the funnel: starts, completions, latency, slots, intents, integrations, satisfaction."""
        return self.shown(request, flow_id, shapes.OverviewSerializer, queries.overview)


class FunnelView(_Numbers):
    @extend_schema(operation_id="analytics_funnel", parameters=PARAMETERS, responses=shapes.FunnelSerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """How far sessions came: of every state how many reached it, ended there, or stopped there."""
        return self.shown(request, flow_id, shapes.FunnelSerializer, queries.funnel)


class DaysView(_Numbers):
    @extend_schema(operation_id="analytics_days", parameters=PARAMETERS, responses=shapes.DaysSerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """One row for each day."""
        return self.shown(request, flow_id, shapes.DaysSerializer, lambda *what: {"days": queries.by_day(*what)})


class VersionsView(_Numbers):
    @extend_schema(operation_id="analytics_versions", parameters=PARAMETERS, responses=shapes.VersionsSerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """The versions side by side."""
        return self.shown(request, flow_id, shapes.VersionsSerializer, lambda *what: {"versions": queries.by_version(*what)})
