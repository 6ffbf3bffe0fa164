"""Tests of a flow: write, run, import, export."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.http import JsonResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from flows import queries, services
from flows import serializers as shapes
from flows.api import manners
from flows.api.manners import CONFLICT, GONE, IF_MATCH, REFUSED, STALE, body_of, expected_rev, tagged
from flows.core import verdicts
from flows.models import FlowTest
from flows.services.testing import Ran, Report
from mcp_platform.rest import BooleanFilter, check_body
from mcp_platform.tenancy.authenticators import principal_of

EXAMPLE = OpenApiExample(
    "A greeting",
    value={"name": "Greets by name", "script": "bot: What is your name?\nuser: Ada\nbot: Hello Ada!\nexpect slots.name = Ada"},
    request_only=True,
)


class TestFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter(lookup_expr="icontains")
    enabled = BooleanFilter()
    passed = BooleanFilter(help_text="In the last run")
    locale = django_filters.CharFilter()


class TestsView(manners.Rows):
    permissions: ClassVar = {"GET": "flows:read", "POST": "flows:write"}
    queryset = FlowTest.objects.none()
    serializer_class = shapes.FlowTestSerializer
    filterset_class = TestFilter
    ordering_fields = ("name", "updated_at", "ran_at")

    @extend_schema(operation_id="flow_tests_list")
    def get(self, request: Request, flow_id: str) -> Response:
        """The tests of the flow with their last results, by name."""
        return self.page(queries.tests(principal_of(request).tenant, flow_id).defer("result"))

    @extend_schema(
        operation_id="flow_tests_create",
        request=shapes.FlowTestWriteSerializer,
        responses={201: shapes.FlowTestDetailSerializer, **CONFLICT},
        examples=[EXAMPLE],
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """Write a test. `script` is JSON, or a transcript as text (docs/testing_flows.md)."""
        by = principal_of(request)
        row = services.save_test(by.tenant, flow_id=flow_id, fields=body_of(request), by=by)
        return _shown(row, 201)


def _shown(row: FlowTest, status: int = 200) -> Response:
    headers = {"Location": f"/api/v1/flows/{row.flow.flow_id}/tests/{row.pk}"} if status == 201 else None
    return tagged(shapes.FlowTestDetailSerializer(row).data, row.rev, status, headers)


class TestView(APIView):
    permissions: ClassVar = {"GET": "flows:read", "PATCH": "flows:write", "DELETE": "flows:write"}

    @extend_schema(operation_id="flow_tests_read", responses=shapes.FlowTestDetailSerializer)
    def get(self, request: Request, flow_id: str, test_id: UUID) -> Response:
        """One test: its script as JSON and as a transcript, and what came of its last run."""
        return _shown(queries.test(principal_of(request).tenant, flow_id, test_id))

    @extend_schema(
        operation_id="flow_tests_change",
        request=shapes.FlowTestWriteSerializer(partial=True),
        parameters=[IF_MATCH],
        responses={200: shapes.FlowTestDetailSerializer, **CONFLICT, **STALE},
    )
    def patch(self, request: Request, flow_id: str, test_id: UUID) -> Response:
        """Change some fields of a test."""
        by = principal_of(request)
        rev = expected_rev(request, queries.test(by.tenant, flow_id, test_id).rev)
        return _shown(services.save_test(by.tenant, flow_id=flow_id, test_id=test_id, fields=body_of(request), expected_rev=rev, by=by))

    @extend_schema(operation_id="flow_tests_delete", parameters=[IF_MATCH], responses={204: GONE, **STALE})
    def delete(self, request: Request, flow_id: str, test_id: UUID) -> Response:
        by = principal_of(request)
        rev = expected_rev(request, queries.test(by.tenant, flow_id, test_id).rev)
        services.delete_test(by.tenant, flow_id=flow_id, test_id=test_id, expected_rev=rev, by=by)
        return Response(status=204)


class RunTestsView(APIView):
    permissions: ClassVar = {"POST": "flows:write"}

    @extend_schema(
        operation_id="flow_tests_run",
        request=shapes.RunTestsSerializer,
        responses={200: shapes.TestReportSerializer, **REFUSED},
        examples=[OpenApiExample("All on the draft", value={}, request_only=True)],
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """Run tests on the draft, or on a version. A failing test is no error of the request: look at `failed`."""
        by = principal_of(request)
        given = check_body(request.data or {}, shapes.RunTestsSerializer)
        report = services.run_tests(by.tenant, flow_id=flow_id, number=given.get("version"), test_ids=given.get("tests"))
        return Response(report_of(report))


def report_of(report: Report) -> dict[str, Any]:
    return {
        "ran_on": report.on,
        "total": len(report.ran),
        "failed": len(report.failed),
        "unvisited_states": list(report.unvisited),
        "results": [_result(one) for one in report.ran],
    }


def _result(one: Ran) -> dict[str, Any]:
    return {"test_id": str(one.test.pk), "name": one.test.name, "enabled": one.test.enabled, **verdicts.to_json(one.verdict)}


class TryScriptView(APIView):
    permissions: ClassVar = {"POST": "flows:read"}

    @extend_schema(operation_id="flow_tests_try", request=shapes.TryScriptSerializer, responses={200: shapes.VerdictSerializer, **REFUSED})
    def post(self, request: Request, flow_id: str) -> Response:
        """Play a script on the draft without saving it."""
        by = principal_of(request)
        body = body_of(request)
        queries.flow(by.tenant, flow_id)
        script = check_body(body, shapes.TryScriptSerializer)["script"]
        return Response(verdicts.to_json(services.try_script(by.tenant, flow_id=flow_id, script=script)))


class TestFileView(APIView):
    permissions: ClassVar = {"GET": "flows:read", "POST": "flows:write"}

    @extend_schema(operation_id="flow_tests_export", responses={200: shapes.TestFileSerializer})
    def get(self, request: Request, flow_id: str) -> JsonResponse:
        """All tests of the flow as one document."""
        found = services.export_tests(principal_of(request).tenant, flow_id=flow_id)
        headers = {"Content-Disposition": f'attachment; filename="{found["flow_id"]}.tests.json"'}
        return JsonResponse(found, headers=headers, json_dumps_params={"indent": 2, "ensure_ascii": False})

    @extend_schema(
        operation_id="flow_tests_import",
        request=shapes.TestFileSerializer,
        parameters=[OpenApiParameter("replace", OpenApiTypes.BOOL, description="Overwrite tests that have the same name")],
        responses={200: shapes.FlowTestSerializer(many=True), **CONFLICT},
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """The tests of a document, all or nothing; every fault is listed with its path."""
        by = principal_of(request)
        replace = request.query_params.get("replace", "").lower() in ("true", "1")
        rows = services.import_tests(by.tenant, flow_id=flow_id, document=body_of(request), replace=replace, by=by)
        return Response(shapes.FlowTestSerializer(rows, many=True).data)
