"""What every endpoint here does the same way: pages, ETags of drafts, bodies that are objects."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from flows import queries
from flows.core.types import Json, Problem, Severity
from flows.errors import FieldsRefused
from mcp_platform.rest import SchemaError, etag_of, require_match
from mcp_platform.schema import ProblemSerializer

IF_MATCH = OpenApiParameter("If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, description="The ETag that you read; * for any")
IF_MATCH_OPTIONAL = OpenApiParameter(
    "If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, description="The ETag of the draft that you mean; without it, whatever it is now"
)
GONE = OpenApiResponse(description="Done; nothing to say")


def _problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=description)


CONFLICT = {409: _problem("Not possible as things are")}
STALE = {412: _problem("STALE_ETAG: it has changed since you read it"), 428: _problem("PRECONDITION_REQUIRED: send If-Match")}
STALE_IF_SENT = {412: _problem("STALE_ETAG: it has changed since you read it")}
REFUSED = {422: _problem("FLOW_PARSE_ERROR or FLOW_INVALID: `errors` lists every problem with its path")}


class Rows(GenericAPIView[Any]):
    """A filtered, ordered, paged list of one of the tenant's tables."""

    def page(self, rows: QuerySet[Any]) -> Response:
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def body_of(request: Request) -> dict[str, Json]:
    """The body as it was sent; its members are checked by the service, which finds every fault. Raises SchemaError when it is no object."""
    if not isinstance(request.data, Mapping):
        raise SchemaError(errors=[{"path": "$", "message": f"is {type(request.data).__name__}", "expected": "an object"}])
    return dict(request.data)


def take(body: dict[str, Json], name: str, kind: type[Any], expected: str) -> Any:
    """Take a member that the service does not know out of the body. Raises FieldsRefused when it is not there or of another type."""
    value = body.pop(name, None)
    if not isinstance(value, kind) or isinstance(value, bool):
        code, message = ("missing", "is missing") if value is None else ("wrong_type", "is not valid")
        raise FieldsRefused(errors=[{"path": f"$.{name}", "code": code, "message": message, "expected": expected}])
    return value


def number_in_query(request: Request, name: str, *, required: bool = False) -> int | None:
    text = request.query_params.get(name, "")
    if not text and not required:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise FieldsRefused(errors=[{"path": f"?{name}", "code": "wrong_type", "message": "is no version number", "expected": "an integer from 1"}])
    return int(text)


def expected_rev(request: Request, rev: int, *, required: bool = True) -> int | None:
    """What the service shall compare with once it holds the lock. Raises PreconditionRequired, StaleEtag already without it."""
    if not required and "If-Match" not in request.headers:
        return None
    require_match(request, etag_of(rev))
    return None if request.headers["If-Match"].strip() == "*" else rev


def not_modified(request: Request, etag: str) -> Response | None:
    """304 when the client has this already."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    return Response(status=304, headers={"ETag": etag}) if etag in known else None


def tagged(data: Any, rev: int, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(data, status=status, headers={"ETag": etag_of(rev), **(headers or {})})


def report(problems: Iterable[Problem]) -> dict[str, Any]:
    found = list(problems)
    errors = sum(problem.severity is Severity.ERROR for problem in found)
    return {"publishable": not errors, "error_count": errors, "warning_count": len(found) - errors, "problems": queries.as_errors(found)}
