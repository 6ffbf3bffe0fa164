"""REST: try an integration out, keep a real answer as a stub, and see how integrations are doing."""

from dataclasses import asdict
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import integrations as services
from conversations.core import codec
from flows.serializers import StubSerializer
from mcp_platform.rest import SchemaError, check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

CONFLICT = {409: OpenApiResponse(ProblemSerializer, description="There is a stub of this name already")}
BUSY = {503: OpenApiResponse(ProblemSerializer, description="Too many calls of this tenant are under way; try again")}


class TrySerializer(serializers.Serializer[Any]):
    endpoint = serializers.CharField(required=False, allow_blank=True, max_length=2_000, help_text="As in a flow, values filled in")
    method = serializers.CharField(required=False, max_length=10)
    request = serializers.DictField(required=False, help_text="The mapped values")
    timeout_ms = serializers.IntegerField(required=False, min_value=100, max_value=30_000, help_text="At most 15 seconds are waited")
    record_as = serializers.CharField(required=False, max_length=100, help_text="Keep the answer as a stub of this name")


class OutcomeSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    status_code = serializers.IntegerField()
    data = serializers.JSONField(allow_null=True)  # type: ignore[assignment]  # a member of the document, not of the serializer
    error = serializers.CharField(allow_blank=True)
    code = serializers.CharField(allow_blank=True)
    execution_time_ms = serializers.IntegerField()
    retries = serializers.IntegerField()


class SentSerializer(serializers.Serializer[Any]):
    method = serializers.CharField()
    url = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())
    body = serializers.JSONField(allow_null=True)


class TrialSerializer(serializers.Serializer[Any]):
    sent = SentSerializer(allow_null=True, help_text="The request as it left, secrets masked; null when it never left")
    outcome = OutcomeSerializer()
    stub = StubSerializer(allow_null=True)


class TryView(APIView):
    permissions: ClassVar = {"POST": "integrations:try"}

    @extend_schema(operation_id="integrations_try", request=TrySerializer, responses={200: TrialSerializer, **CONFLICT, **BUSY})
    def post(self, request: Request, integration_id: str) -> Response:
        """Make one real call and show everything about it. What it does on the other side, it does."""
        by = principal_of(request)
        given = check_body(request.data, TrySerializer)
        if given.get("record_as"):
            by.require("integrations:write")
        trial = services.try_out(by.tenant, integration_id=integration_id, **given, by=by)
        return Response(
            {
                "sent": asdict(trial.sent) if trial.sent else None,
                "outcome": codec.outcome_to_json(trial.outcome),
                "stub": StubSerializer(trial.stub).data if trial.stub else None,
            }
        )


class RecordSerializer(serializers.Serializer[Any]):
    effect_id = serializers.UUIDField(help_text="Of a call that a conversation has made; the health of the integration lists those that failed")
    name = serializers.CharField(max_length=100)


class RecordView(APIView):
    permissions: ClassVar = {"POST": "integrations:write"}

    @extend_schema(operation_id="integration_stubs_record", request=RecordSerializer, responses={201: StubSerializer, **CONFLICT})
    def post(self, request: Request, integration_id: str) -> Response:
        """Keep what a conversation's call has brought as a stub."""
        by = principal_of(request)
        by.require("conversations:read")
        stub = services.record_effect(by.tenant, integration_id=integration_id, **check_body(request.data, RecordSerializer), by=by)
        location = f"/api/v1/integrations/{integration_id}/stubs/{stub.pk}"
        return Response(StubSerializer(stub).data, status=201, headers={"Location": location})


class BreakerSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["closed", "open", "half_open"])
    failures = serializers.IntegerField(help_text="In the last half to one minute")
    calls = serializers.IntegerField()
    retry_after = serializers.IntegerField(help_text="Seconds until it is tried again; 0 when it is not open")


class FailureSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    code = serializers.CharField()
    error = serializers.CharField()
    conversation_id = serializers.UUIDField()
    effect_id = serializers.UUIDField()
    tries = serializers.IntegerField()


class HealthSerializer(serializers.Serializer[Any]):
    hours = serializers.IntegerField()
    calls = serializers.IntegerField(help_text="That have ended in these hours")
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    unknown = serializers.IntegerField(help_text="Nobody knows whether they have happened")
    repeated = serializers.IntegerField(help_text="Tries beyond the first ones")
    success_rate = serializers.FloatField(allow_null=True)
    p50_ms = serializers.IntegerField(allow_null=True)
    p95_ms = serializers.IntegerField(allow_null=True)
    codes = serializers.DictField(child=serializers.IntegerField(), help_text="Failures by error code")
    waiting = serializers.IntegerField(help_text="Calls that wait for a lane or for their next try, now")
    running = serializers.IntegerField()
    breaker = BreakerSerializer()
    last_failures = FailureSerializer(many=True)
    cut = serializers.BooleanField(help_text="Only the newest 5,000 calls were looked at")


HOURS = OpenApiParameter("hours", OpenApiTypes.INT, description="How far to look back, 1 to 720; 24 when left out")


class HealthView(APIView):
    permissions: ClassVar = {"GET": "integrations:read"}

    @extend_schema(operation_id="integrations_health", parameters=[HOURS], responses=HealthSerializer)
    def get(self, request: Request, integration_id: str) -> Response:
        """Success rate, latency, breaker and the last failures."""
        text = request.query_params.get("hours", "24")
        if not (text.isascii() and text.isdigit() and len(text) < 5):
            raise SchemaError(errors=[{"path": "?hours", "code": "invalid", "message": "is no number of hours", "expected": "1 to 720"}])
        found = services.health(principal_of(request).tenant, integration_id=integration_id, hours=int(text))
        return Response(HealthSerializer(found).data)


class CloseBreakerView(APIView):
    permissions: ClassVar = {"POST": "integrations:try"}

    @extend_schema(operation_id="integrations_close_breaker", request=None, responses=HealthSerializer)
    def post(self, request: Request, integration_id: str) -> Response:
        """Let calls through again at once: somebody knows that the other side is well."""
        by = principal_of(request)
        services.close_breaker(by.tenant, integration_id=integration_id, by=by)
        return Response(HealthSerializer(services.health(by.tenant, integration_id=integration_id)).data)
