"""Reports over REST: ask for one, follow it, fetch its files, make a link, verify."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.db.models import Q, QuerySet
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
from reports.models import KIND_CHOICES, Report
from reports.pages import hash_of, require_short, sent
from reports.services import handing_out, making, reading, verifying

VERDICTS = [(name, name) for name in ("known", "genuine", "superseded", "expired", "altered")]
ABOUT = ("run", "base", "project", "flow", "since", "until", "version", "environment", "channel", "experiment")
NOT_DONE = {409: OpenApiResponse(ProblemSerializer, description="RUN_NOT_DONE")}


class ReportFileSerializer(serializers.Serializer[Any]):
    format = serializers.CharField()
    media_type = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    signature = serializers.JSONField(help_text="Of a signed PDF: subject, issuer, fingerprint_sha256, signed_at; else {}")
    href = serializers.SerializerMethodField()

    def get_href(self, row: Any) -> str:
        return reverse("report-file", args=(row.report_id, row.format))


class ComplianceReportSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.CharField()
    revision = serializers.IntegerField()
    supersedes = serializers.UUIDField(source="supersedes_id", allow_null=True)
    kind = serializers.ChoiceField(choices=KIND_CHOICES)
    title = serializers.CharField()
    about = serializers.DictField(source="wish", child=serializers.CharField(), help_text="What it was asked about")
    building = serializers.UUIDField(source="building_id", allow_null=True)
    project = serializers.UUIDField(source="project_id", allow_null=True)
    run = serializers.UUIDField(source="run_id", allow_null=True)
    state = serializers.ChoiceField(choices=Report.State.choices)
    problem = serializers.JSONField()
    formats = serializers.ListField(child=serializers.CharField())
    content_sha256 = serializers.CharField(help_text="Of the frozen document; empty until a worker has read the rows")
    as_of = serializers.DateTimeField(allow_null=True, help_text="The moment whose rows it tells; null until a worker has read them")
    verify_url = serializers.SerializerMethodField()
    requested_by = serializers.CharField()
    operation = serializers.UUIDField(source="operation_id", allow_null=True)
    notify = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    files = ReportFileSerializer(many=True)

    def get_verify_url(self, row: Report) -> str:
        return reading.verify_url(row)


class ReportRequestSerializer(serializers.Serializer[Any]):
    """Which of `run` to `channel` are needed depends on the kind; docs/reports.md has the table."""

    kind = serializers.ChoiceField(choices=KIND_CHOICES, default="run")
    run = serializers.UUIDField(required=False, help_text="A validation run that is done; of a comparison, the later one")
    base = serializers.UUIDField(required=False, help_text="Of a comparison, the earlier run of the same building")
    project = serializers.UUIDField(required=False, help_text="Of a project or period")
    flow = serializers.CharField(required=False, max_length=120, help_text="Of conversations: the flow's id")
    since = serializers.DateField(required=False, help_text="First day of a period, or of conversations")
    until = serializers.DateField(required=False, help_text="Last day, included")
    version = serializers.IntegerField(required=False, min_value=1, help_text="Of conversations: only those with this version")
    environment = serializers.CharField(required=False, max_length=63)
    channel = serializers.CharField(required=False, max_length=40)
    experiment = serializers.CharField(required=False, max_length=63, help_text="Its key or its id")
    template = serializers.UUIDField(required=False)
    formats = serializers.ListField(child=serializers.ChoiceField(choices=FORMATS), required=False, max_length=len(FORMATS))
    sections = serializers.ListField(child=serializers.ChoiceField(choices=SECTIONS), required=False, max_length=len(SECTIONS))
    locale = serializers.ChoiceField(choices=["en", "de"], required=False)
    supersedes = serializers.UUIDField(required=False, help_text="The report of which this is the next revision")
    notify = serializers.ListField(child=serializers.EmailField(), required=False, max_length=20, help_text="Who gets a letter when it is ready")
    password = serializers.CharField(required=False, max_length=100, min_length=8, help_text="Encrypts the PDF (AES-256)")


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


class ReportFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    kind = django_filters.ChoiceFilter(choices=KIND_CHOICES)
    state = django_filters.ChoiceFilter(choices=Report.State.choices)
    number = django_filters.CharFilter()
    building = django_filters.UUIDFilter(field_name="building_id")
    project = django_filters.UUIDFilter(method="of_project", label="Reports of the project, and of its buildings")

    def of_project(self, rows: QuerySet[Report], _name: str, value: UUID) -> QuerySet[Report]:
        return rows.filter(Q(project_id=value) | Q(building__project_id=value))


class ReportsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "reports:read", "POST": "reports:write"}
    queryset = Report.objects.none()
    serializer_class = ComplianceReportSerializer
    filterset_class = ReportFilter

    @extend_schema(operation_id="reports")
    def get(self, request: Request) -> Response:
        """Reports of the kinds that you may see, newest first."""
        by = principal_of(request)
        page = self.paginate_queryset(self.filter_queryset(queries.reports(by.tenant).filter(kind__in=reading.readable(by))))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="report_request", request=ReportRequestSerializer, responses={202: ComplianceReportSerializer, **NOT_DONE})
    def post(self, request: Request) -> Response:
        """Ask for a report. A worker freezes what it says, as things are at one moment (`as_of`), and makes its files; `operation` tells how far."""
        by = principal_of(request)
        given = check_body(request.data, ReportRequestSerializer)
        about = {name: given.pop(name) for name in ABOUT if name in given}
        made = making.request(by.tenant, by=by, about=about, template_id=given.pop("template", None), **given)
        return Response(ComplianceReportSerializer(made).data, status=202, headers={"Location": reverse("report", args=(made.pk,))})


class ReportView(APIView):
    permissions: ClassVar = {"GET": "reports:read", "DELETE": "reports:manage"}

    @extend_schema(operation_id="report", responses=ComplianceReportSerializer)
    def get(self, request: Request, report_id: UUID) -> Response:
        by = principal_of(request)
        found = queries.report(by.tenant, report_id)
        reading.require_readable(by, found.kind)
        return Response(ComplianceReportSerializer(found).data)

    @extend_schema(operation_id="report_delete", responses={204: OpenApiResponse(description="Deleted, with its files")})
    def delete(self, request: Request, report_id: UUID) -> Response:
        by = principal_of(request)
        making.delete(by.tenant, report_id=report_id, by=by)
        return Response(status=204)


class AgainView(APIView):
    permissions: ClassVar = {"POST": "reports:write"}

    @extend_schema(operation_id="report_render", request=None, responses={202: ComplianceReportSerializer})
    def post(self, request: Request, report_id: UUID) -> Response:
        """Make the files again from the same frozen document; what failed before it was frozen is frozen now, unless a later revision was before."""
        by = principal_of(request)
        reading.require_readable(by, queries.report(by.tenant, report_id).kind)
        return Response(ComplianceReportSerializer(making.render_again(by.tenant, report_id=report_id, by=by)).data, status=202)


class RevisionView(APIView):
    permissions: ClassVar = {"POST": "reports:write"}

    @extend_schema(operation_id="report_revise", request=None, responses={202: ComplianceReportSerializer, **NOT_DONE})
    def post(self, request: Request, report_id: UUID) -> Response:
        """The next revision: about the same, as it is now; of one check, about the building's last."""
        by = principal_of(request)
        made = making.ask_again(by.tenant, report_id=report_id, by=by)
        return Response(ComplianceReportSerializer(made).data, status=202, headers={"Location": reverse("report", args=(made.pk,))})


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
        """Send `sha256`, or the file itself as `file` (multipart): genuine, altered, superseded or expired."""
        throttling.spend_visitor("verify", throttling.address_of(request._request))
        require_short(request._request)
        upload = request.FILES.get("file")
        digest = hash_of(upload) if upload is not None else check_body(request.data, ReportHashSerializer).get("sha256", "")
        return Response(ReportVerdictSerializer(verifying.verify(token, digest)).data)
