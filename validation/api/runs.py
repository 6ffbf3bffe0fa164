"""Full checks over REST: start one, follow it, compare two, ask what another code would find."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import BooleanFilter, Pagination, SchemaError, check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of
from validation.api.manners import Rows
from validation.models import ValidationRun
from validation.queries import runs as queries
from validation.services import checking, evaluating
from validation.services.checking import Question

NOTHING = {409: OpenApiResponse(ProblemSerializer, description="NOTHING_TO_CHECK: the building has no model yet")}


class Plain(serializers.Serializer[Any]):
    pass


class RunSerializer(serializers.ModelSerializer[ValidationRun]):
    revision = serializers.IntegerField(source="revision.number", read_only=True, allow_null=True, default=None)

    class Meta:
        model = ValidationRun
        fields: tuple[str, ...] = (
            "id", "building_id", "revision", "at_seq", "trigger", "is_what_if", "engine_version", "state", "requested_by", "created_at", "started_at",
            "finished_at", "counts", "score", "coverage", "status", "input_sha256", "result_sha256", "operation_id", "problem",
        )  # fmt: skip
        read_only_fields = fields


class RunDetailSerializer(RunSerializer):
    class Meta(RunSerializer.Meta):
        fields = (*RunSerializer.Meta.fields, "score_breakdown", "missing_facts", "basis")
        read_only_fields = fields


class RunResultSerializer(Plain):
    rule = serializers.CharField()
    subject = serializers.CharField()
    outcome = serializers.ChoiceField(choices=["fail", "not_evaluable"])
    severity = serializers.CharField()
    actual: Any = serializers.JSONField(allow_null=True)
    required: Any = serializers.JSONField(allow_null=True)
    unit = serializers.CharField()
    margin = serializers.FloatField(allow_null=True)
    message = serializers.CharField()
    missing = serializers.ListField(child=serializers.CharField())


class RunResultsSerializer(Plain):
    count = serializers.IntegerField()
    results = RunResultSerializer(many=True)


class RunPassesSerializer(Plain):
    rules = serializers.DictField(child=serializers.ListField(child=serializers.CharField()), help_text="Rule key -> global ids that passed")


class OtherCodeSerializer(Plain):
    on = serializers.DateField(required=False, help_text="Another day of the permit's application")
    editions = serializers.DictField(child=serializers.CharField(max_length=63), required=False, default=dict, help_text="Title -> edition")
    jurisdiction = serializers.CharField(required=False, default="", allow_blank=True, max_length=63, help_text="Code of another jurisdiction")


class RunFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    state = django_filters.ChoiceFilter(choices=ValidationRun.State.choices)
    trigger = django_filters.CharFilter()
    is_what_if = BooleanFilter()


class RunsView(Rows):
    permissions: ClassVar = {"GET": "validation:read", "POST": "validation:run"}
    queryset = ValidationRun.objects.none()
    serializer_class = RunSerializer
    filterset_class = RunFilter
    ordering_fields = ("created_at", "score")

    @extend_schema(operation_id="validation_runs")
    def get(self, request: Request, building_id: UUID) -> Response:
        """Checks of the building, newest first."""
        by = principal_of(request)
        queries.building(by.tenant, building_id)
        return self.page(queries.runs(by.tenant, building_id))

    @extend_schema(operation_id="validation_run_start", request=None, responses={202: RunSerializer, **NOTHING}, filters=False)
    def post(self, request: Request, building_id: UUID) -> Response:
        """Check the whole model as it is now. `operation_id` tells how far it is, and can be cancelled."""
        by = principal_of(request)
        made = checking.start(by.tenant, building_id=building_id, by=by, trigger="api")
        return _started(made)


def _started(made: ValidationRun) -> Response:
    location = f"/api/v1/validation/buildings/{made.building_id}/runs/{made.pk}"
    return Response(RunSerializer(made).data, status=202, headers={"Location": location})


class RunView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_run", responses=RunDetailSerializer)
    def get(self, request: Request, building_id: UUID, run_id: UUID) -> Response:
        """One check: the rules it was made with, counts, score and how it came to be, facts that would unlock most."""
        return Response(RunDetailSerializer(queries.run(principal_of(request).tenant, building_id, run_id)).data)


class RunResultsView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(
        operation_id="validation_run_results",
        responses=RunResultsSerializer,
        parameters=[
            OpenApiParameter("rule", OpenApiTypes.STR),
            OpenApiParameter("outcome", OpenApiTypes.STR, enum=["fail", "not_evaluable"]),
            OpenApiParameter("limit", OpenApiTypes.INT),
            OpenApiParameter("offset", OpenApiTypes.INT),
        ],
    )
    def get(self, request: Request, building_id: UUID, run_id: UUID) -> Response:
        """What this check found, as it found it; findings have moved on since."""
        run = queries.run(principal_of(request).tenant, building_id, run_id)
        wanted = {name: request.query_params[name] for name in ("rule", "outcome") if name in request.query_params}
        found = [one for one in evaluating.unpacked(run.results) if all(one[name] == value for name, value in wanted.items())]
        pages = Pagination()
        limit, offset = pages.get_limit(request), pages.get_offset(request)
        return Response({"count": len(found), "results": found[offset : offset + limit]})


class RunPassesView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_run_passes", responses=RunPassesSerializer)
    def get(self, request: Request, building_id: UUID, run_id: UUID) -> Response:
        """What passed, by rule."""
        run = queries.run(principal_of(request).tenant, building_id, run_id)
        return Response({"rules": evaluating.unpacked(run.passes) or {}})


class CompareView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(
        operation_id="validation_run_compare",
        responses=OpenApiTypes.OBJECT,
        parameters=[OpenApiParameter("with", OpenApiTypes.UUID, required=True, description="The later run")],
    )
    def get(self, request: Request, building_id: UUID, run_id: UUID) -> Response:
        """What the run named by `with` finds that this one did not, by rule."""
        try:
            other = UUID(request.query_params.get("with", ""))
        except ValueError:
            raise SchemaError(errors=[{"path": "?with", "code": "invalid", "message": "is no run", "expected": "the id of a run"}]) from None
        return Response(checking.compare(principal_of(request).tenant, building_id=building_id, before=run_id, after=other))


class WhatIfView(APIView):
    permissions: ClassVar = {"POST": "validation:run"}

    @extend_schema(
        operation_id="validation_what_if",
        request=OtherCodeSerializer,
        responses={202: RunSerializer, **NOTHING},
        examples=[OpenApiExample("A newer edition", value={"editions": {"International Building Code": "2024"}}, request_only=True)],
    )
    def post(self, request: Request, building_id: UUID) -> Response:
        """Check the same model by other rules: another edition, another permit day, another jurisdiction. No finding changes.

        When the run is done its `score_breakdown` has `sentence` and `comparison`, by rule.
        """
        by = principal_of(request)
        given = check_body(request.data or {}, OtherCodeSerializer)
        question = Question(on=given.get("on"), editions=given["editions"], jurisdiction=given["jurisdiction"])
        return _started(checking.start(by.tenant, building_id=building_id, by=by, question=question))


class TrendPointSerializer(Plain):
    run = serializers.UUIDField()
    at = serializers.DateTimeField()
    at_seq = serializers.IntegerField()
    trigger = serializers.CharField()
    score = serializers.FloatField(allow_null=True)
    coverage = serializers.FloatField(allow_null=True)
    status = serializers.CharField()
    by_outcome = serializers.DictField(child=serializers.IntegerField())
    by_severity = serializers.DictField(child=serializers.IntegerField())


class TrendView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_trend", responses=TrendPointSerializer(many=True))
    def get(self, request: Request, building_id: UUID) -> Response:
        """Score and failures of the last 30 full checks, oldest first."""
        by = principal_of(request)
        queries.building(by.tenant, building_id)
        return Response(queries.trend(by.tenant, building_id))
