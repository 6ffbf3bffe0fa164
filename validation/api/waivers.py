"""Waivers over REST: ask, change, decide, withdraw, attach documents."""

from typing import ClassVar
from uuid import UUID

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import SchemaError, check_body, etag_of, require_match
from mcp_platform.tenancy.authenticators import principal_of
from validation import errors
from validation.api import findings_shapes as shapes
from validation.api.findings import CONFLICT, IF_MATCH, STALE
from validation.models import Waiver
from validation.queries import board, detail
from validation.queries import waivers as queries
from validation.services import waivers

OVERHEAD = 64 * 1024  # of a multipart body


class WaiversView(APIView):
    permissions: ClassVar = {"GET": "validation:read", "POST": "waivers:request"}

    @extend_schema(
        operation_id="validation_waivers",
        parameters=[OpenApiParameter("state", OpenApiTypes.STR, enum=Waiver.State.values), OpenApiParameter("finding", OpenApiTypes.UUID)],
        responses=shapes.WaiverSerializer(many=True),
    )
    def get(self, request: Request, building_id: UUID) -> Response:
        """Waivers of a building, newest first; at most 500."""
        by = principal_of(request)
        board.building(by.tenant, building_id)
        rows = queries.waivers(by.tenant, building_id).prefetch_related("attachments")
        state, finding = request.query_params.get("state", ""), request.query_params.get("finding", "")
        if state and state not in Waiver.State.values:
            raise _wrong("?state", "is no state of waivers", ", ".join(Waiver.State.values))
        rows = rows.filter(state=state) if state else rows
        rows = rows.filter(finding_id=_uuid("?finding", finding)) if finding else rows
        return Response([detail.waiver(row) for row in rows[:500]])

    @extend_schema(
        operation_id="validation_waiver_request",
        request=shapes.WaiverRequestSerializer,
        responses={201: shapes.WaiverSerializer, **CONFLICT},
    )
    def post(self, request: Request, building_id: UUID) -> Response:
        """Ask for a waiver of a finding, or of a rule in the whole building. Somebody else decides."""
        by = principal_of(request)
        given = check_body(request.data, shapes.WaiverRequestSerializer)
        finding, rule = given.pop("finding", None), given.pop("rule", "")
        if bool(finding) == bool(rule):
            raise _wrong("$", "does not say what it is about", "either finding or rule")
        made = waivers.request(by.tenant, building_id=building_id, finding_id=finding, rule_key=rule, fields=given, by=by)
        location = f"/api/v1/validation/buildings/{building_id}/waivers/{made.pk}"
        return Response(detail.waiver(made), status=201, headers={"Location": location, "ETag": etag_of(made.rev)})


class WaiverView(APIView):
    permissions: ClassVar = {"GET": "validation:read", "PATCH": "waivers:request"}

    @extend_schema(operation_id="validation_waiver", responses=shapes.WaiverSerializer)
    def get(self, request: Request, building_id: UUID, waiver_id: UUID) -> Response:
        found = queries.waiver(principal_of(request).tenant, waiver_id, building_id)
        return _shown(found)

    @extend_schema(
        operation_id="validation_waiver_change",
        request=shapes.WaiverFieldsSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.WaiverSerializer, **CONFLICT, **STALE},
    )
    def patch(self, request: Request, building_id: UUID, waiver_id: UUID) -> Response:
        """Change what was asked for, as long as nobody has decided; by whoever asked."""
        by = principal_of(request)
        rev = queries.waiver(by.tenant, waiver_id, building_id).rev
        require_match(request, etag_of(rev))
        given = check_body(request.data, shapes.WaiverFieldsSerializer)
        expected = None if request.headers["If-Match"].strip() == "*" else rev
        return _shown(waivers.change(by.tenant, waiver_id=waiver_id, fields=given, expected_rev=expected, by=by))


def _shown(found: Waiver) -> Response:
    return Response(detail.waiver(found), headers={"ETag": etag_of(found.rev)})


class ApproveView(APIView):
    permissions: ClassVar = {"POST": "waivers:approve"}

    @extend_schema(
        operation_id="validation_waiver_approve",
        request=shapes.ApproveSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.WaiverSerializer, **CONFLICT, **STALE},
    )
    def post(self, request: Request, building_id: UUID, waiver_id: UUID) -> Response:
        """Agree, as a code official and another person than the one who asked; also to confirm one that has lapsed."""
        by = principal_of(request)
        rev = queries.waiver(by.tenant, waiver_id, building_id).rev
        require_match(request, etag_of(rev))
        given = check_body(request.data or {}, shapes.ApproveSerializer)
        expected = None if request.headers["If-Match"].strip() == "*" else rev
        return _shown(waivers.approve(by.tenant, waiver_id=waiver_id, expected_rev=expected, by=by, **given))


class RejectView(APIView):
    permissions: ClassVar = {"POST": "waivers:approve"}

    @extend_schema(
        operation_id="validation_waiver_reject", request=shapes.FindingNoteTextSerializer, responses={200: shapes.WaiverSerializer, **CONFLICT}
    )
    def post(self, request: Request, building_id: UUID, waiver_id: UUID) -> Response:
        """Refuse, with the reason in `note`."""
        by = principal_of(request)
        queries.waiver(by.tenant, waiver_id, building_id)
        given = check_body(request.data or {}, shapes.FindingNoteTextSerializer)
        return _shown(waivers.reject(by.tenant, waiver_id=waiver_id, note=given.get("note", ""), by=by))


class WithdrawView(APIView):
    permissions: ClassVar = {"POST": "waivers:request"}

    @extend_schema(
        operation_id="validation_waiver_withdraw", request=shapes.FindingNoteTextSerializer, responses={200: shapes.WaiverSerializer, **CONFLICT}
    )
    def post(self, request: Request, building_id: UUID, waiver_id: UUID) -> Response:
        """Take it back: whoever asked, or a code official. Its findings count again."""
        by = principal_of(request)
        queries.waiver(by.tenant, waiver_id, building_id)
        given = check_body(request.data or {}, shapes.FindingNoteTextSerializer)
        return _shown(waivers.withdraw(by.tenant, waiver_id=waiver_id, note=given.get("note", ""), by=by))


class AttachmentsView(APIView):
    permissions: ClassVar = {"POST": "waivers:request"}
    parser_classes = (MultiPartParser,)

    @extend_schema(
        operation_id="validation_waiver_attach",
        request={"multipart/form-data": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}},
        responses={201: shapes.AttachmentSerializer, **CONFLICT},
    )
    def post(self, request: Request, building_id: UUID, waiver_id: UUID) -> Response:
        """Add a document: at most 10 MB, at most 10 of them."""
        by = principal_of(request)
        queries.waiver(by.tenant, waiver_id, building_id)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length) > waivers.MAX_ATTACHMENT + OVERHEAD:
            raise errors.AttachmentTooLarge(limit_bytes=waivers.MAX_ATTACHMENT, size_bytes=int(length))
        file = request.FILES.get("file")
        if file is None:
            raise _wrong("$.file", "is missing", "a file of a multipart form")
        made = waivers.attach(by.tenant, waiver_id=waiver_id, name=file.name or "", content=file, by=by)
        return Response(detail.attachment(made), status=201)


class AttachmentView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_waiver_attachment", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, building_id: UUID, waiver_id: UUID, attachment_id: UUID) -> FileResponse:
        """Download a document."""
        by = principal_of(request)
        queries.waiver(by.tenant, waiver_id, building_id)
        found = waivers.attachment(by.tenant, waiver_id=waiver_id, attachment_id=attachment_id)
        # Never as what it claims to be: a browser must not run what somebody has uploaded.
        return FileResponse(found.file.open("rb"), as_attachment=True, filename=found.name, content_type="application/octet-stream")


def _wrong(path: str, message: str, expected: str) -> SchemaError:
    return SchemaError(errors=[{"path": path, "code": "invalid", "message": message, "expected": expected}])


def _uuid(path: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as fault:
        raise _wrong(path, "is no id", "a UUID") from fault
