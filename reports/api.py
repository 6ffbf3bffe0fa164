"""Reports over REST: ask for one, follow it, fetch its files, make a link, verify."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import FileResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy import throttling
from mcp_platform.tenancy.authenticators import principal_of
from reports import queries
from reports.core.sections import FORMATS, SECTIONS
from reports.models import Report
from reports.pages import hash_of, require_short, sent
from reports.services import handing_out, making, verifying

VERDICTS = [(name, name) for name in ("known", "genuine", "superseded", "altered")]
NOT_DONE = {409: OpenApiResponse(ProblemSerializer, description="RUN_NOT_DONE")}


class ReportFileSerializer(serializers.Serializer[Any]):
    format = serializers.CharField()
    media_type = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    href = serializers.SerializerMethodField()

    def get_href(self, row: Any) -> str:
        return reverse("report-file", args=(row.report_id, row.format))


class ComplianceReportSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.CharField()
    revision = serializers.IntegerField()
    supersedes = serializers.UUIDField(source="supersedes_id", allow_null=True)
    title = serializers.CharField()
    building = serializers.UUIDField(source="building_id")
    run = serializers.UUIDField(source="run_id", allow_null=True)
    state = serializers.ChoiceField(choices=Report.State.choices)
    problem = serializers.JSONField()
    formats = serializers.ListField(child=serializers.CharField())
    content_sha256 = serializers.CharField()
    verify_url = serializers.SerializerMethodField()
    requested_by = serializers.CharField()
    operation = serializers.UUIDField(source="operation_id", allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    files = ReportFileSerializer(many=True)

    def get_verify_url(self, row: Report) -> str:
        return making.verify_url(row)


class ReportRequestSerializer(serializers.Serializer[Any]):
    run = serializers.UUIDField(help_text="A validation run that is done")
    template = serializers.UUIDField(required=False)
    formats = serializers.ListField(child=serializers.ChoiceField(choices=FORMATS), required=False, max_length=len(FORMATS))
    sections = serializers.ListField(child=serializers.ChoiceField(choices=SECTIONS), required=False, max_length=len(SECTIONS))
    locale = serializers.ChoiceField(choices=["en", "de"], required=False)
    supersedes = serializers.UUIDField(required=False, help_text="The report of which this is the next revision")


class ReportLinkRequestSerializer(serializers.Serializer[Any]):
    seconds = serializers.IntegerField(min_value=60, max_value=handing_out.LONGEST_SECONDS, default=3600)


class ReportLinkSerializer(serializers.Serializer[Any]):
    href = serializers.CharField()
    expires = serializers.IntegerField(help_text="Unix time")


class ReportVerdictSerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=VERDICTS)
    number = serializers.CharField()
    revision = serializers.IntegerField()
    made_at = serializers.CharField()
    later_revision = serializers.IntegerField(allow_null=True)


class ReportHashSerializer(serializers.Serializer[Any]):
    sha256 = serializers.RegexField(r"^[0-9a-fA-F]{64}$", required=False)


class ReportsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "reports:read", "POST": "reports:write"}
    queryset = Report.objects.none()
    serializer_class = ComplianceReportSerializer

    @extend_schema(operation_id="reports")
    def get(self, request: Request) -> Response:
        """Reports, newest first."""
        page = self.paginate_queryset(queries.reports(principal_of(request).tenant))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="report_request", request=ReportRequestSerializer, responses={202: ComplianceReportSerializer, **NOT_DONE})
    def post(self, request: Request) -> Response:
        """Ask for a report of a run. What it says is frozen now; a worker makes the files: `operation` tells how far it is."""
        by = principal_of(request)
        given = check_body(request.data, ReportRequestSerializer)
        renamed = {"run": "run_id", "template": "template_id"}
        made = making.request(by.tenant, by=by, **{renamed.get(name, name): value for name, value in given.items()})
        return Response(ComplianceReportSerializer(made).data, status=202, headers={"Location": reverse("report", args=(made.pk,))})


class ReportView(APIView):
    permissions: ClassVar = {"GET": "reports:read", "DELETE": "reports:write"}

    @extend_schema(operation_id="report", responses=ComplianceReportSerializer)
    def get(self, request: Request, report_id: UUID) -> Response:
        return Response(ComplianceReportSerializer(queries.report(principal_of(request).tenant, report_id)).data)

    @extend_schema(operation_id="report_delete", responses={204: OpenApiResponse(description="Deleted, with its files")})
    def delete(self, request: Request, report_id: UUID) -> Response:
        by = principal_of(request)
        making.delete(by.tenant, report_id=report_id, by=by)
        return Response(status=204)


class AgainView(APIView):
    permissions: ClassVar = {"POST": "reports:write"}

    @extend_schema(operation_id="report_render", request=None, responses={202: ComplianceReportSerializer})
    def post(self, request: Request, report_id: UUID) -> Response:
        """Make the files again from the same frozen document."""
        by = principal_of(request)
        return Response(ComplianceReportSerializer(making.render_again(by.tenant, report_id=report_id, by=by)).data, status=202)


class FileView(APIView):
    permissions: ClassVar = {"GET": "reports:read"}

    @extend_schema(operation_id="report_file", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, report_id: UUID, name: str) -> FileResponse:
        by = principal_of(request)
        return sent(handing_out.download(by.tenant, report_id=report_id, name=name, by=by))


class LinkView(APIView):
    permissions: ClassVar = {"POST": "reports:write"}

    @extend_schema(operation_id="report_link", request=ReportLinkRequestSerializer, responses={201: ReportLinkSerializer})
    def post(self, request: Request, report_id: UUID, name: str) -> Response:
        """A link that opens this file for a while, for somebody without an account."""
        by = principal_of(request)
        given = check_body(request.data, ReportLinkRequestSerializer)
        sealed, expires = handing_out.link(by.tenant, report_id=report_id, name=name, seconds=given["seconds"], by=by)
        return Response({"href": reverse("report-link", args=(sealed,)), "expires": expires}, status=201)


class VerifyView(APIView):
    """For anybody: no account is asked, and nothing is told that does not stand on the cover."""

    authentication_classes = ()
    permission_classes = ()
    parser_classes = (JSONParser, MultiPartParser)

    @extend_schema(operation_id="report_verify", auth=[], request=ReportHashSerializer, responses={200: ReportVerdictSerializer})
    def post(self, request: Request, token: str) -> Response:
        """Send `sha256`, or the file itself as `file` (multipart): genuine, altered or superseded."""
        throttling.spend_visitor("verify", throttling.address_of(request._request))
        require_short(request._request)
        upload = request.FILES.get("file")
        digest = hash_of(upload) if upload is not None else check_body(request.data, ReportHashSerializer).get("sha256", "")
        return Response(ReportVerdictSerializer(verifying.verify(token, digest)).data)
