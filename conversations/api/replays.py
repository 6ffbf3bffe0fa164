"""Replays of stored conversations, what-if on one of them, and conversations that become tests."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

import django_filters
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import bodies, records, rehearsals, replays
from conversations.core.differences import CAUSES
from conversations.models import Replay, ReplayedConversation
from flows.serializers import FlowTestDetailSerializer
from mcp_platform.rest import BooleanFilter, SchemaError, check_body, etag_of
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

REFUSED = {
    409: OpenApiResponse(ProblemSerializer, description="No stored conversation fits"),
    422: OpenApiResponse(ProblemSerializer, description="FLOW_INVALID: the draft cannot run"),
}


class Plain(serializers.Serializer[Any]):
    pass


class CauseSerializer(Plain):
    cause = serializers.ChoiceField(choices=list(CAUSES))
    label: Any = serializers.CharField()
    detail = serializers.CharField()
    count = serializers.IntegerField()
    texts_only = serializers.BooleanField(help_text="All differences of these conversations are of words only")


class CountsSerializer(Plain):
    total = serializers.IntegerField()
    pending = serializers.IntegerField()
    same = serializers.IntegerField()
    differs = serializers.IntegerField(help_text="Those of words only are among them")
    skipped = serializers.IntegerField()
    failed = serializers.IntegerField()
    texts_only = serializers.IntegerField()
    causes = CauseSerializer(many=True)


class ReplaySerializer(serializers.ModelSerializer[Replay]):
    flow = serializers.CharField(source="flow.flow_id", read_only=True)
    environment = serializers.CharField(source="environment.name", read_only=True)
    counts = serializers.SerializerMethodField(help_text="null until it has ended: the operation tells how far it is")

    class Meta:
        model = Replay
        fields = (
            "id", "flow", "target", "version", "sha256", "environment", "understanding", "chosen", "operation_id", "counts", "created_by",
            "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(CountsSerializer(allow_null=True))
    def get_counts(self, row: Replay) -> dict[str, Any] | None:
        return row.counts or None


class StartReplaySerializer(Plain):
    flow_id = serializers.CharField(max_length=63)
    version = serializers.IntegerField(required=False, min_value=1, help_text="Number of the version to play them on; the draft when absent")
    count = serializers.IntegerField(required=False, default=1000, min_value=1, max_value=replays.MOST, help_text="The newest so many conversations")
    environment = serializers.CharField(required=False, default="", allow_blank=True, max_length=40, help_text="Only conversations that ran there")
    ran_on = serializers.IntegerField(required=False, min_value=1, help_text="Only conversations that ran on this version")
    since = serializers.DateTimeField(required=False, help_text="Only conversations that went on after this moment")
    understanding = serializers.ChoiceField(required=False, default="auto", choices=Replay.Understanding.choices)


class ResultSerializer(serializers.ModelSerializer[ReplayedConversation]):
    class Meta:
        model = ReplayedConversation
        fields: tuple[str, ...] = ("conversation_id", "position", "verdict", "cause", "detail", "texts_only", "diverged_at", "turns")
        read_only_fields = fields


class ResultDetailSerializer(ResultSerializer):
    diff = serializers.DictField(read_only=True, allow_null=True, help_text="Both runs, turn by turn; values of sensitive slots masked")

    class Meta(ResultSerializer.Meta):
        fields = (*ResultSerializer.Meta.fields, "diff")
        read_only_fields = fields


class WhatIfSerializer(Plain):
    version = serializers.IntegerField(required=False, min_value=1)
    draft = serializers.BooleanField(required=False, default=False, help_text="Play it on the draft; else on the version, else on the one it ran on")
    changes = serializers.DictField(required=False, default=dict, help_text="Number of a message's turn -> its content, as in POST …/messages")
    understanding = serializers.ChoiceField(required=False, default="auto", choices=Replay.Understanding.choices)


class ComparisonSerializer(Plain):
    same = serializers.BooleanField()
    diff = serializers.DictField()


class RecordTestSerializer(Plain):
    name = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    description = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)
    enabled = serializers.BooleanField(required=False, default=True)
    understood_then = serializers.BooleanField(
        required=False, default=True, help_text="Keep what was understood; else the test understands anew each time"
    )


class ReplayFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    flow = django_filters.CharFilter(field_name="flow__flow_id")


class ReplaysView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "conversations:operate", "POST": "conversations:operate"}
    queryset = Replay.objects.none()
    serializer_class = ReplaySerializer
    filterset_class = ReplayFilter
    ordering_fields = ("created_at", "finished_at")

    @extend_schema(operation_id="replays_list")
    def get(self, request: Request) -> Response:
        """Replays, newest first."""
        page = self.paginate_queryset(self.filter_queryset(records.replays(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="replays_start",
        request=StartReplaySerializer,
        responses={202: ReplaySerializer, **REFUSED},
        filters=False,
        examples=[OpenApiExample("The last 1,000 on the draft", value={"flow_id": "permit_desk", "count": 1000}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Play stored conversations on the draft or on another version. The operation tells how far it is and can be cancelled."""
        by = principal_of(request)
        by.require("flows:read")
        given = check_body(request.data, StartReplaySerializer)
        made = replays.start(
            by.tenant,
            flow_id=given["flow_id"],
            number=given.get("version"),
            count=given["count"],
            environment=given["environment"],
            ran_on=given.get("ran_on"),
            since=given.get("since"),
            understanding=given["understanding"],
            by=by,
        )
        headers = {"Location": f"/api/v1/replays/{made.pk}"}
        return Response(ReplaySerializer(records.replay(by.tenant, made.pk)).data, status=202, headers=headers)


class ReplayView(APIView):
    permissions: ClassVar = {"GET": "conversations:operate", "DELETE": "conversations:operate"}

    @extend_schema(operation_id="replays_read", responses=ReplaySerializer)
    def get(self, request: Request, replay_id: UUID) -> Response:
        """One replay with its counts by cause."""
        return Response(ReplaySerializer(records.replay(principal_of(request).tenant, replay_id)).data)

    @extend_schema(operation_id="replays_delete", responses={204: OpenApiResponse(description="Its results are gone")})
    def delete(self, request: Request, replay_id: UUID) -> Response:
        by = principal_of(request)
        replays.delete(by.tenant, replay_id=replay_id, by=by)
        return Response(status=204)


class ResultFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    verdict = django_filters.ChoiceFilter(choices=ReplayedConversation.Verdict.choices)
    cause = django_filters.ChoiceFilter(choices=list(CAUSES.items()))
    detail = django_filters.CharFilter()
    texts_only = BooleanFilter()


class ResultsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "conversations:operate"}
    queryset = ReplayedConversation.objects.none()
    serializer_class = ResultSerializer
    filterset_class = ResultFilter
    ordering_fields = ("position", "verdict", "cause")

    @extend_schema(operation_id="replays_results")
    def get(self, request: Request, replay_id: UUID) -> Response:
        """The conversations of a replay and what came of each."""
        rows = records.results(principal_of(request).tenant, replay_id).defer("diff")
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class ResultView(APIView):
    permissions: ClassVar = {"GET": "conversations:operate"}

    @extend_schema(operation_id="replays_result", responses=ResultDetailSerializer)
    def get(self, request: Request, replay_id: UUID, conversation_id: UUID) -> Response:
        """One conversation, both runs side by side."""
        return Response(ResultDetailSerializer(records.result(principal_of(request).tenant, replay_id, conversation_id)).data)


class WhatIfView(APIView):
    permissions: ClassVar = {"POST": "conversations:operate"}

    @extend_schema(operation_id="conversations_replay", request=WhatIfSerializer, responses={200: ComparisonSerializer, **REFUSED})
    def post(self, request: Request, conversation_id: UUID) -> Response:
        """Play this conversation again: on another version, or with other messages. Nothing is stored and nobody is called."""
        by = principal_of(request)
        given = check_body(request.data or {}, WhatIfSerializer)
        found = replays.what_if(
            by.tenant,
            conversation_id=conversation_id,
            number=given.get("version"),
            draft=given["draft"],
            changes=_changes(given["changes"]),
            understanding=given["understanding"],
        )
        return Response({"same": found.same, "diff": replays.shown(found)})


def _changes(given: Mapping[str, Any]) -> dict[int, Any]:
    """Turn -> content; a text alone is content of type text. Raises SchemaError with every fault."""
    faults: list[dict[str, str]] = []
    for name, content in given.items():
        if not (name.isascii() and name.isdigit() and len(name) < 9):
            fault = {"code": "invalid", "message": "is no number of a turn", "expected": "a whole number from 1"}
            faults.append({"path": f"$.changes.{name[:40]}", **fault})
        else:
            bodies.content(content, f"$.changes.{name}", faults)
    if faults:
        raise SchemaError(errors=faults)
    return {int(name): {"type": "text", "text": content} if isinstance(content, str) else content for name, content in given.items()}


class RecordTestView(APIView):
    permissions: ClassVar = {"POST": "flows:write"}

    @extend_schema(operation_id="conversations_record_test", request=RecordTestSerializer, responses={201: FlowTestDetailSerializer, **REFUSED})
    def post(self, request: Request, conversation_id: UUID) -> Response:
        """Make this conversation a regression test of its flow."""
        by = principal_of(request)
        by.require("conversations:operate")
        given = check_body(request.data or {}, RecordTestSerializer)
        made = rehearsals.record_test(by.tenant, conversation_id=conversation_id, by=by, **given)
        headers = {"Location": f"/api/v1/flows/{made.flow.flow_id}/tests/{made.pk}", "ETag": etag_of(made.rev)}
        return Response(FlowTestDetailSerializer(made).data, status=201, headers=headers)
