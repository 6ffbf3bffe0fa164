"""Certificates that PDFs are signed with, and how long reports are kept, over REST."""

from typing import Any, ClassVar
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import SchemaError, check_body
from mcp_platform.tenancy.authenticators import principal_of
from reports import queries
from reports.api import rows
from reports.models import ReportPolicy, SigningCertificate
from reports.services import keeping, signing


class CertificateSerializer(serializers.ModelSerializer[SigningCertificate]):
    class Meta:
        model = SigningCertificate
        fields = ("id", "name", "subject", "issuer", "serial", "fingerprint_sha256", "valid_from", "valid_until", "is_active", "created_at")
        read_only_fields = fields


class CertificateUploadSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200)
    file = serializers.FileField(help_text="PKCS #12 (.p12, .pfx), at most 64 KB")
    passphrase = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=500)
    activate = serializers.BooleanField(default=True, help_text="Sign with it from now on")


class CertificateUseSerializer(serializers.Serializer[Any]):
    is_active = serializers.BooleanField()


class ReportPolicySerializer(serializers.ModelSerializer[ReportPolicy]):
    class Meta:
        model = ReportPolicy
        fields = ("keep_days", "keep_superseded_days", "attach_files", "link_days", "rev")
        read_only_fields = ("rev",)


class CertificatesView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "reports:read", "POST": "reports:manage"}
    parser_classes = (MultiPartParser,)
    queryset = SigningCertificate.objects.none()
    serializer_class = CertificateSerializer

    @extend_schema(operation_id="report_certificates_list")
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(queries.certificates(principal_of(request).tenant))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="report_certificates_create",
        request={"multipart/form-data": CertificateUploadSerializer},
        responses={201: CertificateSerializer},
    )
    def post(self, request: Request) -> Response:
        """Key and certificate as one PKCS #12 file. They are sealed; nobody can read them back."""
        by = principal_of(request)
        given = check_body(request.data, CertificateUploadSerializer)
        if given["file"].size > signing.LARGEST:
            raise SchemaError(errors=[{"path": "$.file", "message": f"has {given['file'].size} bytes", "expected": f"at most {signing.LARGEST}"}])
        content, passphrase = given["file"].read(), given.get("passphrase", "")
        row = signing.add(by.tenant, name=given["name"], pkcs12=content, passphrase=passphrase, activate=given["activate"], by=by)
        return Response(CertificateSerializer(row).data, status=201, headers={"Location": reverse("report-certificate", args=(row.pk,))})


class CertificateView(APIView):
    permissions: ClassVar = {"GET": "reports:read", "PATCH": "reports:manage", "DELETE": "reports:manage"}
    parser_classes = (JSONParser,)

    @extend_schema(operation_id="report_certificates_read", responses=CertificateSerializer)
    def get(self, request: Request, certificate_id: UUID) -> Response:
        return Response(CertificateSerializer(queries.certificate(principal_of(request).tenant, certificate_id)).data)

    @extend_schema(operation_id="report_certificates_change", request=CertificateUseSerializer, responses=CertificateSerializer)
    def patch(self, request: Request, certificate_id: UUID) -> Response:
        """Sign with this one, or not any more."""
        by = principal_of(request)
        given = check_body(request.data, CertificateUseSerializer)
        return Response(CertificateSerializer(signing.use(by.tenant, pk=certificate_id, active=given["is_active"], by=by)).data)

    @extend_schema(operation_id="report_certificates_delete", responses={204: OpenApiResponse(description="Deleted")})
    def delete(self, request: Request, certificate_id: UUID) -> Response:
        by = principal_of(request)
        signing.delete(by.tenant, pk=certificate_id, by=by)
        return Response(status=204)


class PolicyView(APIView):
    permissions: ClassVar = {"GET": "reports:read", "PATCH": "reports:manage"}

    @extend_schema(operation_id="report_policy", responses=ReportPolicySerializer)
    def get(self, request: Request) -> Response:
        """How long reports are kept, and what letters carry."""
        row = queries.policy(principal_of(request).tenant)
        return rows.tagged(ReportPolicySerializer(row).data, row.rev)

    @extend_schema(
        operation_id="report_policy_change",
        parameters=[rows.IF_MATCH],
        request=ReportPolicySerializer,
        responses={200: ReportPolicySerializer, **rows.STALE},
    )
    def patch(self, request: Request) -> Response:
        by = principal_of(request)
        rev = rows.expected_rev(request, queries.policy(by.tenant).rev)
        row = keeping.save_policy(by.tenant, fields=rows.fields_of(request, {}), expected_rev=rev, by=by)
        return rows.tagged(ReportPolicySerializer(row).data, row.rev)
