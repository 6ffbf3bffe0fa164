"""Models over REST: revisions and their files, what changed between two, elements with facts and their sources, facts that people state, meshes."""

from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.http import FileResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.operations.models import Operation
from mcp_platform.rest import SchemaError, check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of
from validation.api import revision_shapes as shapes
from validation.errors import ModelTooLarge, RevisionNotFound
from validation.ingest import neutral
from validation.models import Element, ModelRevision
from validation.queries import elements
from validation.queries import revisions as queries
from validation.services import meshes, revisions, spaces, stated

OVERHEAD = 64 * 1024  # of a multipart body
MOST_CHANGES = 2000
_UPLOAD: dict[str, Any] = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
_BINARY = {(200, "application/octet-stream"): OpenApiTypes.BINARY}


class RevisionsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "validation:read", "POST": "validation:write"}
    parser_classes = (MultiPartParser,)
    queryset = ModelRevision.objects.none()
    serializer_class = shapes.RevisionSerializer

    @extend_schema(operation_id="validation_revisions")
    def get(self, request: Request, building_id: UUID) -> Response:
        """Revisions of the building's model, newest first."""
        by = principal_of(request)
        queries.building(by.tenant, building_id)
        page = self.paginate_queryset(queries.revisions(by.tenant, building_id))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="validation_revision_upload",
        request={"multipart/form-data": _UPLOAD},
        responses={
            202: shapes.RevisionSerializer,
            200: OpenApiResponse(shapes.RevisionSerializer, description="It is the newest revision already"),
            413: OpenApiResponse(ProblemSerializer, description="PAYLOAD_TOO_LARGE"),
        },
    )
    def post(self, request: Request, building_id: UUID) -> Response:
        """Upload an .ifc, .ifczip or neutral .json file. It is read and checked by a worker: `operation` tells how far it is."""
        by = principal_of(request)
        queries.building(by.tenant, building_id)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length) > settings.MODEL_MAX_BYTES + OVERHEAD:
            raise ModelTooLarge(limit_bytes=settings.MODEL_MAX_BYTES, size_bytes=int(length))
        file = request.FILES.get("file")
        if file is None:
            raise SchemaError(errors=[{"path": "$.file", "code": "missing", "message": "is missing", "expected": "a file of a multipart form"}])
        made, is_new = revisions.upload(by.tenant, building_id=building_id, name=file.name or "", content=file, by=by)
        shown = shapes.RevisionSerializer(queries.revision(by.tenant, building_id, made.number)).data
        location = f"/api/v1/validation/buildings/{building_id}/revisions/{made.number}"
        return Response(shown, status=202 if is_new else 200, headers={"Location": location})


class RevisionView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_revision", responses=shapes.RevisionSerializer)
    def get(self, request: Request, building_id: UUID, number: int) -> Response:
        """One revision: whether its file is whole, what is in it, what it changed."""
        return Response(shapes.RevisionSerializer(queries.revision(principal_of(request).tenant, building_id, number)).data)


class RevisionFileView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_revision_file", responses=_BINARY)
    def get(self, request: Request, building_id: UUID, number: int) -> FileResponse:
        """The file as it was uploaded."""
        found = queries.revision(principal_of(request).tenant, building_id, number)
        if not found.file:
            raise RevisionNotFound(building=str(building_id), number=number)
        # Never as what it claims to be: a browser must not run what somebody has uploaded.
        return FileResponse(found.file.open("rb"), as_attachment=True, filename=found.file_name, content_type="application/octet-stream")


class RevisionChangesView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(
        operation_id="validation_revision_changes",
        parameters=[OpenApiParameter("against", OpenApiTypes.INT, description="Number of an earlier revision; its parent when absent")],
        responses=shapes.ModelChangesSerializer,
    )
    def get(self, request: Request, building_id: UUID, number: int) -> Response:
        """What differs from an earlier revision, element by element and field by field; at most 2,000 elements."""
        tenant = principal_of(request).tenant
        after = queries.revision(tenant, building_id, number)
        against = _number(request, "against", default=after.parent.number if after.parent else 0)
        before = queries.revision(tenant, building_id, against) if against else None
        held = queries.building(tenant, building_id)
        if after.at_seq is None or (before is not None and (before.at_seq is None or before.at_seq > after.at_seq)):
            raise RevisionNotFound("One of the two is not a model that was read, or they are in the wrong order.", number=number, against=against)
        found = list(queries.changes(tenant, held, (before.at_seq or 0) if before else 0, after.at_seq))
        counts = {kind: sum(one["change"] == kind for one in found) for kind in ("added", "changed", "removed")}
        return Response({"before": against, "after": number, **counts, "changes": found[:MOST_CHANGES], "truncated": len(found) > MOST_CHANGES})


_ELEMENT_FILTERS = [
    OpenApiParameter("ifc_class", OpenApiTypes.STR),
    OpenApiParameter("storey", OpenApiTypes.STR, description="Global id of a storey"),
    OpenApiParameter("space", OpenApiTypes.STR, description="Global id of a space"),
    OpenApiParameter("text", OpenApiTypes.STR, description="In name or tag; or a global id"),
    OpenApiParameter("has", OpenApiTypes.STR, description="A fact that is known"),
    OpenApiParameter("missing", OpenApiTypes.STR, description="A fact that is not known"),
]


class ElementsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "validation:read", "PATCH": "validation:write"}
    queryset = Element.objects.none()
    serializer_class = shapes.ElementSerializer

    @extend_schema(operation_id="validation_elements", parameters=_ELEMENT_FILTERS)
    def get(self, request: Request, building_id: UUID) -> Response:
        """The elements of the model as it is now, with what is known of them and where that comes from."""
        by = principal_of(request)
        held = queries.building(by.tenant, building_id)
        given = {name: request.query_params.get(name, "")[:100] for name in ("ifc_class", "storey", "space", "text", "has", "missing")}
        if any("\x00" in value for value in given.values()):
            raise SchemaError(errors=[{"path": "?", "code": "invalid", "message": "contains a NUL character", "expected": "text without U+0000"}])
        page = self.paginate_queryset(queries.found(by.tenant, held, queries.Filters(**given)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="validation_facts_state_many", request=shapes.StateManySerializer, responses=shapes.StatedSerializer)
    def patch(self, request: Request, building_id: UUID) -> Response:
        """State facts of many elements: of those named, or of all of a class ("every door is 0.91 m clear")."""
        by = principal_of(request)
        body = check_body(request.data, shapes.StateManySerializer)
        held = queries.building(by.tenant, building_id)
        if bool(body.get("elements")) == bool(body.get("ifc_class")):
            raise SchemaError(errors=[{"path": "$", "code": "invalid", "message": "does not say which", "expected": "either elements or ifc_class"}])
        wanted = body.get("elements") or stated.of_class(
            held, body["ifc_class"], storey=body.get("storey", ""), without=list(body["facts"]) if body.get("missing_only") else ()
        )
        seq = stated.state_facts(by.tenant, building_id=building_id, global_ids=wanted, facts=body["facts"], by=by)
        return Response({"seq": seq, "elements": len(set(wanted))})


class ElementView(APIView):
    permissions: ClassVar = {"GET": "validation:read", "PATCH": "validation:write"}

    @extend_schema(operation_id="validation_element", responses=shapes.ElementDetailSerializer)
    def get(self, request: Request, building_id: UUID, global_id: str) -> Response:
        """One element with everything: properties, quantities, shape, facts with their sources."""
        tenant = principal_of(request).tenant
        row = queries.element(tenant, queries.building(tenant, building_id), global_id)
        return Response(shapes.ElementDetailSerializer(row).data, headers={"ETag": f'"{row.content_hash[:32]}"'})

    @extend_schema(operation_id="validation_facts_state", request=shapes.StateFactsSerializer, responses=shapes.ElementDetailSerializer)
    def patch(self, request: Request, building_id: UUID, global_id: str) -> Response:
        """State facts of this element; they win over every source. Its findings change at once."""
        by = principal_of(request)
        body = check_body(request.data, shapes.StateFactsSerializer)
        held = queries.building(by.tenant, building_id)
        queries.element(by.tenant, held, global_id)
        stated.state_facts(by.tenant, building_id=building_id, global_ids=[global_id], facts=body["facts"], by=by)
        return Response(shapes.ElementDetailSerializer(queries.element(by.tenant, held, global_id)).data)


class ModelView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_model_export", responses={(200, "application/json"): OpenApiTypes.OBJECT})
    def get(self, request: Request, building_id: UUID) -> StreamingHttpResponse:
        """The model as it is now, as neutral JSON (format mcp-building/1); it can be uploaded again."""
        tenant = principal_of(request).tenant
        held = queries.building(tenant, building_id)
        lines = queries.document(held, elements.at(tenant, held), neutral.document)
        headers = {"Content-Disposition": f'attachment; filename="building-{held.pk}-{held.head_seq}.json"'}
        return StreamingHttpResponse(lines, content_type="application/json", headers=headers)


class SpaceFunctionsView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_space_functions", responses=shapes.SpaceFunctionSerializer(many=True))
    def get(self, request: Request, building_id: UUID) -> Response:
        """Names of spaces with the function that is mapped or proposed; those that want a decision first."""
        return Response(spaces.names(principal_of(request).tenant, building_id))


class MeshesView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(
        operation_id="validation_meshes",
        responses={
            (200, "model/gltf-binary"): OpenApiTypes.BINARY,
            202: OpenApiResponse(OpenApiTypes.OBJECT, description="They are being made: {operation}"),
            304: OpenApiResponse(description="You have them"),
        },
    )
    def get(self, request: Request, building_id: UUID) -> Any:
        """Triangles of the newest revision as binary glTF: a node for each element, named by its GlobalId. The first time they have to be made."""
        by = principal_of(request)
        found = meshes.of_revision(by.tenant, revision=meshes.newest(by.tenant, building_id), actor=by.actor)
        if isinstance(found, Operation):
            return Response({"operation": str(found.pk), "status": found.status}, status=202, headers={"Retry-After": "2"})
        etag = f'"{meshes.etag(found)}"'
        headers = {"ETag": etag, "Cache-Control": "private, max-age=0, must-revalidate", "X-Revision": str(found.number)}
        if etag in request.headers.get("If-None-Match", ""):
            return Response(status=304, headers=headers)
        return FileResponse(found.meshes.open("rb"), content_type="model/gltf-binary", headers=headers)


class LiveShapesView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_live_shapes", responses=shapes.LiveShapesSerializer)
    def get(self, request: Request, building_id: UUID) -> Response:
        """What has changed live since the newest revision: boxes to draw in place of its triangles, and what to hide."""
        tenant = principal_of(request).tenant
        held = queries.building(tenant, building_id)
        return Response(meshes.since(tenant, held, meshes.newest(tenant, building_id)))


def _number(request: Request, name: str, *, default: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise SchemaError(errors=[{"path": f"?{name}", "code": "invalid", "message": "is no number of a revision", "expected": "a whole number"}])
    return int(text)
