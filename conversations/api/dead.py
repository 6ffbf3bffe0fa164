"""Turns that were given up, for operators: see them, say them again, lay them to rest (docs/operations.md)."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import dead
from conversations.api import hot, shapes
from conversations.models import DeadTurn, Turn
from mcp_platform.rest import BooleanFilter, check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

DECIDED = {
    409: OpenApiResponse(
        ProblemSerializer, description="Decided otherwise already (DEAD_TURN_RESOLVED), or of a kind that cannot be said again (NOT_RETRYABLE)"
    )
}


class ResolutionSerializer(shapes.Plain):
    action = serializers.ChoiceField(choices=DeadTurn.Action.choices)
    by = serializers.CharField()
    note = serializers.CharField()
    at = serializers.DateTimeField()
    turn = serializers.IntegerField(allow_null=True, help_text="Number of the turn that says it again")


class DeadTurnSerializer(shapes.Plain):
    id = serializers.UUIDField()
    conversation_id = serializers.UUIDField()
    flow_id = serializers.CharField()
    number = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Turn.Kind.choices)
    attempts = serializers.IntegerField()
    error = serializers.DictField(allow_null=True)
    request = serializers.DictField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField()
    resolution = ResolutionSerializer(allow_null=True)


class BurialSerializer(shapes.Plain):
    note = serializers.CharField(max_length=500, required=False, allow_blank=True)


class NothingSerializer(shapes.Plain):
    """No members."""


class DeadTurnFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    resolved = BooleanFilter(field_name="dead_turn", lookup_expr="isnull", exclude=True, help_text="false: nobody has looked yet")
    kind = django_filters.MultipleChoiceFilter(choices=Turn.Kind.choices, distinct=False)
    flow = django_filters.CharFilter(field_name="conversation__flow_key")
    conversation = django_filters.UUIDFilter(field_name="conversation_id")


class DeadTurnsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "conversations:operate"}
    queryset = Turn.objects.none()
    serializer_class = DeadTurnSerializer
    filterset_class = DeadTurnFilter
    ordering_fields = ("finished_at",)

    @extend_schema(operation_id="dead_turns_list")
    def get(self, request: Request) -> Response:
        """Turns whose workers died three times, the newest first."""
        tenant = principal_of(request).tenant
        page = self.paginate_queryset(self.filter_queryset(dead.turns(tenant)))
        return self.get_paginated_response([dead.item(row, tenant) for row in page or ()])


class RetryView(APIView):
    permissions: ClassVar = {"POST": "conversations:operate"}

    @extend_schema(
        operation_id="dead_turns_retry",
        request=NothingSerializer,
        responses={
            202: OpenApiResponse(shapes.AcceptedSerializer, description="The turn's address is in Location"),
            200: shapes.ReplySerializer,
            **DECIDED,
        },
    )
    def post(self, request: Request, turn_id: UUID) -> HttpResponse:
        """Say it again at the end of its conversation, in a worker. Asking twice says it once."""
        check_body(request.data or {}, NothingSerializer)
        by = principal_of(request)
        return hot.answer(dead.retry(by.tenant, turn_id=turn_id, by=by.actor))


class BuryView(APIView):
    permissions: ClassVar = {"POST": "conversations:operate"}

    @extend_schema(operation_id="dead_turns_bury", request=BurialSerializer, responses={200: DeadTurnSerializer, **DECIDED})
    def post(self, request: Request, turn_id: UUID) -> Response:
        """Nothing is to be done about it any more."""
        given = check_body(request.data or {}, BurialSerializer)
        by = principal_of(request)
        return Response(dead.item(dead.bury(by.tenant, turn_id=turn_id, by=by.actor, note=given.get("note", "")), by.tenant))
