"""What the endpoints of authored rows do alike: lists, ETags, bodies that are objects, ids of other rows in them."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.errors import NotFound
from mcp_platform.rest import SchemaError, etag_of, require_match
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of
from mcp_platform.tenancy.models import Tenant

IF_MATCH = OpenApiParameter("If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, description="The ETag that you read; * for any")
GONE = {204: OpenApiResponse(description="Deleted")}
STALE = {
    412: OpenApiResponse(ProblemSerializer, description="STALE_ETAG: it has changed since you read it"),
    428: OpenApiResponse(ProblemSerializer, description="PRECONDITION_REQUIRED: send If-Match"),
}
Find = Callable[[Tenant, UUID], Any]


def fields_of(request: Request, named: Mapping[str, Find]) -> dict[str, Any]:
    """The body, in which the ids of `named` have become rows. Raises SchemaError; what else is wrong the service finds."""
    if not isinstance(request.data, Mapping):
        raise SchemaError(errors=[{"path": "$", "message": f"is {type(request.data).__name__}", "expected": "an object"}])
    found = dict(request.data)
    for name, find in named.items():
        if found.get(name) is not None:
            found[name] = _row(principal_of(request).tenant, name, found[name], find)
    return found


def _row(tenant: Tenant, name: str, value: Any, find: Find) -> Any:
    try:
        return find(tenant, UUID(str(value)))
    except (ValueError, NotFound) as fault:
        raise SchemaError(errors=[{"path": f"$.{name}", "message": "is not known", "expected": f"the id of a {name} of this tenant"}]) from fault


def expected_rev(request: Request, rev: int) -> int | None:
    """What the service compares with. Raises PreconditionRequired, StaleEtag already without it."""
    require_match(request, etag_of(rev))
    return None if request.headers["If-Match"].strip() == "*" else rev


def tagged(data: Any, rev: int, status: int = 200, location: str = "") -> Response:
    return Response(data, status=status, headers={"ETag": etag_of(rev), **({"Location": location} if location else {})})


class Rows(GenericAPIView[Any]):
    """A list and the way to add to it. Subclasses say how rows are found and saved, and the name of the address of one."""

    permissions: ClassVar = {"GET": "reports:read", "POST": "reports:write"}
    rows: ClassVar[Any]
    save: ClassVar[Any]
    one: ClassVar[str]
    named: ClassVar[Mapping[str, Find]] = {}

    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(type(self).rows(principal_of(request).tenant))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def post(self, request: Request) -> Response:
        by = principal_of(request)
        row = type(self).save(by.tenant, fields=fields_of(request, self.named), by=by)
        return tagged(self.get_serializer(row).data, row.rev, 201, reverse(self.one, args=(row.pk,)))


class Row(APIView):
    """One row: read, change, delete."""

    permissions: ClassVar = {"GET": "reports:read", "PATCH": "reports:write", "DELETE": "reports:write"}
    find: ClassVar[Any]
    save: ClassVar[Any]
    remove: ClassVar[Any]
    serializer: ClassVar[Any]
    named: ClassVar[Mapping[str, Find]] = {}

    def get(self, request: Request, **ids: UUID) -> Response:
        row = type(self).find(principal_of(request).tenant, _only(ids))
        return tagged(self.serializer(row).data, row.rev)

    def patch(self, request: Request, **ids: UUID) -> Response:
        by, pk = principal_of(request), _only(ids)
        rev = expected_rev(request, type(self).find(by.tenant, pk).rev)
        row = type(self).save(by.tenant, pk=pk, fields=fields_of(request, self.named), expected_rev=rev, by=by)
        return tagged(self.serializer(row).data, row.rev)

    def delete(self, request: Request, **ids: UUID) -> Response:
        by, pk = principal_of(request), _only(ids)
        type(self).remove(by.tenant, pk=pk, expected_rev=expected_rev(request, type(self).find(by.tenant, pk).rev), by=by)
        return Response(status=204)


def _only(ids: Mapping[str, UUID]) -> UUID:
    (found,) = ids.values()
    return found


def described_rows(name: str, serializer: Any) -> Any:
    return extend_schema_view(
        get=extend_schema(operation_id=f"{name}_list"),
        post=extend_schema(operation_id=f"{name}_create", request=serializer, responses={201: serializer}),
    )


def described_row(name: str, serializer: Any) -> Any:
    return extend_schema_view(
        get=extend_schema(operation_id=f"{name}_read", responses=serializer),
        patch=extend_schema(operation_id=f"{name}_change", parameters=[IF_MATCH], request=serializer, responses={200: serializer, **STALE}),
        delete=extend_schema(operation_id=f"{name}_delete", parameters=[IF_MATCH], responses={**GONE, **STALE}),
    )
