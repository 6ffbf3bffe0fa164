"""Findings over REST: the list as people filter it, one with everything, changes of one and of many, comments, groups, the board's summary."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import SchemaError, check_body, etag_of, require_match
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of
from mcp_platform.tenancy.scope import Principal
from validation.api import findings_shapes as shapes
from validation.queries import board as queries
from validation.queries import detail, overview
from validation.queries.board import Filters
from validation.services import board

MOST = 200


def _problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=description)


IF_MATCH = OpenApiParameter("If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, description="The ETag that you read; * for any")
CONFLICT = {409: _problem("Not possible as things are")}
STALE = {412: _problem("STALE_ETAG: it has changed since you read it"), 428: _problem("PRECONDITION_REQUIRED: send If-Match")}
_HELP: Mapping[str, str] = {
    "id": "Ids of findings, at most 100",
    "rule": "Rule keys",
    "storey": "Global ids of storeys; none: those without",
    "assignee": "Ids of people, me, none",
    "text": "Words in message, rule, element; a global id",
    "there": "now (what is there now), gone (resolved), all",
}
FILTERS = [
    OpenApiParameter(
        name,
        OpenApiTypes.STR,
        enum=queries.CHOICES.get(name),
        many=name not in ("due", "there", "text"),
        description=_HELP.get(name, ""),
    )
    for name in queries.NAMES
]


def filters_of(given: Mapping[str, Any], by: Principal) -> Filters:
    """From a body: {name: value or values}. Raises FieldsRefused, SchemaError."""
    unknown = [name for name in given if name not in queries.NAMES]
    if unknown:
        expected = ", ".join(queries.NAMES)
        raise SchemaError(
            errors=[{"path": f"$.filters.{name}", "code": "unknown", "message": "is not known here", "expected": expected} for name in unknown]
        )
    lists = {name: [str(one) for one in (value if isinstance(value, list) else [value])] for name, value in given.items()}
    return queries.read_filters(lists, me=by.user.pk if by.user else None)


def filters_in_query(request: Request, by: Principal) -> Filters:
    return queries.read_filters(dict(request.query_params.lists()), me=by.user.pk if by.user else None)


def limit_in_query(request: Request, default: int = 50) -> int:
    text = request.query_params.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise SchemaError(errors=[{"path": "?limit", "code": "invalid", "message": "is no such number", "expected": "a whole number from 1 up"}])
    return min(int(text), MOST)


class FindingsView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(
        operation_id="validation_findings",
        parameters=[
            *FILTERS,
            OpenApiParameter("ordering", OpenApiTypes.STR, enum=list(queries.ORDERS), description="severity when absent"),
            OpenApiParameter("cursor", OpenApiTypes.STR, description="`next` of the page before"),
            OpenApiParameter("limit", OpenApiTypes.INT, description=f"50 when absent, at most {MOST}"),
        ],
        responses=shapes.FindingPageSerializer,
    )
    def get(self, request: Request, building_id: UUID) -> Response:
        """The findings of a building. Several values of one filter mean "one of them"; several filters mean all of them."""
        by = principal_of(request)
        building = queries.building(by.tenant, building_id)
        rows = queries.findings(by.tenant, building_id, filters_in_query(request, by))
        cursor = request.query_params.get("cursor", "")
        ordering = request.query_params.get("ordering", queries.DEFAULT_ORDER)
        page = queries.page(rows, ordering=ordering, cursor=cursor, limit=limit_in_query(request))
        system = overview.units_of(building)
        return Response(
            {
                "next": page.next or None,
                "total": None if cursor else rows.count(),
                "results": [detail.line(row, system) for row in page.rows],
            }
        )


class GroupsView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(
        operation_id="validation_finding_groups",
        parameters=[*FILTERS, OpenApiParameter("by", OpenApiTypes.STR, enum=list(queries.GROUPS), required=True)],
        responses=shapes.FindingGroupSerializer(many=True),
    )
    def get(self, request: Request, building_id: UUID) -> Response:
        """The same findings, counted by group, the worst group first; at most 500 groups."""
        by = principal_of(request)
        queries.building(by.tenant, building_id)
        name = request.query_params.get("by", "")
        found = queries.groups(queries.findings(by.tenant, building_id, filters_in_query(request, by)), name)
        return Response(detail.group_names(by.tenant, building_id, name, found))


class SummaryView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_building_summary", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, building_id: UUID) -> Response:
        """Score with its formula and coverage, counts by severity and category, filter values with counts, trend, missing facts, who is connected."""
        by = principal_of(request)
        return Response(overview.summary(by.tenant, queries.building(by.tenant, building_id)))


class FindingView(APIView):
    permissions: ClassVar = {"GET": "validation:read", "PATCH": "findings:write"}

    @extend_schema(operation_id="validation_finding", responses=shapes.FindingSerializer)
    def get(self, request: Request, building_id: UUID, finding_id: UUID) -> Response:
        """One finding with its evidence, parameters, element, history and waivers."""
        by = principal_of(request)
        return _shown(by, building_id, finding_id)

    @extend_schema(
        operation_id="validation_finding_change",
        request=shapes.FindingChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.FindingSerializer, **CONFLICT, **STALE},
    )
    def patch(self, request: Request, building_id: UUID, finding_id: UUID) -> Response:
        """Set a state, assign, give it a day. A waived finding follows its waiver."""
        by = principal_of(request)
        rev = queries.finding(by.tenant, building_id, finding_id).rev
        require_match(request, etag_of(rev))
        given = check_body(request.data, shapes.FindingChangeSerializer)
        said = given.pop("comment", "")
        expected = None if request.headers["If-Match"].strip() == "*" else rev
        board.change(by.tenant, building_id=building_id, finding_id=finding_id, fields=given, comment=said, expected_rev=expected, by=by)
        return _shown(by, building_id, finding_id)


def _shown(by: Principal, building_id: UUID, finding_id: UUID) -> Response:
    found = queries.finding(by.tenant, building_id, finding_id)
    return Response(detail.detail(by.tenant, found), headers={"ETag": etag_of(found.rev)})


class BulkView(APIView):
    permissions: ClassVar = {"POST": "findings:write"}

    @extend_schema(operation_id="validation_findings_bulk", request=shapes.BulkSerializer, responses=shapes.BulkDoneSerializer)
    def post(self, request: Request, building_id: UUID) -> Response:
        """The same change for many findings: those in `ids`, or all that `filters` leave; at most 5,000 at once."""
        by = principal_of(request)
        given = check_body(request.data, shapes.BulkSerializer)
        ids, filters, said = given.pop("ids", None), given.pop("filters", None), given.pop("comment", "")
        if (ids is None) == (filters is None):
            expected = "either ids or filters"
            raise SchemaError(errors=[{"path": "$", "code": "invalid", "message": "does not say which findings", "expected": expected}])
        chosen = filters_of(filters, by) if filters is not None else None
        done = board.change_many(by.tenant, building_id=building_id, finding_ids=ids, filters=chosen, fields=given, comment=said, by=by)
        return Response({"changed": done.changed, "skipped": done.skipped})


class NotesView(APIView):
    permissions: ClassVar = {"GET": "validation:read", "POST": "findings:write"}

    @extend_schema(operation_id="validation_finding_notes", responses=shapes.FindingNoteSerializer(many=True))
    def get(self, request: Request, building_id: UUID, finding_id: UUID) -> Response:
        """What happened to the finding, the oldest first."""
        by = principal_of(request)
        return Response(detail.notes(by.tenant, queries.finding(by.tenant, building_id, finding_id)))

    @extend_schema(operation_id="validation_finding_comment", request=shapes.CommentSerializer, responses={201: shapes.FindingNoteSerializer})
    def post(self, request: Request, building_id: UUID, finding_id: UUID) -> Response:
        """Comment."""
        by = principal_of(request)
        given = check_body(request.data, shapes.CommentSerializer)
        made = board.comment(by.tenant, building_id=building_id, finding_id=finding_id, text=given["text"], by=by)
        return Response(detail.note(made), status=201)
