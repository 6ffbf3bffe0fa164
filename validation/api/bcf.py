"""BCF over REST: findings of a building as a file, and the file back with comments and states."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import SchemaError
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of
from validation.api.findings import FILTERS, filters_in_query
from validation.errors import BcfTooLarge
from validation.queries import board as queries
from validation.render.bcf import VERSIONS
from validation.services import bcf

OVERHEAD = 64 * 1024  # of a multipart body
_UPLOAD: dict[str, Any] = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}


class ConflictSerializer(serializers.Serializer[Any]):
    finding = serializers.UUIDField()
    topic = serializers.UUIDField()
    field = serializers.CharField()
    theirs = serializers.CharField()
    ours = serializers.CharField()
    why = serializers.CharField()


class UnknownCommentSerializer(serializers.Serializer[Any]):
    guid = serializers.UUIDField()
    author = serializers.CharField()
    at = serializers.CharField(allow_null=True)
    text = serializers.CharField()


class UnknownTopicSerializer(serializers.Serializer[Any]):
    guid = serializers.UUIDField()
    title = serializers.CharField()
    status = serializers.CharField()
    description = serializers.CharField()
    comments = UnknownCommentSerializer(many=True)


class UnreadableSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class BcfImportSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    topics = serializers.IntegerField()
    matched = serializers.IntegerField()
    comments_added = serializers.IntegerField()
    comments_known = serializers.IntegerField()
    changed = serializers.IntegerField()
    conflicts = ConflictSerializer(many=True)
    unknown = UnknownTopicSerializer(many=True)
    problems = UnreadableSerializer(many=True)


class BcfView(APIView):
    permissions: ClassVar = {"GET": "validation:read", "POST": "findings:write"}
    parser_classes = (MultiPartParser,)

    @extend_schema(
        operation_id="validation_bcf_export",
        parameters=[OpenApiParameter("version", OpenApiTypes.STR, enum=VERSIONS, description="2.1 when absent"), *FILTERS],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, building_id: UUID) -> HttpResponse:
        """A BCF file of at most 1,000 findings: the filters of the list; without `outcome` violations only. A later file updates the same topics."""
        by = principal_of(request)
        queries.building(by.tenant, building_id)
        version = request.query_params.get("version", VERSIONS[0])
        name, content = bcf.export(by.tenant, building_id=building_id, version=version, filters=filters_in_query(request, by))
        return HttpResponse(content, content_type="application/octet-stream", headers={"Content-Disposition": f'attachment; filename="{name}"'})

    @extend_schema(
        operation_id="validation_bcf_import",
        request={"multipart/form-data": _UPLOAD},
        responses={200: BcfImportSerializer, 413: OpenApiResponse(ProblemSerializer, description="PAYLOAD_TOO_LARGE")},
    )
    def post(self, request: Request, building_id: UUID) -> Response:
        """Bring comments, states, assignees and days back. The same file twice changes nothing; what is not taken over is listed."""
        by = principal_of(request)
        queries.building(by.tenant, building_id)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length) > bcf.MOST_BYTES + OVERHEAD:
            raise BcfTooLarge(limit_bytes=bcf.MOST_BYTES, size_bytes=int(length))
        file = request.FILES.get("file")
        if file is None:
            raise SchemaError(errors=[{"path": "$.file", "code": "missing", "message": "is missing", "expected": "a file of a multipart form"}])
        if (file.size or 0) > bcf.MOST_BYTES:
            raise BcfTooLarge(limit_bytes=bcf.MOST_BYTES, size_bytes=file.size)
        return Response(BcfImportSerializer(bcf.import_file(by.tenant, building_id=building_id, file=file.file, by=by)).data)
