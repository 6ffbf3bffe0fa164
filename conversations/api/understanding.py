"""REST: train a flow's intents, and learn from what was not understood."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import understanding
from mcp_platform.operations.serializers import OperationSerializer
from mcp_platform.rest import check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

MOST_TEXTS = 50
REFUSED = {409: OpenApiResponse(ProblemSerializer, description="TOO_FEW_EXAMPLES: two intents with two different examples each are needed")}
LEARNT = {409: OpenApiResponse(ProblemSerializer, description="NOTHING_TO_LEARN, or the draft has changed meanwhile")}


class TrainSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(
        required=False, min_value=1, max_value=2_000_000_000, help_text="Number of the version; the running one when left out"
    )
    promote = serializers.BooleanField(required=False, default=True, help_text="Let the model serve when it passes every gate")


class UtteranceSerializer(serializers.Serializer[Any]):
    text = serializers.CharField()
    count = serializers.IntegerField()
    conversation_id = serializers.UUIDField(help_text="Where it was said last")
    seq = serializers.IntegerField()
    intent = serializers.CharField(help_text="What was made of it then, or an empty text")
    confidence = serializers.FloatField()


class GroupSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    suggestions = serializers.ListField(child=serializers.CharField(), help_text="Intents that may have been meant, best first")
    utterances = UtteranceSerializer(many=True)


class UnhandledSerializer(serializers.Serializer[Any]):
    flow_id = serializers.CharField()
    groups = GroupSerializer(many=True)


class LearnSerializer(serializers.Serializer[Any]):
    intent = serializers.CharField(max_length=63)
    texts = serializers.ListField(child=serializers.CharField(max_length=500), min_length=1, max_length=MOST_TEXTS)
    test = serializers.BooleanField(required=False, default=True, help_text="Also make a regression test that says them")


class LearntSerializer(serializers.Serializer[Any]):
    flow_id = serializers.CharField()
    rev = serializers.IntegerField(help_text="Of the draft, which now has the examples")
    test = serializers.CharField(allow_null=True, help_text="Name of the regression test")


class TrainView(APIView):
    permissions: ClassVar = {"POST": "models:write"}

    @extend_schema(operation_id="intents_train", request=TrainSerializer, responses={202: OperationSerializer, **REFUSED})
    def post(self, request: Request, flow_id: str) -> Response:
        """Train the intents on the examples of a published version. The answer is the operation; its result names the model."""
        by = principal_of(request)
        body = check_body(request.data, TrainSerializer)
        started = understanding.start_training(by.tenant, flow_id=flow_id, number=body.get("version"), promote=body["promote"], by=by)
        return Response(OperationSerializer(started).data, status=202, headers={"Location": f"/api/v1/operations/{started.pk}"})


class UnhandledView(APIView):
    permissions: ClassVar = {"GET": "conversations:operate"}

    @extend_schema(operation_id="unhandled_read", responses=UnhandledSerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """What users of the newest conversations said and the flow did not understand, grouped by meaning. Sensitive words are left out."""
        groups = understanding.unhandled(principal_of(request).tenant, flow_id=flow_id)
        return Response(UnhandledSerializer({"flow_id": flow_id, "groups": groups}).data)


class LearnView(APIView):
    permissions: ClassVar = {"POST": "flows:write"}

    @extend_schema(operation_id="unhandled_learn", request=LearnSerializer, responses={201: LearntSerializer, **LEARNT})
    def post(self, request: Request, flow_id: str) -> Response:
        """Make texts examples of an intent of the draft, and a regression test."""
        by = principal_of(request)
        saved, test = understanding.learn_from(by.tenant, flow_id=flow_id, **check_body(request.data, LearnSerializer), by=by)
        return Response(LearntSerializer({"flow_id": saved.flow_id, "rev": saved.rev, "test": test.name if test else None}).data, status=201)
