"""What every endpoint here does the same way: pages, ETags, bodies that are objects and are checked by the services."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from mcp_platform.rest import SchemaError, etag_of, require_match
from mcp_platform.schema import ProblemSerializer

IF_MATCH = OpenApiParameter("If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, description="The ETag that you read; * for any")
GONE = OpenApiResponse(description="Done; nothing to say")
CONFLICT = {409: OpenApiResponse(ProblemSerializer, description="Not possible as things are")}
STALE = {
    412: OpenApiResponse(ProblemSerializer, description="STALE_ETAG: it has changed since you read it"),
    428: OpenApiResponse(ProblemSerializer, description="PRECONDITION_REQUIRED: send If-Match"),
}
AWAY = {503: OpenApiResponse(ProblemSerializer, description="The server, or every server, does not answer")}


class Rows(GenericAPIView[Any]):
    """A filtered, ordered, paged list of one of the tenant's tables."""

    def page(self, rows: QuerySet[Any]) -> Response:
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def body_of(request: Request) -> dict[str, Any]:
    """Raises SchemaError when it is no object."""
    if not isinstance(request.data, Mapping):
        raise SchemaError(errors=[{"path": "$", "message": f"is {type(request.data).__name__}", "expected": "an object"}])
    return dict(request.data)


def taken_text(body: dict[str, Any], name: str, expected: str) -> str:
    """Take a text out of the body. Raises SchemaError when it is not there."""
    value = body.pop(name, None)
    if not isinstance(value, str):
        raise SchemaError(errors=[{"path": f"$.{name}", "message": "is missing" if value is None else "is no text", "expected": expected}])
    return value


def expected_rev(request: Request, rev: int) -> int | None:
    """What the service shall compare with once it holds the lock. Raises PreconditionRequired, StaleEtag already without it."""
    require_match(request, etag_of(rev))
    return None if request.headers["If-Match"].strip() == "*" else rev


def tagged(data: Any, rev: int, status: int = 200, location: str = "") -> Response:
    return Response(data, status=status, headers={"ETag": etag_of(rev), **({"Location": location} if location else {})})
