"""What every endpoint here does the same way."""

from collections.abc import Mapping
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from mcp_platform.rest import SchemaError, etag_of, read_json, require_match
from mcp_platform.schema import ProblemSerializer

IF_MATCH = OpenApiParameter("If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, description="The ETag that you read; * for any")
IF_MATCH_OPTIONAL = OpenApiParameter("If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, description="The ETag of the draft that you mean")
CONFLICT = {409: OpenApiResponse(ProblemSerializer, description="Not possible as things are")}
STALE_IF_SENT = {412: OpenApiResponse(ProblemSerializer, description="STALE_ETAG: it has changed since you read it")}
STALE = {**STALE_IF_SENT, 428: OpenApiResponse(ProblemSerializer, description="PRECONDITION_REQUIRED: send If-Match")}
GONE = {204: OpenApiResponse(description="Done; nothing to say")}

LONGEST_DOCUMENT: Final = 16 * 1024 * 1024


class DocumentParser(JSONParser):
    """Strict as everywhere, but for documents of many thousand products."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        return read_json(stream.read(LONGEST_DOCUMENT + 1), most=LONGEST_DOCUMENT)


def body_of(request: Request) -> dict[str, Any]:
    """As it was sent; the service finds every fault in it. Raises SchemaError when it is no object."""
    if not isinstance(request.data, Mapping):
        raise SchemaError(errors=[{"path": "$", "message": f"is {type(request.data).__name__}", "expected": "an object"}])
    return dict(request.data)


def expected_rev(request: Request, rev: int, *, required: bool = True) -> int | None:
    """What the service shall compare with once it holds the lock. Raises PreconditionRequired, StaleEtag already without it."""
    if not required and "If-Match" not in request.headers:
        return None
    require_match(request, etag_of(rev))
    return None if request.headers["If-Match"].strip() == "*" else rev


def tagged(data: Any, rev: int, status: int = 200, location: str = "") -> Response:
    headers = {"ETag": etag_of(rev), **({"Location": location} if location else {})}
    return Response(data, status=status, headers=headers)


def flag(request: Request, name: str, default: bool) -> bool:
    """Raises SchemaError."""
    text = request.query_params.get(name, "")
    if text not in ("", "true", "false"):
        raise SchemaError(errors=[{"path": f"?{name}", "code": "invalid", "message": "is neither true nor false", "expected": "true or false"}])
    return text == "true" if text else default


def number(request: Request, name: str) -> int | None:
    """Raises SchemaError."""
    text = request.query_params.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise SchemaError(errors=[{"path": f"?{name}", "code": "invalid", "message": "is no number of a version", "expected": "a whole number"}])
    return int(text) if text else None
