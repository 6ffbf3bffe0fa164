"""The REST manners of every app: problem documents, pagination, ETags, strict JSON."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from math import isinf
from typing import Any, NoReturn

import django_filters
from django import forms
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions, serializers
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from mcp_platform import errors, observability
from mcp_platform.errors import Kind, PlatformError

log = observability.logger(__name__)

STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.BUSY: 503,
    Kind.THROTTLED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.BROKEN: 500,
}
# Where HTTP has a finer word than the kind.
STATUS_OF_CODE: dict[str, int] = {
    "UNAUTHENTICATED": 401,
    "STALE_ETAG": 412,
    "PRECONDITION_REQUIRED": 428,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "FLOW_INVALID": 422,
    "FLOW_TESTS_FAILED": 422,
    "FLOW_PARSE_ERROR": 422,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
}
MAX_BODY = 1024 * 1024
MAX_DEPTH = 64
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


class StaleEtag(errors.Conflict):
    """The thing has changed since you read it; read it again and repeat your change."""

    code = "STALE_ETAG"


class PreconditionRequired(errors.Invalid):
    """Send If-Match with the ETag that you read, so that nobody's change is overwritten."""

    code = "PRECONDITION_REQUIRED"


class PayloadTooLarge(errors.Invalid):
    """The body is larger than 1 MiB."""

    code = "PAYLOAD_TOO_LARGE"


class SchemaError(errors.Invalid):
    """The body is not what this endpoint takes; `errors` lists every fault."""

    code = "SCHEMA_ERROR"


def status_of(error: PlatformError) -> int:
    return STATUS_OF_CODE.get(error.code, STATUS[error.kind])


def problem(error: PlatformError) -> dict[str, Any]:
    """The problem document of an error, the same in REST, WebSocket frames and gRPC details."""
    status = status_of(error)
    body = {
        "type": f"urn:mcp-platform:error:{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "error_code": error.code,
        "correlation_id": observability.correlation_id(),
    }
    return {**{name: value for name, value in error.details.items() if name not in body}, **body}


def headers_of(error: PlatformError) -> dict[str, str]:
    headers = {}
    if error.code == "UNAUTHENTICATED":
        headers["WWW-Authenticate"] = 'Bearer realm="mcp-platform"'
    if error.kind in (Kind.BUSY, Kind.THROTTLED, Kind.UNAVAILABLE):
        headers["Retry-After"] = str(error.details.get("retry_after", 1))
    return headers


def problem_json(error: PlatformError) -> JsonResponse:
    """For views outside DRF."""
    return JsonResponse(problem(error), status=status_of(error), headers=headers_of(error), content_type="application/problem+json")


def problem_response(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler."""
    error = as_platform_error(exc)
    if error is None:
        return None
    headers = {**headers_of(error), **getattr(exc, "headers", {})}
    return Response(problem(error), status=status_of(error), headers=headers, content_type="application/problem+json")


# What Django itself answers, named in urls.py: a problem document below /api/, a page elsewhere.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_json(errors.Invalid("The request is malformed.")) if _is_api(request) else defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_json(errors.Denied()) if _is_api(request) else defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_json(errors.NotFound("There is nothing at this address.")) if _is_api(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    return problem_json(errors.Broken()) if _is_api(request) else defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def as_platform_error(exc: Exception) -> PlatformError | None:
    """Ours as they are, Django's and DRF's by the table; None for what nobody expected (a 500 with its traceback in the log)."""
    if isinstance(exc, PlatformError):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return SchemaError(errors=list(faults(exc.get_full_details())))
    for known, make in _TRANSLATIONS.items():
        if isinstance(exc, known):
            made: PlatformError = make(exc)
            return made
    return None


def _with_code(kind: type[PlatformError], code: str) -> type[PlatformError]:
    return type(kind.__name__, (kind,), {"code": code, "__doc__": kind.__doc__})


_MALFORMED = _with_code(errors.Invalid, "SCHEMA_ERROR")
_UNAUTHENTICATED = _with_code(errors.Denied, "UNAUTHENTICATED")
_METHOD = _with_code(errors.Invalid, "METHOD_NOT_ALLOWED")
_ACCEPT = _with_code(errors.Invalid, "NOT_ACCEPTABLE")
_MEDIA = _with_code(errors.Invalid, "UNSUPPORTED_MEDIA_TYPE")


_TRANSLATIONS: dict[type[Exception] | tuple[type[Exception], ...], Any] = {
    exceptions.NotFound: lambda e: errors.NotFound(str(e.detail)),
    Http404: lambda e: errors.NotFound(),
    exceptions.AuthenticationFailed: lambda e: _UNAUTHENTICATED(str(e.detail)),
    exceptions.NotAuthenticated: lambda e: _UNAUTHENTICATED("Send a bearer token: an API key or a JWT."),
    exceptions.PermissionDenied: lambda e: errors.Denied(str(e.detail)),
    PermissionDenied: lambda e: errors.Denied(),
    exceptions.ParseError: lambda e: _MALFORMED(str(e.detail), errors=[{"path": "$", "message": str(e.detail), "expected": "a JSON document"}]),
    exceptions.MethodNotAllowed: lambda e: _METHOD(str(e.detail)),
    exceptions.NotAcceptable: lambda e: _ACCEPT(str(e.detail)),
    exceptions.UnsupportedMediaType: lambda e: _MEDIA(str(e.detail), expected="application/json"),
    exceptions.Throttled: lambda e: errors.Throttled(str(e.detail), retry_after=int(e.wait or 1)),
    (OperationalError, InterfaceError): lambda e: errors.Unavailable("The database does not answer right now; try again.", retry_after=2),
}


def faults(details: Any, path: str = "$") -> Any:
    """Yield {path, code, message} of every fault in DRF's nested error details."""
    if isinstance(details, dict) and "message" in details and "code" in details:
        yield {"path": path, "code": str(details["code"]), "message": str(details["message"])}
    elif isinstance(details, dict):
        for name, inner in details.items():
            yield from faults(inner, path if name == "non_field_errors" else f"{path}[{name}]" if isinstance(name, int) else f"{path}.{name}")
    else:
        leaves = all(isinstance(inner, dict) and "message" in inner for inner in details)
        for index, inner in enumerate(details):
            yield from faults(inner, path if leaves else f"{path}[{index}]")


def read_json(body: bytes, *, most: int = MAX_BODY) -> Any:
    """Strict JSON: no duplicate keys, no NaN, no NUL characters, at most 64 deep and `most` bytes. Raises SchemaError, PayloadTooLarge."""
    if len(body) > most:
        raise PayloadTooLarge(limit_bytes=most, size_bytes=len(body))
    try:
        value = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        _refuse("$", f"nested deeper than {MAX_DEPTH}", f"at most {MAX_DEPTH} levels")
    except UnicodeDecodeError:
        _refuse("$", "not UTF-8", "UTF-8 text")
    except ValueError as fault:
        _refuse("$", f"not JSON: {fault}", "a JSON document")
    if b"\\u0000" in body or b"\x00" in body or b"\\ud" in body.lower() or body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _inspect(value, "$", 0)  # rare, so the walk is paid only by those who look suspicious
    return value


def _inspect(value: Any, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        _refuse(path[:200], f"nested deeper than {MAX_DEPTH}", f"at most {MAX_DEPTH} levels")
    if isinstance(value, str):
        if "\x00" in value:
            _refuse(path, "contains a NUL character", "text without U+0000")
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            _refuse(path, "contains half of a surrogate pair", "valid Unicode text")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _inspect(name, f"{path}.{name!r}", depth + 1)
            _inspect(inner, f"{path}.{name}", depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _inspect(inner, f"{path}[{index}]", depth + 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # set.add is the memory here
        raise ValueError(f"the key {twice!r} occurs twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    """1e400 is JSON, but becomes an infinity, which no database takes as JSON."""
    value = float(text)
    if isinf(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _refuse(path: str, message: str, expected: str) -> NoReturn:
    raise SchemaError(errors=[{"path": path, "message": message, "expected": expected}])


class StrictJSONParser(JSONParser):
    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        return read_json(stream.read(MAX_BODY + 1))


def check_body(data: Any, serializer_class: type[serializers.Serializer[Any]], **kwargs: Any) -> dict[str, Any]:
    """The validated body, or SchemaError with every fault. Unknown members are faults too: a typo must not be ignored."""
    serializer = serializer_class(data=data, **kwargs)
    if not isinstance(data, Mapping):
        _refuse("$", f"is {type(data).__name__}", "an object")
    unknown = [name for name in data if name not in serializer.fields]
    serializer.is_valid()
    found = list(faults(_details(serializer)))
    found += [{"path": f"$.{name}", "code": "unknown", "message": "is not known here", "expected": ", ".join(serializer.fields)} for name in unknown]
    if found:
        raise SchemaError(errors=found)
    return dict(serializer.validated_data)


def _details(serializer: Any) -> Any:
    return exceptions.ValidationError(serializer.errors).get_full_details() if serializer.errors else {}


class Pagination(LimitOffsetPagination):
    """`limit` and `offset`. What is no number is refused, where DRF would quietly take another page; a limit above the maximum is lowered to it."""

    default_limit = 50
    max_limit = 200

    def get_limit(self, request: Request) -> int:
        return min(_page_number(request, "limit", 1, self.default_limit), self.max_limit)

    def get_offset(self, request: Request) -> int:
        return _page_number(request, "offset", 0, 0)


def _page_number(request: Request, name: str, least: int, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):
        expected = f"a whole number from {least} up"
        raise SchemaError(errors=[{"path": f"?{name}", "code": "invalid", "message": "is no such number", "expected": expected}])
    return int(text)


class _Truth(forms.NullBooleanField):
    """None for nothing; what is neither true nor false is a fault."""

    widget = forms.TextInput

    def to_python(self, value: Any) -> bool | None:  # type: ignore[override]  # as the field above it does
        if value in (None, ""):
            return None
        try:
            return _TRUTHS[str(value).lower()]
        except KeyError:
            raise forms.ValidationError("Neither true nor false.", code="invalid") from None

    def validate(self, value: Any) -> None:
        """Read is checked."""


class BooleanFilter(django_filters.BooleanFilter):  # type: ignore[misc]  # django-filter is untyped
    """The library's own takes what it cannot read for "no filter" and answers with everything."""

    field_class = _Truth


def etag_of(rev: int | str) -> str:
    return f'"{rev}"'


def require_match(request: Request | HttpRequest, current: str) -> None:
    """Raises PreconditionRequired without If-Match, StaleEtag when it names another revision."""
    given = request.headers.get("If-Match", "")
    if not given:
        raise PreconditionRequired(expected=current)
    if given.strip() != "*" and current not in [tag.strip() for tag in given.split(",")]:
        raise StaleEtag(expected=current, given=given)
