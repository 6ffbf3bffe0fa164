"""The agents' inbox: the queue, and what is done with a conversation that was handed over (docs/handoff.md)."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import bodies, desk, handoff
from conversations.api import hot, inbox_shapes, shapes
from conversations.models import Handoff
from conversations.turn import Result
from mcp_platform.rest import check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

CONFLICT = {
    409: OpenApiResponse(
        ProblemSerializer, description="Somebody else has it (HANDOFF_TAKEN), take it first (HANDOFF_NOT_YOURS), it is over (HANDOFF_CLOSED)"
    )
}
WORK: Any = {"GET": "inbox:work", "POST": "inbox:work", "PUT": "inbox:work", "PATCH": "inbox:work", "DELETE": "inbox:work"}


class HandoffFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    status = django_filters.MultipleChoiceFilter(choices=Handoff.Status.choices, distinct=False)
    queue = django_filters.CharFilter()
    agent = django_filters.CharFilter(help_text="An actor such as user:<id>; me is the caller", method="of_agent")
    flow = django_filters.CharFilter(field_name="conversation__flow_key")

    def of_agent(self, rows: Any, _name: str, value: str) -> Any:
        return rows.filter(agent=principal_of(self.request).actor if value == "me" else value)


class HandoffsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "inbox:work"}
    queryset = Handoff.objects.none()
    serializer_class = inbox_shapes.HandoffSerializer
    filterset_class = HandoffFilter
    ordering_fields = ("priority", "opened_at", "closed_at", "waiting_since")

    @extend_schema(operation_id="inbox_list")
    def get(self, request: Request) -> Response:
        """Conversations that were handed over, the most urgent first; closed ones too unless `status` says otherwise."""
        page = self.paginate_queryset(self.filter_queryset(desk.handoffs(principal_of(request).tenant)))
        return self.get_paginated_response([desk.item(row) for row in page or ()])


class HandoffView(APIView):
    permissions: ClassVar = {"GET": "inbox:work"}

    @extend_schema(operation_id="inbox_read", responses=inbox_shapes.HandoffDetailSerializer)
    def get(self, request: Request, handoff_id: UUID) -> Response:
        """What an agent must know: the facts so far (sensitive ones masked), the last messages, notes, where the bot can go on."""
        tenant = principal_of(request).tenant
        return Response(desk.detail(tenant, desk.handoff(tenant, handoff_id)))


class TakeView(APIView):
    permissions: ClassVar = {"POST": "inbox:work"}

    @extend_schema(operation_id="inbox_take", request=inbox_shapes.OnceSerializer, responses={200: inbox_shapes.HandoffSerializer, **CONFLICT})
    def post(self, request: Request, handoff_id: UUID) -> Response:
        """Claim it. Of several agents who try, one gets it; the others learn who."""
        by, given = principal_of(request), _once(request, inbox_shapes.OnceSerializer)
        return Response(desk.item(handoff.take(by.tenant, handoff_id=handoff_id, by=by, **given)))


class ReplyView(APIView):
    permissions: ClassVar = {"POST": "inbox:work"}

    @extend_schema(operation_id="inbox_reply", request=inbox_shapes.AnswerSerializer, responses={200: shapes.ReplySerializer, **CONFLICT})
    def post(self, request: Request, handoff_id: UUID) -> HttpResponse:
        """Say something to the user. The same client_message_id says it once."""
        by, given = principal_of(request), _once(request, inbox_shapes.AnswerSerializer)
        return hot.answer(handoff.reply(by.tenant, handoff_id=handoff_id, by=by, **given))


class TransferView(APIView):
    permissions: ClassVar = {"POST": "inbox:work"}

    @extend_schema(
        operation_id="inbox_transfer", request=inbox_shapes.TransferSerializer, responses={200: inbox_shapes.HandoffSerializer, **CONFLICT}
    )
    def post(self, request: Request, handoff_id: UUID) -> Response:
        """Back into a queue ("" is the general one), or to another agent."""
        by, given = principal_of(request), _once(request, inbox_shapes.TransferSerializer)
        return Response(desk.item(handoff.transfer(by.tenant, handoff_id=handoff_id, by=by, **given)))


class ResumeView(APIView):
    permissions: ClassVar = {"POST": "inbox:work"}

    @extend_schema(operation_id="inbox_resume", request=inbox_shapes.ResumeSerializer, responses={200: shapes.ReplySerializer, **CONFLICT})
    def post(self, request: Request, handoff_id: UUID) -> HttpResponse:
        """Give it back to the bot: where it was, or in `state`, with `slots` filled."""
        by, given = principal_of(request), _once(request, inbox_shapes.ResumeSerializer)
        return hot.answer(handoff.resume(by.tenant, handoff_id=handoff_id, by=by, **given))


class EndView(APIView):
    permissions: ClassVar = {"POST": "inbox:work"}

    @extend_schema(operation_id="inbox_end", request=inbox_shapes.EndSerializer, responses={200: shapes.ReplySerializer, **CONFLICT})
    def post(self, request: Request, handoff_id: UUID) -> HttpResponse:
        """End the conversation."""
        by, given = principal_of(request), _once(request, inbox_shapes.EndSerializer)
        return hot.answer(handoff.end(by.tenant, handoff_id=handoff_id, by=by, **given))


class ReadView(APIView):
    permissions: ClassVar = {"POST": "inbox:work"}

    @extend_schema(operation_id="inbox_mark_read", request=None, responses=inbox_shapes.HandoffSerializer)
    def post(self, request: Request, handoff_id: UUID) -> Response:
        """The agent who has it has seen every message."""
        by = principal_of(request)
        return Response(desk.item(handoff.mark_read(by.tenant, handoff_id=handoff_id, by=by)))


class NotesView(APIView):
    permissions: ClassVar = {"POST": "inbox:work"}

    @extend_schema(operation_id="inbox_add_note", request=inbox_shapes.NoteTextSerializer, responses={201: inbox_shapes.NoteSerializer})
    def post(self, request: Request, handoff_id: UUID) -> Response:
        """A note for colleagues; the user never sees it."""
        by = principal_of(request)
        given = check_body(request.data, inbox_shapes.NoteTextSerializer)
        return Response(desk.note(handoff.add_note(by.tenant, handoff_id=handoff_id, by=by, text=given["text"])), status=201)


class HandOverView(APIView):
    permissions: ClassVar = {"POST": "inbox:work"}

    @extend_schema(
        operation_id="conversations_hand_over",
        request=inbox_shapes.HandOverSerializer,
        responses={201: inbox_shapes.HandoffSerializer, 202: shapes.AcceptedSerializer, **CONFLICT},
    )
    def post(self, request: Request, conversation_id: UUID) -> HttpResponse:
        """Take a running conversation from the bot into one's own hands. While a call is under way it is accepted (202), and is in the queue when
        the turn has run."""
        by = principal_of(request)
        given = check_body(request.data or {}, inbox_shapes.HandOverSerializer)
        found = handoff.hand_over(by.tenant, conversation_id=conversation_id, by=by, **given)
        return hot.answer(found) if isinstance(found, Result) else Response(desk.item(found), status=201)


class AgentsView(APIView):
    permissions: ClassVar = {"GET": "inbox:work"}

    @extend_schema(operation_id="inbox_agents", responses=inbox_shapes.AgentSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Agents whose inbox is open, and how many conversations each has."""
        return Response(desk.agents(principal_of(request).tenant))


class PresenceView(APIView):
    permissions: ClassVar = {"PUT": "inbox:work"}

    @extend_schema(operation_id="inbox_presence", request=inbox_shapes.PresenceSerializer, responses=inbox_shapes.AgentSerializer(many=True))
    def put(self, request: Request) -> Response:
        """Say that one is here, available or away; again at least every half a minute. An open inbox socket does it by itself."""
        by = principal_of(request)
        given = check_body(request.data, inbox_shapes.PresenceSerializer)
        handoff.be_present(by.tenant, by=by, status=given["status"])
        return Response(desk.agents(by.tenant))


class CannedView(APIView):
    permissions: ClassVar = {"GET": "inbox:work", "POST": "inbox:work"}

    @extend_schema(operation_id="inbox_canned_list", responses=inbox_shapes.CannedSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Texts that agents send often."""
        return Response(desk.canned(principal_of(request).tenant))

    @extend_schema(operation_id="inbox_canned_create", request=inbox_shapes.CannedSerializer, responses={201: inbox_shapes.CannedSerializer})
    def post(self, request: Request) -> Response:
        by = principal_of(request)
        given = check_body(request.data, inbox_shapes.CannedSerializer)
        return Response(_canned(handoff.save_canned(by.tenant, **given, by=by)), status=201)


class OneCannedView(APIView):
    permissions: ClassVar = {"PUT": "inbox:work", "DELETE": "inbox:work"}

    @extend_schema(operation_id="inbox_canned_change", request=inbox_shapes.CannedSerializer, responses=inbox_shapes.CannedSerializer)
    def put(self, request: Request, canned_id: int) -> Response:
        by = principal_of(request)
        given = check_body(request.data, inbox_shapes.CannedSerializer)
        return Response(_canned(handoff.save_canned(by.tenant, canned_id=canned_id, **given, by=by)))

    @extend_schema(operation_id="inbox_canned_delete", request=None, responses={204: None})
    def delete(self, request: Request, canned_id: int) -> Response:
        by = principal_of(request)
        handoff.delete_canned(by.tenant, canned_id=canned_id, by=by)
        return Response(status=204)


def _canned(row: Any) -> dict[str, Any]:
    return {"id": row.pk, "shortcut": row.shortcut, "texts": row.texts, "queue": row.queue}


def _once(request: Request, shape: Any) -> dict[str, Any]:
    """The checked body. Raises SchemaError."""
    given = check_body(request.data or {}, shape)
    if "client_message_id" in given:
        bodies.checked({"client_message_id": given["client_message_id"]}, {"client_message_id": bodies.message_id})
    return given
