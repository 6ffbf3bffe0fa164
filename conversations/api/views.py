"""Read conversations, and reset them. The two POST routes in here are answered by `hot`; their methods only document them."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import bodies, events, queries, services
from conversations.api import hot, shapes
from conversations.models import Conversation, ConversationEvent
from mcp_platform.errors import Denied
from mcp_platform.rest import check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

TALK = {
    202: OpenApiResponse(shapes.AcceptedSerializer, description="Accepted; the turn's address is in Location"),
    409: OpenApiResponse(ProblemSerializer, description="The conversation has ended"),
    422: OpenApiResponse(ProblemSerializer, description="The same client_message_id was sent with another body"),
    503: OpenApiResponse(ProblemSerializer, description="The conversation is locked; try again"),
}
PREFER = OpenApiParameter("Prefer", str, OpenApiParameter.HEADER, description="wait=N (seconds, 10 when left out, at most 60) or respond-async")
KEY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="Instead of client_message_id")
ORDER = ("created_at", "updated_at", "status", "last_seq")


class ConversationFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    status = django_filters.MultipleChoiceFilter(choices=[(status, status) for status in shapes.STATUSES], distinct=False)
    flow = django_filters.CharFilter(field_name="flow_key")
    user_id = django_filters.CharFilter(field_name="user_ref")
    channel = django_filters.CharFilter()
    environment = django_filters.CharFilter(field_name="environment__name")
    state = django_filters.CharFilter(field_name="current_state")
    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")
    updated_after = django_filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gte")
    updated_before = django_filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="lt")


class EventFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    after = django_filters.NumberFilter(field_name="seq", lookup_expr="gt", min_value=0, help_text="Only events with a higher number")
    kind = django_filters.CharFilter()
    turn = django_filters.NumberFilter(field_name="turn__number", min_value=1)


class ConversationsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "conversations:read", "POST": "conversations:write"}
    queryset = Conversation.objects.none()
    serializer_class = shapes.SummarySerializer
    filterset_class = ConversationFilter
    ordering_fields = ORDER

    @extend_schema(operation_id="conversations_list")
    def get(self, request: Request) -> Response:
        """Conversations, most recent first. Without the permission conversations:operate only those of one user_id."""
        by = principal_of(request)
        if not by.may("conversations:operate") and not request.query_params.get("user_id"):
            raise Denied("Name a user_id, or get the permission conversations:operate.", permission="conversations:operate")
        page = self.paginate_queryset(self.filter_queryset(queries.conversations(by.tenant).defer("snapshot")))
        return self.get_paginated_response([queries.summary(held) for held in page or ()])

    @extend_schema(
        operation_id="conversations_start",
        request=shapes.StartSerializer,
        responses={201: shapes.ReplySerializer, **TALK},
        parameters=[PREFER, KEY],
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Start a conversation: its first turn runs and answers."""
        raise NotImplementedError("hot.route answers this")


class ConversationView(APIView):
    permissions: ClassVar = {"GET": "conversations:read"}

    @extend_schema(operation_id="conversations_read", responses=shapes.ContextSerializer)
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """Where the conversation stands."""
        return Response(queries.context(queries.conversation(principal_of(request).tenant, conversation_id)))


class MessagesView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "conversations:read", "POST": "conversations:write"}
    queryset = ConversationEvent.objects.none()
    serializer_class = shapes.SpokenSerializer
    filterset_class = EventFilter

    @extend_schema(operation_id="conversations_transcript")
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """What was said, by whom, in order."""
        tenant = principal_of(request).tenant
        queries.last_seq(tenant, conversation_id)
        page = self.paginate_queryset(_filtered(self, queries.spoken(tenant, conversation_id)))
        return self.get_paginated_response([events.spoken(row, row.turn.number) for row in page or ()])

    @extend_schema(
        operation_id="conversations_post_message",
        request=shapes.MessageSerializer,
        responses={200: shapes.ReplySerializer, **TALK},
        parameters=[PREFER, KEY],
        filters=False,
    )
    def post(self, request: Request, conversation_id: UUID) -> Response:
        """Say something. The answer is the reply that is stored with the turn, so a retry gets the same one."""
        raise NotImplementedError("hot.route answers this")


class EventsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "conversations:read"}
    queryset = ConversationEvent.objects.none()
    serializer_class = shapes.EventSerializer
    filterset_class = EventFilter

    @extend_schema(operation_id="conversations_events", responses=shapes.LogSerializer)
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """The log, with why each transition was or was not taken."""
        tenant = principal_of(request).tenant
        queries.last_seq(tenant, conversation_id)
        page = self.paginate_queryset(_filtered(self, queries.log(tenant, conversation_id))) or []
        answer = self.get_paginated_response([events.event(row, row.turn.number) for row in page])
        answer.data["turns"] = queries.traces(page)
        return answer


class TurnView(APIView):
    permissions: ClassVar = {"GET": "conversations:read"}

    @extend_schema(operation_id="conversations_turn", responses=shapes.TurnSerializer)
    def get(self, request: Request, conversation_id: UUID, number: int) -> Response:
        """One turn: what came in, its stored reply, and the reasons of the engine."""
        tenant = principal_of(request).tenant
        row = queries.turn(tenant, conversation_id, number)
        names = ("id", "number", "kind", "status", "client_message_id", "trace", "error", "attempts", "created_at", "finished_at")
        told = {"request": queries.request(tenant, row), "reply": queries.reply(row)}
        return Response({**{name: getattr(row, name) for name in names}, **told})


class ResetView(APIView):
    permissions: ClassVar = {"POST": "conversations:operate"}

    @extend_schema(operation_id="conversations_reset", request=shapes.ResetSerializer, responses={200: shapes.ReplySerializer, **TALK})
    def post(self, request: Request, conversation_id: UUID) -> HttpResponse:
        """Start the flow again from its beginning, at once. A turn that waits for an integration is given up."""
        by = principal_of(request)
        given = check_body(request.data or {}, shapes.ResetSerializer)
        if "client_message_id" in given:
            bodies.checked(given, {"client_message_id": bodies.message_id})
        result = services.reset(by.tenant, conversation_id=conversation_id, client_message_id=given.get("client_message_id", ""), actor=by.actor)
        result = services.waited(by.tenant, result, bodies.preference(request.headers.get("Prefer", "")).wait_seconds)
        return hot.answer(result)


def _filtered(view: GenericAPIView[Any], rows: QuerySet[Any]) -> QuerySet[Any]:
    """Filtered, but never reordered: a log has one order."""
    kept: QuerySet[Any] = django_filters.rest_framework.DjangoFilterBackend().filter_queryset(view.request, rows, view)
    return kept
