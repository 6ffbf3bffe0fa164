"""How reports look and what is in them, over REST: branding with its logo, templates."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import SchemaError
from mcp_platform.tenancy.authenticators import principal_of
from reports import queries
from reports.api import rows
from reports.models import Branding, ReportTemplate
from reports.services import looks


class BrandingSerializer(serializers.ModelSerializer[Branding]):
    has_logo = serializers.SerializerMethodField()

    class Meta:
        model = Branding
        fields = ("id", "name", "is_default", "colour", "has_logo", "letterhead", "disclaimer", "locale", "paper", "rev", "created_at", "updated_at")
        read_only_fields = ("id", "rev", "created_at", "updated_at")

    def get_has_logo(self, row: Branding) -> bool:
        return bool(row.logo)


class ReportTemplateSerializer(serializers.ModelSerializer[ReportTemplate]):
    branding = serializers.UUIDField(source="branding_id", allow_null=True, required=False)
    sections = serializers.ListField(child=serializers.CharField(), required=False)
    formats = serializers.ListField(child=serializers.CharField(), required=False)

    class Meta:
        model = ReportTemplate
        fields = ("id", "name", "kind", "sections", "formats", "branding", "rev", "created_at", "updated_at")
        read_only_fields = ("id", "rev", "created_at", "updated_at")


class LogoUploadSerializer(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="PNG or JPEG, at most 512 KB")


@rows.described_rows("report_brandings", BrandingSerializer)
class BrandingsView(rows.Rows):
    queryset = Branding.objects.none()
    serializer_class = BrandingSerializer
    rows, save, one = staticmethod(queries.brandings), staticmethod(looks.save_branding), "report-branding"


@rows.described_row("report_brandings", BrandingSerializer)
class BrandingView(rows.Row):
    serializer = BrandingSerializer
    find, save, remove = staticmethod(queries.branding), staticmethod(looks.save_branding), staticmethod(looks.delete_branding)


class LogoView(APIView):
    permissions: ClassVar = {"PUT": "reports:write", "DELETE": "reports:write"}
    parser_classes = (MultiPartParser,)

    @extend_schema(operation_id="report_brandings_logo", request={"multipart/form-data": LogoUploadSerializer}, responses=BrandingSerializer)
    def put(self, request: Request, branding_id: UUID) -> Response:
        """The picture on the cover, as `file`."""
        queries.branding(principal_of(request).tenant, branding_id)
        upload = request.FILES.get("file")
        if upload is None:
            raise SchemaError(errors=[{"path": "$.file", "message": "is missing", "expected": "a PNG or JPEG picture"}])
        return self._kept(request, branding_id, upload)

    @extend_schema(operation_id="report_brandings_logo_delete", request=None, responses=BrandingSerializer)
    def delete(self, request: Request, branding_id: UUID) -> Response:
        return self._kept(request, branding_id, "")

    def _kept(self, request: Request, pk: UUID, logo: Any) -> Response:
        by = principal_of(request)
        row = looks.save_branding(by.tenant, pk=pk, fields={"logo": logo}, by=by)
        return rows.tagged(BrandingSerializer(row).data, row.rev)


@rows.described_rows("report_templates", ReportTemplateSerializer)
class TemplatesView(rows.Rows):
    queryset = ReportTemplate.objects.none()
    serializer_class = ReportTemplateSerializer
    rows, save, one = staticmethod(queries.templates), staticmethod(looks.save_template), "report-template"
    named: ClassVar = {"branding": queries.branding}


@rows.described_row("report_templates", ReportTemplateSerializer)
class TemplateView(rows.Row):
    serializer = ReportTemplateSerializer
    find, save, remove = staticmethod(queries.template), staticmethod(looks.save_template), staticmethod(looks.delete_template)
    named: ClassVar = {"branding": queries.branding}
