"""Live versions: how many conversations run which version, and the plans by which they come to another."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import versions
from conversations.models import MigrationPlan
from flows import queries as flows
from mcp_platform.rest import check_body, etag_of, require_match
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, required=True, description="The ETag that you read; * for any")
REFUSED = {
    400: OpenApiResponse(ProblemSerializer, description="PLAN_INVALID: `errors` lists every fault with its path"),
    409: OpenApiResponse(ProblemSerializer, description="PLAN_STATE: not possible as things are"),
}


class StandingSerializer(serializers.Serializer[Any]):
    """The live conversations of one version in one environment."""

    version = serializers.IntegerField()
    environment = serializers.CharField()
    runs = serializers.BooleanField(help_text="New conversations start with it there")
    total = serializers.IntegerField()
    inside = serializers.IntegerField(help_text="How many of them run it as a sub-flow")
    states = serializers.DictField(child=serializers.IntegerField(), help_text="Of this flow; where each conversation stands")


class LiveSerializer(serializers.Serializer[Any]):
    flow_id = serializers.CharField()
    versions = StandingSerializer(many=True)


class PlanFieldsSerializer(serializers.Serializer[Any]):
    mapping = serializers.DictField(required=False, help_text="docs/live_versions.md describes it; without one the suggested map is taken")
    policy = serializers.ChoiceField(choices=MigrationPlan.Policy.choices, required=False)
    ends_at = serializers.DateTimeField(required=False, help_text="Of a drain")
    at_end = serializers.ChoiceField(choices=MigrationPlan.AtEnd.values, required=False, help_text="What happens then to what is left")
    note = serializers.CharField(required=False, allow_blank=True, max_length=500)


class PlanCreateSerializer(PlanFieldsSerializer):
    flow_id = serializers.CharField(max_length=63)
    source = serializers.IntegerField(  # type: ignore[assignment]  # a declared field does not hide Field.source
        min_value=1, max_value=2_000_000_000, help_text="Number of the version that conversations leave"
    )
    target = serializers.IntegerField(min_value=1, max_value=2_000_000_000, required=False, help_text="The running one when left out")
    environment = serializers.CharField(required=False, default="", max_length=40, help_text="The default environment when left out")


class PlanSerializer(serializers.ModelSerializer[MigrationPlan]):
    flow_id = serializers.CharField(source="flow.flow_id")
    environment = serializers.CharField(source="environment.name")
    source = serializers.IntegerField(source="source.number")  # type: ignore[assignment]  # a declared field does not hide Field.source
    target = serializers.IntegerField(source="target.number")
    mapping: Any = serializers.DictField()
    report: Any = serializers.DictField(allow_null=True, help_text="What the last dry run found")

    class Meta:
        model = MigrationPlan
        fields = (
            "id", "flow_id", "environment", "source", "target", "policy", "mapping", "ends_at", "at_end", "note", "status", "run", "rev", "report",
            "report_rev", "report_at", "created_by", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields


class StartedSerializer(serializers.Serializer[Any]):
    plan = PlanSerializer()
    operation_id = serializers.UUIDField(allow_null=True, help_text="The work and its progress: /api/v1/operations/{id}/; none for a drain")


class RevertSerializer(serializers.Serializer[Any]):
    inverse = serializers.BooleanField(required=False, default=False, help_text="Move those that have gone on by the map read backwards")


class LiveView(APIView):
    permissions: ClassVar = {"GET": "flows:read"}

    @extend_schema(operation_id="live_versions", responses=LiveSerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """How many live conversations run which version of the flow, and in which state they are."""
        tenant = principal_of(request).tenant
        flow = flows.flow(tenant, flow_id)
        found = versions.live(tenant, flow)
        names = ("environment", "runs", "total", "inside")
        rows = [{"version": one.number, **{name: getattr(one, name) for name in names}, "states": dict(one.states)} for one in found]
        return Response({"flow_id": flow.flow_id, "versions": rows})


class PlanFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    flow = django_filters.CharFilter(field_name="flow__flow_id")
    environment = django_filters.CharFilter(field_name="environment__name")
    status = django_filters.MultipleChoiceFilter(choices=MigrationPlan.Status.choices, distinct=False)  # PostgreSQL cannot compare json


class PlansView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "flows:read", "POST": "flows:publish"}
    queryset = MigrationPlan.objects.none()
    serializer_class = PlanSerializer
    filterset_class = PlanFilter
    ordering_fields = ("created_at", "updated_at", "status")

    @extend_schema(operation_id="migration_plans_list")
    def get(self, request: Request) -> Response:
        """Migration plans, newest first."""
        page = self.paginate_queryset(self.filter_queryset(versions.plans(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="migration_plans_create", request=PlanCreateSerializer, responses={201: PlanSerializer, **REFUSED}, filters=False)
    def post(self, request: Request) -> Response:
        """Write a plan. Nothing moves before it is applied."""
        by = principal_of(request)
        given = check_body(request.data, PlanCreateSerializer)
        named = {name: given.pop(name) for name in ("flow_id", "source", "target", "environment") if name in given}
        return _tagged(versions.create(by.tenant, **named, fields=given, by=by), status=201)


class PlanView(APIView):
    permissions: ClassVar = {"GET": "flows:read", "PATCH": "flows:publish", "DELETE": "flows:publish"}

    @extend_schema(operation_id="migration_plans_read", responses=PlanSerializer)
    def get(self, request: Request, plan_id: UUID) -> Response:
        """A plan, and what its last dry run has found."""
        return _tagged(versions.plan(principal_of(request).tenant, plan_id))

    @extend_schema(
        operation_id="migration_plans_update", request=PlanFieldsSerializer, parameters=[IF_MATCH], responses={200: PlanSerializer, **REFUSED}
    )
    def patch(self, request: Request, plan_id: UUID) -> Response:
        """Change a plan that is not active."""
        by = principal_of(request)
        rev = _expected(request, versions.plan(by.tenant, plan_id))
        return _tagged(versions.change(by.tenant, plan_id=plan_id, fields=check_body(request.data, PlanFieldsSerializer), expected_rev=rev, by=by))

    @extend_schema(operation_id="migration_plans_delete", responses={204: None, **REFUSED})
    def delete(self, request: Request, plan_id: UUID) -> Response:
        """Delete a plan that was never applied."""
        by = principal_of(request)
        versions.delete(by.tenant, plan_id=plan_id, by=by)
        return Response(status=204)


class DryRunView(APIView):
    permissions: ClassVar = {"POST": "flows:publish"}

    @extend_schema(operation_id="migration_plans_dry_run", request=None, responses={202: StartedSerializer})
    def post(self, request: Request, plan_id: UUID) -> Response:
        """Try the plan on the real conversations: how many can move from where to where, which cannot and why, what is lost. Writes nothing."""
        by = principal_of(request)
        operation = versions.dry_run(by.tenant, plan_id=plan_id, by=by)
        return _started(versions.plan(by.tenant, plan_id), operation.pk)


class ApplyView(APIView):
    permissions: ClassVar = {"POST": "flows:publish"}

    @extend_schema(operation_id="migration_plans_apply", request=None, responses={202: StartedSerializer, **REFUSED})
    def post(self, request: Request, plan_id: UUID) -> Response:
        """Move the conversations: those that wait by a job, the others with their next message."""
        by = principal_of(request)
        plan, operation = versions.apply(by.tenant, plan_id=plan_id, by=by)
        return _started(plan, operation.pk if operation else None)


class StopView(APIView):
    permissions: ClassVar = {"POST": "flows:publish"}

    @extend_schema(operation_id="migration_plans_stop", request=None, responses={200: PlanSerializer, **REFUSED})
    def post(self, request: Request, plan_id: UUID) -> Response:
        """Move no further conversation. What has moved stays."""
        by = principal_of(request)
        return _tagged(versions.stop(by.tenant, plan_id=plan_id, by=by))


class RevertView(APIView):
    permissions: ClassVar = {"POST": "flows:publish"}

    @extend_schema(operation_id="migration_plans_revert", request=RevertSerializer, responses={202: StartedSerializer, **REFUSED})
    def post(self, request: Request, plan_id: UUID) -> Response:
        """Bring back the conversations that have not gone on since they were moved; the result names the others."""
        by = principal_of(request)
        given = check_body(request.data or {}, RevertSerializer)
        plan, operation = versions.revert(by.tenant, plan_id=plan_id, inverse=given["inverse"], by=by)
        return _started(plan, operation.pk)


def _tagged(plan: MigrationPlan, status: int = 200) -> Response:
    return Response(PlanSerializer(plan).data, status=status, headers={"ETag": etag_of(plan.rev)})


def _started(plan: MigrationPlan, operation_id: UUID | None) -> Response:
    headers = {"Location": f"/api/v1/operations/{operation_id}/"} if operation_id else {}
    return Response({"plan": PlanSerializer(plan).data, "operation_id": operation_id}, status=202, headers=headers)


def _expected(request: Request, plan: MigrationPlan) -> int | None:
    require_match(request, etag_of(plan.rev))
    return None if request.headers["If-Match"].strip() == "*" else plan.rev
