"""Public chat pages (docs/handoff.md): which flow visitors talk to, how it looks, and which sites may show it."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import channels
from conversations.models import WebChannel
from mcp_platform.rest import BooleanFilter, check_body, etag_of, require_match
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, required=True, description="The ETag that you read; * for any")
STALE = {
    412: OpenApiResponse(ProblemSerializer, description="STALE_ETAG: it has changed since you read it"),
    428: OpenApiResponse(ProblemSerializer, description="PRECONDITION_REQUIRED: send If-Match"),
}


class WebChatFieldsSerializer(serializers.ModelSerializer[WebChannel]):
    """What may be written; the service checks what the members mean."""

    allowed_origins = serializers.ListField(
        child=serializers.CharField(max_length=300),
        required=False,
        help_text="Sites that may show the chat in a frame, such as https://www.example.org",
    )

    class Meta:
        model = WebChannel
        fields: tuple[str, ...] = channels.FIELDS


class WebChatSerializer(WebChatFieldsSerializer):
    page_url = serializers.SerializerMethodField(help_text="The page for visitors")
    embed_url = serializers.SerializerMethodField(help_text="The script that shows it on another site")

    class Meta:
        model = WebChannel
        fields = ("id", "public_id", *channels.FIELDS, "page_url", "embed_url", "created_at", "updated_at")
        read_only_fields = fields

    def get_page_url(self, row: WebChannel) -> str:
        return self._absolute("chat", row)

    def get_embed_url(self, row: WebChannel) -> str:
        return self._absolute("chat-embed", row)

    def _absolute(self, name: str, row: WebChannel) -> str:
        address: str = self.context["request"].build_absolute_uri(reverse(name, args=(row.public_id,)))
        return address


class WebChatFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter(lookup_expr="icontains")
    flow = django_filters.CharFilter(field_name="flow_id")
    enabled = BooleanFilter()


class WebChatsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "channels:read", "POST": "channels:write"}
    queryset = WebChannel.objects.none()
    serializer_class = WebChatSerializer
    filterset_class = WebChatFilter
    ordering_fields = ("name", "flow_id", "created_at", "updated_at")

    @extend_schema(operation_id="web_chats_list")
    def get(self, request: Request) -> Response:
        """Public chat pages."""
        page = self.paginate_queryset(self.filter_queryset(WebChannel.objects.for_tenant(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="web_chats_create", request=WebChatFieldsSerializer, responses={201: WebChatSerializer}, filters=False)
    def post(self, request: Request) -> Response:
        """Open a chat page for a flow."""
        by = principal_of(request)
        return _tagged(request, channels.save(by.tenant, fields=check_body(request.data, WebChatFieldsSerializer), by=by), status=201)


class WebChatView(APIView):
    permissions: ClassVar = {"GET": "channels:read", "PATCH": "channels:write", "DELETE": "channels:write"}

    @extend_schema(operation_id="web_chats_read", responses=WebChatSerializer)
    def get(self, request: Request, channel_id: UUID) -> Response:
        return _tagged(request, channels.channel(principal_of(request).tenant, channel_id))

    @extend_schema(
        operation_id="web_chats_change",
        request=WebChatFieldsSerializer(partial=True),
        parameters=[IF_MATCH],
        responses={200: WebChatSerializer, **STALE},
    )
    def patch(self, request: Request, channel_id: UUID) -> Response:
        """Change some members of the chat page. Switched off (`enabled`), it lets nobody in."""
        by = principal_of(request)
        expected = _expected(request, channels.channel(by.tenant, channel_id))
        fields = check_body(request.data, WebChatFieldsSerializer, partial=True)
        return _tagged(request, channels.save(by.tenant, channel_id=channel_id, fields=fields, expected=expected, by=by))

    @extend_schema(operation_id="web_chats_delete", request=None, parameters=[IF_MATCH], responses={204: None, **STALE})
    def delete(self, request: Request, channel_id: UUID) -> Response:
        """Take the chat page away. Its conversations stay."""
        by = principal_of(request)
        channels.delete(by.tenant, channel_id=channel_id, expected=_expected(request, channels.channel(by.tenant, channel_id)), by=by)
        return Response(status=204)


def _etag(row: WebChannel) -> str:
    return etag_of(row.updated_at.isoformat())


def _expected(request: Request, row: WebChannel) -> datetime | None:
    """What the service compares once it holds the lock. Raises PreconditionRequired, StaleEtag."""
    require_match(request, _etag(row))
    return None if request.headers["If-Match"].strip() == "*" else row.updated_at


def _tagged(request: Request, row: WebChannel, status: int = 200) -> Response:
    headers = {"ETag": _etag(row), **({"Location": f"/api/v1/web-chats/{row.pk}"} if status == 201 else {})}
    return Response(WebChatSerializer(row, context={"request": request}).data, status=status, headers=headers)
