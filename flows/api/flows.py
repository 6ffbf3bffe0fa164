"""Flows and their drafts, versions and releases."""

import json
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from flows import queries, services
from flows import serializers as shapes
from flows.api import manners
from flows.api.manners import CONFLICT, GONE, IF_MATCH, IF_MATCH_OPTIONAL, REFUSED, STALE, STALE_IF_SENT, body_of, expected_rev, tagged
from flows.models import Flow, FlowVersion
from mcp_platform.rest import BooleanFilter, check_body, etag_of
from mcp_platform.tenancy.authenticators import principal_of

EXAMPLE: dict[str, Any] = {
    "flow_id": "greeting",
    "name": "Greeting",
    "initial_state": "ask",
    "states": {
        "ask": {
            "type": "slot_filling",
            "config": {"required_slots": ["name"], "prompts": {"name": "What is your name?"}},
            "transitions": [{"condition": "slot_filled", "target_state": "greet"}],
        },
        "greet": {"type": "end", "config": {"response_templates": {"en": "Hello {{ slots.name }}!", "de": "Hallo {{ slots.name }}!"}}},
    },
}
DOCUMENT_EXAMPLE = OpenApiExample("Greeting", value=EXAMPLE, request_only=True)
PROBLEM_EXAMPLE = OpenApiExample(
    "A transition to nowhere",
    value={
        "publishable": False,
        "error_count": 1,
        "warning_count": 0,
        "problems": [
            {
                "path": "$.states.ask.transitions[0].target_state",
                "code": "unknown_state",
                "message": 'There is no state "gret".',
                "expected": "greet",
                "severity": "error",
            }
        ],
    },
    response_only=True,
)


class FlowFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    flow_id = django_filters.CharFilter()
    name = django_filters.CharFilter(lookup_expr="icontains")
    archived = BooleanFilter(field_name="archived_at", lookup_expr="isnull", exclude=True)
    published = BooleanFilter(field_name="latest_version", lookup_expr="isnull", exclude=True)
    has_problems = BooleanFilter(field_name="problem_count", lookup_expr="gt", method="with_problems")
    environment = django_filters.CharFilter(field_name="pointers__environment__name", help_text="Only flows that run there")
    updated_since = django_filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gte")

    def with_problems(self, rows: QuerySet[Flow], _name: str, wanted: bool) -> QuerySet[Flow]:
        return rows.filter(problem_count__gt=0) if wanted else rows.filter(problem_count=0)


class FlowsView(manners.Rows):
    permissions: ClassVar = {"GET": "flows:read", "POST": "flows:write"}
    queryset = Flow.objects.none()
    serializer_class = shapes.FlowSummarySerializer
    filterset_class = FlowFilter
    ordering_fields = ("name", "flow_id", "created_at", "updated_at", "problem_count")

    @extend_schema(operation_id="flows_list")
    def get(self, request: Request) -> Response:
        """Flows, archived ones too unless `archived=false`."""
        return self.page(queries.flows(principal_of(request).tenant).defer("global_handlers", "variables", "slots", "intents", "metadata"))

    @extend_schema(
        operation_id="flows_create",
        request=shapes.FlowCreateSerializer,
        responses={201: shapes.FlowSerializer, **CONFLICT, **REFUSED},
        examples=[OpenApiExample("Empty draft", value={"flow_id": "greeting", "name": "Greeting"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Create an empty draft. Add states one by one, or PUT the whole draft."""
        by = principal_of(request)
        body = body_of(request)
        flow_id = manners.take(body, "flow_id", str, "a letter, then letters, digits, _ or -; at most 63")
        flow = services.create_flow(by.tenant, flow_id=flow_id, fields=body, by=by)
        return _shown(request, flow.flow_id, status=201)


def _shown(request: Request, flow_id: str, status: int = 200) -> Response:
    flow = queries.one_flow(principal_of(request).tenant, flow_id)
    headers = {"Location": f"/api/v1/flows/{flow.flow_id}"} if status == 201 else None
    return tagged(shapes.FlowSerializer(flow).data, flow.rev, status, headers)


class FlowView(APIView):
    permissions: ClassVar = {"GET": "flows:read", "PATCH": "flows:write", "DELETE": "flows:write"}

    @extend_schema(operation_id="flows_read", responses=shapes.FlowSerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """The flow without its states: GET …/draft has everything. The ETag is the draft's."""
        return _shown(request, flow_id)

    @extend_schema(
        operation_id="flows_change",
        request=shapes.FlowChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.FlowSerializer, **CONFLICT, **STALE, **REFUSED},
    )
    def patch(self, request: Request, flow_id: str) -> Response:
        """Change some fields of the draft; a field that is sent replaces the old value as a whole."""
        by = principal_of(request)
        rev = expected_rev(request, queries.flow(by.tenant, flow_id).rev)
        services.update_flow(by.tenant, flow_id=flow_id, fields=body_of(request), expected_rev=rev, by=by)
        return _shown(request, flow_id)

    @extend_schema(operation_id="flows_delete", parameters=[IF_MATCH], responses={204: GONE, **CONFLICT, **STALE})
    def delete(self, request: Request, flow_id: str) -> Response:
        """Delete a draft that was never published. Archive the others."""
        by = principal_of(request)
        services.delete_flow(by.tenant, flow_id=flow_id, expected_rev=expected_rev(request, queries.flow(by.tenant, flow_id).rev), by=by)
        return Response(status=204)


class DraftView(APIView):
    permissions: ClassVar = {"GET": "flows:read", "PUT": "flows:write"}

    @extend_schema(operation_id="flows_draft_read", responses={200: shapes.DefinitionSerializer})
    def get(self, request: Request, flow_id: str) -> Response:
        """The draft as one document, as its author wrote it."""
        flow = queries.flow(principal_of(request).tenant, flow_id)
        return manners.not_modified(request, etag_of(flow.rev)) or tagged(queries.draft_document(flow), flow.rev)

    @extend_schema(
        operation_id="flows_draft_save",
        request=shapes.DefinitionSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.SavedDraftSerializer, **CONFLICT, **STALE, **REFUSED},
        examples=[DOCUMENT_EXAMPLE],
    )
    def put(self, request: Request, flow_id: str) -> Response:
        """Replace the draft, all or nothing. A document of the wrong shape is refused; other problems are saved and reported."""
        by = principal_of(request)
        rev = expected_rev(request, queries.flow(by.tenant, flow_id).rev)
        return _saved(services.save_draft(by.tenant, flow_id=flow_id, document=request.data, expected_rev=rev, by=by))


def _saved(flow: Flow, status: int = 200) -> Response:
    return tagged({"flow_id": flow.flow_id, "rev": flow.rev, **manners.report(flow.problems)}, flow.rev, status)


class ImportView(APIView):
    permissions: ClassVar = {"POST": "flows:write"}

    @extend_schema(
        operation_id="flows_import",
        request=shapes.DefinitionSerializer,
        parameters=[OpenApiParameter("replace", OpenApiTypes.BOOL, description="Overwrite the draft of an existing flow"), IF_MATCH_OPTIONAL],
        responses={200: shapes.SavedDraftSerializer, 201: shapes.SavedDraftSerializer, **CONFLICT, **STALE_IF_SENT, **REFUSED},
        examples=[DOCUMENT_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """A flow from its definition: a new one, or with `replace` the draft of the one with the same flow_id."""
        by = principal_of(request)
        replace = request.query_params.get("replace", "").lower() in ("true", "1")
        known = queries.flow_of(by.tenant, request.data)
        rev = expected_rev(request, known.rev, required=False) if known is not None else None
        flow = services.import_flow(by.tenant, document=request.data, replace=replace, expected_rev=rev, by=by)
        return _saved(flow, 200 if known is not None else 201)


class ExportView(APIView):
    permissions: ClassVar = {"GET": "flows:read"}

    @extend_schema(
        operation_id="flows_export",
        parameters=[OpenApiParameter("version", OpenApiTypes.INT, description="Number of a version; the draft when absent")],
        responses={200: shapes.DefinitionSerializer},
    )
    def get(self, request: Request, flow_id: str) -> HttpResponse:
        """The definition as a file, in canonical JSON: the same content always gives the same bytes."""
        number = manners.number_in_query(request, "version")
        text = services.export_flow(principal_of(request).tenant, flow_id=flow_id, number=number)
        name = f"{flow_id}.v{number}.json" if number is not None else f"{flow_id}.draft.json"
        return HttpResponse(text.encode(), content_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'})


class ValidateView(APIView):
    permissions: ClassVar = {"POST": "flows:read"}

    @extend_schema(operation_id="flows_validate", request=shapes.ValidateSerializer, responses=shapes.ReportSerializer, examples=[PROBLEM_EXAMPLE])
    def post(self, request: Request, flow_id: str) -> Response:
        """Every problem of the draft, or of a document that might become it. Saves nothing."""
        document = check_body(request.data, shapes.ValidateSerializer).get("document")
        return Response(manners.report(services.validate_draft(principal_of(request).tenant, flow_id=flow_id, document=document)))


class PublishView(APIView):
    permissions: ClassVar = {"POST": "flows:publish"}

    @extend_schema(
        operation_id="flows_publish",
        request=shapes.PublishSerializer,
        parameters=[IF_MATCH_OPTIONAL],
        responses={200: shapes.FlowVersionSummarySerializer, 201: shapes.FlowVersionSummarySerializer, **CONFLICT, **STALE_IF_SENT, **REFUSED},
        examples=[OpenApiExample("To staging", value={"environment": "staging", "note": "Asks for storeys"}, request_only=True)],
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """Freeze the draft and run it: 201 with a new version, 200 with the one that has the same content already."""
        by = principal_of(request)
        given = check_body(request.data, shapes.PublishSerializer)
        rev = expected_rev(request, queries.flow(by.tenant, flow_id).rev, required=False)
        version = services.publish(by.tenant, flow_id=flow_id, expected_rev=rev, by=by, **given)
        return _version(request, flow_id, version.number, status=201 if version.is_new else 200)


class RollBackView(APIView):
    permissions: ClassVar = {"POST": "flows:publish"}

    @extend_schema(
        operation_id="flows_roll_back", request=shapes.RollBackSerializer, responses={200: shapes.FlowVersionSummarySerializer, **CONFLICT}
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """Let an environment run another version. Running conversations stay on theirs, unless `live` says otherwise."""
        by = principal_of(request)
        given = check_body(request.data, shapes.RollBackSerializer)
        number, where = given["version"], given["environment"]
        version = services.roll_back(by.tenant, flow_id=flow_id, number=number, environment=where, live=given.get("live"), by=by)
        return _version(request, flow_id, version.number)


def _version(request: Request, flow_id: str, number: int, status: int = 200) -> Response:
    version = queries.versions(principal_of(request).tenant, flow_id).get(number=number)
    return Response(shapes.FlowVersionSummarySerializer(version).data, status=status)


class ArchiveView(APIView):
    permissions: ClassVar = {"POST": "flows:write"}

    @extend_schema(
        operation_id="flows_archive",
        request=None,
        parameters=[IF_MATCH_OPTIONAL],
        responses={200: shapes.FlowSerializer, **CONFLICT, **STALE_IF_SENT},
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """No new conversation starts with it; running ones go on. Refused for the default flow and for one that other flows start."""
        by = principal_of(request)
        rev = expected_rev(request, queries.flow(by.tenant, flow_id).rev, required=False)
        services.archive(by.tenant, flow_id=flow_id, expected_rev=rev, by=by)
        return _shown(request, flow_id)


class UnarchiveView(APIView):
    permissions: ClassVar = {"POST": "flows:write"}

    @extend_schema(
        operation_id="flows_unarchive",
        request=None,
        parameters=[IF_MATCH_OPTIONAL],
        responses={200: shapes.FlowSerializer, **STALE_IF_SENT},
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """Take it back: every environment runs again what it ran before."""
        by = principal_of(request)
        rev = expected_rev(request, queries.flow(by.tenant, flow_id).rev, required=False)
        services.unarchive(by.tenant, flow_id=flow_id, expected_rev=rev, by=by)
        return _shown(request, flow_id)


class VersionFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    sha256 = django_filters.CharFilter()
    environment = django_filters.CharFilter(field_name="pointers__environment__name", help_text="Only the version that runs there")
    published_since = django_filters.IsoDateTimeFilter(field_name="published_at", lookup_expr="gte")


class VersionsView(manners.Rows):
    permissions: ClassVar = {"GET": "flows:read"}
    queryset = FlowVersion.objects.none()
    serializer_class = shapes.FlowVersionSummarySerializer
    filterset_class = VersionFilter
    ordering_fields = ("number", "published_at")

    @extend_schema(operation_id="flow_versions_list")
    def get(self, request: Request, flow_id: str) -> Response:
        """Published versions, newest first."""
        return self.page(queries.versions(principal_of(request).tenant, flow_id))


class VersionView(APIView):
    permissions: ClassVar = {"GET": "flows:read"}

    @extend_schema(operation_id="flow_versions_read", responses=shapes.FlowVersionSerializer)
    def get(self, request: Request, flow_id: str, number: int) -> Response:
        """One version with its definition. The definition never changes; where it runs does."""
        tenant = principal_of(request).tenant
        queries.version(tenant, flow_id, number)
        version = queries.versions(tenant, flow_id).get(number=number)
        summary = shapes.FlowVersionSummarySerializer(version).data
        return Response({**summary, "definition": json.loads(version.definition)}, headers={"ETag": etag_of(version.sha256)})


class DiffView(APIView):
    permissions: ClassVar = {"GET": "flows:read"}

    @extend_schema(
        operation_id="flows_diff",
        parameters=[
            OpenApiParameter("before", OpenApiTypes.INT, required=True, description="Number of a version"),
            OpenApiParameter("after", OpenApiTypes.INT, description="Number of a version; the draft when absent"),
        ],
        responses={200: shapes.DiffSerializer, **REFUSED},
    )
    def get(self, request: Request, flow_id: str) -> Response:
        """What changed between two versions, or between a version and the draft."""
        before, after = manners.number_in_query(request, "before", required=True) or 0, manners.number_in_query(request, "after")
        changes = services.diff(principal_of(request).tenant, flow_id=flow_id, before=before, after=after)
        return Response(shapes.DiffSerializer({"before": before, "after": after, "changes": changes}).data)
