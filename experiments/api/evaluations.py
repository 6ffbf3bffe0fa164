"""Evaluations before the start: stored conversations played again through the variants, and made-up ones."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from experiments import queries, services
from experiments.models import Evaluation
from experiments.services.evaluating import LABELS, RAN_ON, UNDERSTANDING
from mcp_platform.rest import check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

READ, WRITE = "experiments:read", "experiments:write"
REFUSED = {
    400: OpenApiResponse(ProblemSerializer, description="It cannot be evaluated like that"),
    409: OpenApiResponse(ProblemSerializer, description="Its variants are not frozen yet: validate it first"),
}


class EvaluationSerializer(serializers.ModelSerializer[Evaluation]):
    evaluation_id = serializers.UUIDField(source="pk")
    experiment = serializers.CharField(source="experiment.key")
    about = serializers.SerializerMethodField(help_text="What the numbers are, and what they are not")
    current = serializers.SerializerMethodField(help_text="Whether the experiment has the same phase, base and arms now")

    class Meta:
        model = Evaluation
        fields = (
            "evaluation_id", "experiment", "kind", "about", "phase", "current", "chosen", "operation_id", "created_by", "created_at", "finished_at",
        )  # fmt: skip

    def get_about(self, row: Evaluation) -> str:
        return LABELS[row.kind]

    def get_current(self, row: Evaluation) -> bool:
        return queries.is_current(row)


class EvaluationDetailSerializer(EvaluationSerializer):
    results = serializers.DictField(help_text="Empty until it is finished; docs/experiments/evaluation.md tells what is in it")

    class Meta(EvaluationSerializer.Meta):
        fields = (*EvaluationSerializer.Meta.fields, "results")  # type: ignore[assignment]  # more of them


class EvaluateSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(Evaluation.Kind.choices)
    conversations = serializers.IntegerField(
        required=False, min_value=1, max_value=10_000, help_text="replay: the newest ones; simulation: made-up ones for each arm. Default 1000"
    )
    ran_on = serializers.ChoiceField(
        RAN_ON, required=False, help_text="Stored conversations of the base only (default of a simulation), or of any version"
    )
    understanding = serializers.ChoiceField(UNDERSTANDING, required=False, help_text="replay: as recorded where the intents are the same (auto)")
    learn_from = serializers.IntegerField(required=False, min_value=1, max_value=10_000, help_text="simulation: the newest ones. Default 2000")
    seed = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1, help_text="simulation: the same seed, the same numbers")
    quiet_minutes = serializers.IntegerField(
        required=False, min_value=0, max_value=10_080, help_text="simulation: who has been silent for so long has left. Default 30"
    )


class EvaluationFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    kind = django_filters.ChoiceFilter(choices=Evaluation.Kind.choices)


class EvaluationsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": READ, "POST": WRITE}
    queryset = Evaluation.objects.none()
    serializer_class = EvaluationSerializer
    filterset_class = EvaluationFilter
    ordering_fields = ("created_at", "finished_at")

    @extend_schema(operation_id="experiment_evaluations_list")
    def get(self, request: Request, key: str) -> Response:
        """Replays and simulations of an experiment, newest first."""
        tenant = principal_of(request).tenant
        rows = queries.evaluations(tenant).filter(experiment=queries.experiment(tenant, key)).defer("results")
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="experiment_evaluations_start",
        request=EvaluateSerializer,
        responses={202: EvaluationSerializer, **REFUSED},
        filters=False,
        examples=[OpenApiExample("Made-up people", value={"kind": "simulation", "conversations": 1000, "seed": 1}, request_only=True)],
    )
    def post(self, request: Request, key: str) -> Response:
        """Play stored conversations through the variants, or let a model of their users talk to them. Nobody is called and nothing is sent."""
        by = principal_of(request)
        given = check_body(request.data, EvaluateSerializer)
        made = services.evaluate(by.tenant, key=key, by=by, **given)
        headers = {"Location": f"/api/v1/experiments/{made.experiment.key}/evaluations/{made.pk}"}
        return Response(EvaluationSerializer(made).data, status=202, headers=headers)


class EvaluationView(APIView):
    permissions: ClassVar = {"GET": READ, "DELETE": WRITE}

    @extend_schema(operation_id="experiment_evaluations_read", responses=EvaluationDetailSerializer)
    def get(self, request: Request, key: str, evaluation_id: UUID) -> Response:
        """One of them, with what came of it."""
        return Response(EvaluationDetailSerializer(queries.evaluation(principal_of(request).tenant, key, evaluation_id)).data)

    @extend_schema(operation_id="experiment_evaluations_delete", responses={204: OpenApiResponse(description="Its results are gone")})
    def delete(self, request: Request, key: str, evaluation_id: UUID) -> Response:
        by = principal_of(request)
        services.drop_evaluation(by.tenant, key=key, evaluation_id=evaluation_id, by=by)
        return Response(status=204)
