"""REST: in which order findings should be looked at, why, and whether the order is any good."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.ml.serializers import ModelSerializer
from mcp_platform.operations.serializers import OperationSerializer
from mcp_platform.rest import check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of
from validation.core.risk import LEAST_DISPOSITIONS
from validation.models import TriageReading
from validation.services import triage

REFUSED = {409: OpenApiResponse(ProblemSerializer, description="TRIAGE_TOO_FEW_DISPOSITIONS: the baseline ranks until people have judged more")}


class ReadingSerializer(serializers.ModelSerializer[TriageReading]):
    drift: Any = serializers.DictField(read_only=True, help_text="Feature -> population stability index; above 0.25 it is another population")
    quality: Any = serializers.DictField(read_only=True, help_text="Of the scores that judged findings had; empty below 20 of them")
    baseline: Any = serializers.DictField(read_only=True, help_text="The same of the baseline, on the same findings")

    class Meta:
        model = TriageReading
        fields = ("day", "model_version", "model_number", "findings", "drift", "judged", "quality", "baseline", "at")
        read_only_fields = fields


class TriageStandingSerializer(serializers.Serializer[Any]):
    ranked_by = serializers.ChoiceField(choices=("model", "baseline"))
    message = serializers.CharField(help_text="The same in a sentence, for people")
    findings = serializers.IntegerField(help_text="That are there and that nobody has judged")
    dispositions = serializers.IntegerField(help_text="Findings that people have judged")
    confirmed = serializers.IntegerField()
    dismissed = serializers.IntegerField()
    needed = serializers.IntegerField(help_text="Dispositions that a model needs")
    can_learn = serializers.BooleanField()
    champion = ModelSerializer(allow_null=True)
    reading = ReadingSerializer(allow_null=True, help_text="The newest one")


TOLD: tuple[str, ...] = ("ranked_by", "message", "findings", "dispositions", "confirmed", "dismissed", "can_learn", "champion", "reading")


class TrainTriageSerializer(serializers.Serializer[Any]):
    promote = serializers.BooleanField(required=False, default=True, help_text="Let the model serve when it passes every gate")


class ReasonSerializer(serializers.Serializer[Any]):
    feature = serializers.CharField()
    meaning = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    effect = serializers.FloatField(help_text="How much it lifts the score, against the usual value")


class ReasonsSerializer(serializers.Serializer[Any]):
    finding = serializers.UUIDField()
    ranked_by = serializers.ChoiceField(choices=("model", "baseline"))
    model = serializers.UUIDField(allow_null=True)
    score = serializers.FloatField(help_text="0 to 1 with what is known now; an order in which to look, never a verdict")
    baseline = serializers.FloatField()
    rule_confirmed = serializers.IntegerField(help_text="Findings of this rule that people confirmed here")
    rule_dismissed = serializers.IntegerField()
    reasons = ReasonSerializer(many=True)


class TriageView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_triage_read", responses=TriageStandingSerializer)
    def get(self, request: Request) -> Response:
        """What ranks the findings now, and what is missing for a model."""
        found = triage.standing(principal_of(request).tenant)
        return Response(TriageStandingSerializer({**{name: getattr(found, name) for name in TOLD}, "needed": LEAST_DISPOSITIONS}).data)


class TriageTrainView(APIView):
    permissions: ClassVar = {"POST": "validation:run"}

    @extend_schema(operation_id="validation_triage_train", request=TrainTriageSerializer, responses={202: OperationSerializer, **REFUSED})
    def post(self, request: Request) -> Response:
        """Learn from every judged finding. The answer is the operation; its result names the model."""
        by = principal_of(request)
        return _started(triage.start_training(by.tenant, promote=check_body(request.data, TrainTriageSerializer)["promote"], by=by))


class TriageRescoreView(APIView):
    permissions: ClassVar = {"POST": "validation:run"}

    @extend_schema(operation_id="validation_triage_rescore", request=None, responses={202: OperationSerializer})
    def post(self, request: Request) -> Response:
        """Rank every undecided finding again with what is known now."""
        by = principal_of(request)
        return _started(triage.start_rescoring(by.tenant, by=by))


class TriageReadingsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "validation:read"}
    queryset = TriageReading.objects.none()
    serializer_class = ReadingSerializer
    ordering_fields = ("day",)

    @extend_schema(operation_id="validation_triage_readings_list")
    def get(self, request: Request) -> Response:
        """Drift and quality day by day, newest first."""
        page = self.paginate_queryset(self.filter_queryset(triage.readings(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class TriageReasonsView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_triage_reasons_read", responses=ReasonsSerializer)
    def get(self, request: Request, finding_id: UUID) -> Response:
        """Why a finding stands where it stands."""
        return Response(ReasonsSerializer(triage.reasons(principal_of(request).tenant, finding_id=finding_id)).data)


def _started(row: Any) -> Response:
    return Response(OperationSerializer(row).data, status=202, headers={"Location": f"/api/v1/operations/{row.pk}"})
