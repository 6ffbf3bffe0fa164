"""IDS over REST: audit a file, check a model against it, take a file into a version of a rule set, get the version's IDS rules as a file."""

from typing import Any, ClassVar
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import SchemaError
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of
from validation.api.manners import CONFLICT
from validation.api.rulebook import version_of
from validation.core.rules import CATEGORIES, Severity
from validation.errors import IdsTooLarge
from validation.services import ids

OVERHEAD = 64 * 1024  # of a multipart body
_FILE = {"type": "string", "format": "binary"}
_TOO_LARGE = {413: OpenApiResponse(ProblemSerializer, description="PAYLOAD_TOO_LARGE")}


def _form(*names: str, **more: Any) -> dict[str, Any]:
    return {"multipart/form-data": {"type": "object", "properties": {**dict.fromkeys(names, _FILE), **more}, "required": list(names)}}


class FaultSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text="/ids/specifications[1]/specification[1]/requirements[1]/property[2]/value[1]")
    line = serializers.IntegerField()
    code = serializers.CharField()
    message = serializers.CharField()
    severity = serializers.ChoiceField(["error", "warning"])


class AuditedSpecificationSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    identifier = serializers.CharField()
    description = serializers.CharField()
    instructions = serializers.CharField()
    versions = serializers.ListField(child=serializers.CharField())
    usage = serializers.ChoiceField(["required", "optional", "prohibited"])
    classes = serializers.ListField(child=serializers.CharField())
    asks = serializers.ListField(child=serializers.CharField(), help_text="The requirements in words")


class AuditSerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(["valid", "invalid"])
    info = serializers.DictField(child=serializers.CharField())
    faults = FaultSerializer(many=True)
    specifications = AuditedSpecificationSerializer(many=True)


class IdsFailureSerializer(serializers.Serializer[Any]):
    global_id = serializers.CharField(help_text="Or #12, the number in the file, of what has none")
    ifc_class = serializers.CharField()
    name = serializers.CharField()
    messages = serializers.ListField(child=serializers.CharField())


class CheckedSpecificationSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    status = serializers.ChoiceField(["pass", "fail"])
    usage = serializers.ChoiceField(["required", "optional", "prohibited"])
    applicable = serializers.IntegerField()
    passed = serializers.IntegerField()
    failed = serializers.IntegerField()
    problem = serializers.CharField()
    note = serializers.CharField()
    failures = IdsFailureSerializer(many=True, help_text="At most 1,000")


class CheckSerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(["pass", "fail", "invalid"])
    problem = serializers.CharField(help_text="Why a file could not be read")
    summary = serializers.DictField(child=serializers.IntegerField())
    faults = FaultSerializer(many=True)
    specifications = CheckedSpecificationSerializer(many=True)


class IdsFileSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    file_name = serializers.CharField()
    sha256 = serializers.CharField()
    title = serializers.CharField()
    specification_count = serializers.IntegerField()
    audit = serializers.JSONField()
    rules = serializers.ListField(child=serializers.CharField())


class AuditView(APIView):
    permissions: ClassVar = {"POST": "rules:read"}
    parser_classes = (MultiPartParser,)

    @extend_schema(operation_id="validation_ids_audit", request=_form("ids"), responses={200: AuditSerializer, **_TOO_LARGE})
    def post(self, request: Request) -> Response:
        """Whether an IDS file keeps to IDS 1.0 and asks for what its IFC schemas can have; every fault with path and line. Nothing is kept."""
        _expect(request, ids.MAX_FILE)
        return Response(AuditSerializer(ids.audit_upload(principal_of(request).tenant, _file(request, "ids"))).data)


class CheckView(APIView):
    permissions: ClassVar = {"POST": "validation:run"}
    parser_classes = (MultiPartParser,)

    @extend_schema(operation_id="validation_ids_check", request=_form("ids", "ifc"), responses={200: CheckSerializer, **_TOO_LARGE})
    def post(self, request: Request) -> Response:
        """Check a model of at most 64 MB against an IDS file. Nothing is kept; to keep findings, import the file as rules and run a check."""
        _expect(request, ids.MAX_FILE + ids.MAX_MODEL)
        found = ids.check_upload(principal_of(request).tenant, ids=_file(request, "ids"), ifc=_file(request, "ifc"))
        return Response(CheckSerializer(found).data)


class VersionIdsView(APIView):
    permissions: ClassVar = {"GET": "rules:read", "POST": "rules:write"}
    parser_classes = (MultiPartParser,)

    @extend_schema(operation_id="validation_version_ids_export", responses={(200, "application/xml"): OpenApiTypes.BINARY})
    def get(self, request: Request, rule_set_id: UUID, version_id: UUID) -> HttpResponse:
        """The rules of kind ids as one IDS file."""
        tenant = principal_of(request).tenant
        version_of(tenant, rule_set_id, version_id)
        name, content = ids.export_version(tenant, version=version_id)
        return HttpResponse(content, content_type="application/xml", headers={"Content-Disposition": f'attachment; filename="{name}"'})

    @extend_schema(
        operation_id="validation_version_ids_import",
        request=_form(
            "file",
            severity={"type": "string", "enum": [one.value for one in Severity]},
            category={"type": "string", "enum": list(CATEGORIES)},
        ),
        responses={201: IdsFileSerializer, **CONFLICT, **_TOO_LARGE},
    )
    def post(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """Take an IDS file into an open version: each specification becomes a rule. A file of the same name replaces the earlier one."""
        by = principal_of(request)
        version_of(by.tenant, rule_set_id, version_id)
        _expect(request, ids.MAX_FILE)
        file = _file(request, "file")
        if (file.size or 0) > ids.MAX_FILE:
            raise IdsTooLarge(limit_bytes=ids.MAX_FILE, size_bytes=file.size)
        form: Any = request.data
        chosen = {name: str(form[name]) for name in ("severity", "category") if form.get(name)}
        made = ids.import_file(by.tenant, version=version_id, name=file.name or "", content=file.read(), by=by, **chosen)
        keys = list(made.rules.order_by("position", "key").values_list("key", flat=True))
        shown = {name: getattr(made, name) for name in ("id", "file_name", "sha256", "title", "specification_count", "audit")}
        return Response(IdsFileSerializer({**shown, "rules": keys}).data, status=201)


def _file(request: Request, name: str) -> "UploadedFile[bytes]":
    found = request.FILES.get(name)
    if not isinstance(found, UploadedFile):
        raise SchemaError(errors=[{"path": f"$.{name}", "code": "missing", "message": "is missing", "expected": "a file of a multipart form"}])
    return found


def _expect(request: Request, most: int) -> None:
    """Before the body is read. Raises IdsTooLarge."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > most + OVERHEAD:
        raise IdsTooLarge(limit_bytes=most, size_bytes=int(length))
