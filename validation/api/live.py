"""Live changes over REST, for programs without a socket; who is connected; and the protocol's own document."""

from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mcp_platform.rest import SchemaError, check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of
from validation.api.manners import Rows
from validation.core.delta import RESERVED_CLIENTS
from validation.models import ChangeBatch, LiveSession
from validation.queries import live as reads
from validation.queries import runs as queries
from validation.services import live

DOCUMENT = Path(__file__).with_name("validation.asyncapi.yaml")


class Plain(serializers.Serializer[Any]):
    pass


class ChangesSerializer(Plain):
    client_id = serializers.RegexField(r"^[A-Za-z0-9._:\-]{1,63}$")
    client_seq = serializers.IntegerField(min_value=1, max_value=2**53)
    base_seq = serializers.IntegerField(min_value=0, max_value=2**53)
    ops = serializers.ListField(child=serializers.JSONField(), max_length=live.MAX_OPS, help_text="As in docs/protocol/validation_ws.md")

    def validate_client_id(self, value: str) -> str:
        if value in RESERVED_CLIENTS:
            raise serializers.ValidationError("This name is the platform's own.")
        return value


class AckSerializer(Plain):
    client_seq = serializers.IntegerField()
    seq = serializers.IntegerField()
    conflicts = serializers.ListField(child=serializers.DictField())
    diverged = serializers.ListField(child=serializers.CharField())
    replayed = serializers.BooleanField()


class BatchSerializer(serializers.ModelSerializer[ChangeBatch]):
    class Meta:
        model = ChangeBatch
        fields = ("seq", "client_id", "client_seq", "base_seq", "ops", "conflicts", "actor", "at")
        read_only_fields = fields


class SessionSerializer(serializers.ModelSerializer[LiveSession]):
    class Meta:
        model = LiveSession
        fields = (
            "id", "actor", "client_id", "client", "client_version", "protocol", "selection", "connected_at", "seen_at", "closed_at",
            "last_ack_seq", "state",
        )  # fmt: skip
        read_only_fields = fields


class ChangesView(Rows):
    permissions: ClassVar = {"GET": "validation:read", "POST": "validation:write"}
    queryset = ChangeBatch.objects.none()
    serializer_class = BatchSerializer

    @extend_schema(
        operation_id="validation_changes",
        parameters=[OpenApiParameter("after", OpenApiTypes.INT, description="Only batches with a higher seq")],
    )
    def get(self, request: Request, building_id: UUID) -> Response:
        """The log of the model's changes, oldest first; kept for a day, and 10,000 batches."""
        by = principal_of(request)
        queries.building(by.tenant, building_id)
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 16):
            raise SchemaError(errors=[{"path": "?after", "code": "invalid", "message": "is no number", "expected": "a whole number from 0 up"}])
        return self.page(reads.batches(by.tenant, building_id, int(after)))

    @extend_schema(
        operation_id="validation_changes_apply",
        request=ChangesSerializer,
        responses={200: AckSerializer, 409: OpenApiResponse(ProblemSerializer, description="CLIENT_SEQ_REUSED, BASE_AHEAD")},
        filters=False,
    )
    def post(self, request: Request, building_id: UUID) -> Response:
        """Apply one batch of changes; the same batch again gives the same answer."""
        by = principal_of(request)
        given = check_body(request.data, ChangesSerializer)
        applied = live.apply_changes(by.tenant, building_id=building_id, by=by, **given)
        return Response(
            {
                "client_seq": given["client_seq"],
                "seq": applied.seq,
                "conflicts": list(applied.conflicts),
                "diverged": list(applied.diverged),
                "replayed": applied.replayed,
            }
        )


class SessionsView(Rows):
    permissions: ClassVar = {"GET": "validation:read"}
    queryset = LiveSession.objects.none()
    serializer_class = SessionSerializer

    @extend_schema(operation_id="validation_sessions")
    def get(self, request: Request, building_id: UUID) -> Response:
        """Plugins and pages that are or were connected, newest first."""
        by = principal_of(request)
        queries.building(by.tenant, building_id)
        return self.page(reads.sessions(by.tenant, building_id))


def asyncapi(request: HttpRequest) -> HttpResponse:
    """The live protocol as an AsyncAPI document. Public, like the OpenAPI one."""
    return HttpResponse(DOCUMENT.read_text(), content_type="application/yaml")
