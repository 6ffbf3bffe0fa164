"""The tenant's own handlers: one document, read and replaced as a whole."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from flows import queries, services
from flows.api.manners import IF_MATCH, REFUSED, STALE, body_of, expected_rev, report, tagged
from flows.models import TenantHandlers
from flows.serializers import ReportSerializer
from mcp_platform.tenancy.authenticators import principal_of

EXAMPLE = OpenApiExample(
    "Opening hours, in every conversation",
    value={
        "intents": {"opening_hours": {"keywords": ["open"], "examples": ["when are you open?"]}},
        "global_handlers": {
            "opening_hours": {"on": "intent", "value": "opening_hours", "mode": "inline", "response_templates": {"default": "From 9 to 5."}}
        },
        "metadata": {"texts": {"human": {"default": "One of us will be with you in a minute."}}},
    },
    request_only=True,
)


class TenantHandlersDocument(serializers.Serializer[Any]):
    """Handlers, intents and texts that belong to no flow: docs/protocol/flow.md."""

    global_handlers = serializers.DictField(required=False)
    intents = serializers.DictField(required=False)
    metadata = serializers.DictField(required=False)


class SavedTenantHandlers(ReportSerializer):
    document = TenantHandlersDocument()
    rev = serializers.IntegerField(help_text="0 while nothing has been saved; also the ETag")


def _shown(row: TenantHandlers) -> Response:
    checked = queries.check_tenant_handlers(row.tenant_id, row.document)
    return tagged({"document": row.document, "rev": row.rev, **report(checked.problems)}, row.rev)


class TenantHandlersView(APIView):
    permissions: ClassVar = {"GET": "flows:read", "PUT": "flows:publish"}

    @extend_schema(operation_id="tenant_handlers_read", responses=SavedTenantHandlers)
    def get(self, request: Request) -> Response:
        return _shown(queries.tenant_handlers(principal_of(request).tenant))

    @extend_schema(
        operation_id="tenant_handlers_replace",
        request=TenantHandlersDocument,
        parameters=[IF_MATCH],
        responses={200: SavedTenantHandlers, **REFUSED, **STALE},
        examples=[EXAMPLE],
    )
    def put(self, request: Request) -> Response:
        """Replace the document. It counts at once, in every conversation of every environment."""
        by = principal_of(request)
        rev = expected_rev(request, queries.tenant_handlers(by.tenant).rev)
        return _shown(services.save_tenant_handlers(by.tenant, document=body_of(request), expected_rev=rev, by=by))
