"""The whole of it: the document in and out, what is live, versions, and what a text means."""

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.metadata import queries, services
from mcp_platform.metadata import serializers as shapes
from mcp_platform.metadata.api.manners import CONFLICT, IF_MATCH_OPTIONAL, STALE_IF_SENT, DocumentParser, expected_rev, flag, number, tagged
from mcp_platform.metadata.core import document
from mcp_platform.metadata.core.difference import changes
from mcp_platform.metadata.core.vocabulary import resolved
from mcp_platform.metadata.models import MetadataVersion
from mcp_platform.rest import check_body
from mcp_platform.tenancy.authenticators import principal_of
from mcp_platform.tenancy.models import Tenant


def _query(name: str, kind: Any, description: str, enum: tuple[str, ...] | None = None) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=description, enum=enum)


def _shown(tenant: Tenant, row: MetadataVersion | None) -> Any:
    return shapes.MetadataVersionSerializer(row, context={"live": queries.head(tenant).live_id}).data if row is not None else None


class MetadataView(APIView):
    permissions: ClassVar = {"GET": "metadata:read"}

    @extend_schema(operation_id="metadata_state", responses=shapes.MetadataStateSerializer)
    def get(self, request: Request) -> Response:
        """What is live, and what of the draft is not published yet."""
        tenant = principal_of(request).tenant
        head = queries.head(tenant)
        waiting = [shapes.change(one) for one in queries.unpublished(tenant)]
        found = {"live": _shown(tenant, head.live), "live_at": head.live_at, "draft_rev": head.draft_rev, "unpublished": waiting}
        return tagged(found, head.draft_rev)


class DocumentView(APIView):
    permissions: ClassVar = {"GET": "metadata:read", "PUT": "metadata:write"}
    parser_classes = (DocumentParser,)

    @extend_schema(
        operation_id="metadata_export",
        parameters=[
            _query("version", OpenApiTypes.INT, "Number of a version; what is live is the default"),
            _query("draft", OpenApiTypes.BOOL, "The rows as they are"),
        ],
        responses=shapes.ProductMetadataSerializer,
    )
    def get(self, request: Request) -> Response:
        """The document: what is live, a version, or the draft."""
        tenant = principal_of(request).tenant
        found = queries.written(tenant, number(request, "version"), of_draft=flag(request, "draft", False))
        return tagged(found, queries.head(tenant).draft_rev)

    @extend_schema(
        operation_id="metadata_import",
        request=shapes.ProductMetadataSerializer,
        parameters=[
            IF_MATCH_OPTIONAL,
            _query(
                "mode", OpenApiTypes.STR, "replace (the default): the draft becomes the document; merge: it is laid over the draft", services.MODES
            ),
            _query("publish", OpenApiTypes.BOOL, "false: only the draft changes"),
            _query("note", OpenApiTypes.STR, "Of the version"),
        ],
        responses={200: shapes.MetadataImportedSerializer, **STALE_IF_SENT},
    )
    def put(self, request: Request) -> Response:
        """Take a whole document, all or nothing, and make it live."""
        by = principal_of(request)
        done = services.import_document(
            by.tenant,
            document_=request.data,
            mode=request.query_params.get("mode", "replace"),
            go_live=flag(request, "publish", True),
            note=request.query_params.get("note", ""),
            expected_rev=expected_rev(request, queries.head(by.tenant).draft_rev, required=False),
            by=by,
        )
        found = {"changes": [shapes.change(one) for one in done.changes], "version": _shown(by.tenant, done.version), "warnings": done.warnings}
        return tagged(found, queries.head(by.tenant).draft_rev)


class SchemaView(APIView):
    permissions: ClassVar = {"GET": "metadata:read"}

    @extend_schema(operation_id="metadata_schema", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """The JSON Schema (2020-12) of the document."""
        return Response(document.SCHEMA)


class ValidationView(APIView):
    permissions: ClassVar = {"POST": "metadata:read"}
    parser_classes = (DocumentParser,)

    @extend_schema(operation_id="metadata_validate", request=shapes.ProductMetadataSerializer, responses=shapes.MetadataCheckedSerializer)
    def post(self, request: Request) -> Response:
        """What is wrong or doubtful in a document, and what its import would change. Nothing is stored."""
        found, faults = document.read(request.data)
        different = changes(queries.draft(principal_of(request).tenant), found) if found is not None else ()
        return Response({"valid": found is not None, "problems": faults, "changes": [shapes.change(one) for one in different]})


class PublishView(APIView):
    permissions: ClassVar = {"POST": "metadata:write"}

    @extend_schema(
        operation_id="metadata_publish",
        request=shapes.MetadataPublishSerializer,
        parameters=[IF_MATCH_OPTIONAL],
        responses={201: shapes.MetadataVersionSerializer, **CONFLICT, **STALE_IF_SENT},
    )
    def post(self, request: Request) -> Response:
        """Freeze the draft as the next version, and make it live."""
        by = principal_of(request)
        rev = expected_rev(request, queries.head(by.tenant).draft_rev, required=False)
        row = services.publish(by.tenant, **check_body(request.data, shapes.MetadataPublishSerializer), expected_rev=rev, by=by)
        return Response(_shown(by.tenant, row), status=201, headers={"Location": f"/api/v1/product-metadata/versions/{row.number}"})


class VersionsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "metadata:read"}
    queryset = MetadataVersion.objects.none()
    serializer_class = shapes.MetadataVersionSerializer
    ordering_fields = ("number", "created_at")

    def get_serializer_context(self) -> dict[str, Any]:
        tenant = None if getattr(self, "swagger_fake_view", False) else principal_of(self.request).tenant
        return {**super().get_serializer_context(), "live": queries.head(tenant).live_id if tenant is not None else None}

    @extend_schema(operation_id="metadata_versions_list")
    def get(self, request: Request) -> Response:
        """Versions, newest first."""
        page = self.paginate_queryset(self.filter_queryset(queries.versions(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class VersionView(APIView):
    permissions: ClassVar = {"GET": "metadata:read"}

    @extend_schema(operation_id="metadata_versions_read", responses=shapes.MetadataVersionSerializer)
    def get(self, request: Request, version_number: int) -> Response:
        tenant = principal_of(request).tenant
        return Response(_shown(tenant, queries.version(tenant, version_number)))


class VersionDiffView(APIView):
    permissions: ClassVar = {"GET": "metadata:read"}

    @extend_schema(
        operation_id="metadata_versions_diff",
        parameters=[_query("against", OpenApiTypes.INT, "Number of the earlier version; the one before is the default, 0 is the empty beginning")],
        responses=shapes.MetadataChangeSerializer(many=True),
    )
    def get(self, request: Request, version_number: int) -> Response:
        """What is different from an earlier version."""
        tenant = principal_of(request).tenant
        earlier = number(request, "against")
        found = queries.difference(tenant, version_number - 1 if earlier is None else earlier, version_number)
        return Response([shapes.change(one) for one in found])


class RollbackView(APIView):
    permissions: ClassVar = {"POST": "metadata:write"}

    @extend_schema(operation_id="metadata_versions_roll_back", request=None, responses={200: shapes.MetadataVersionSerializer, **CONFLICT})
    def post(self, request: Request, version_number: int) -> Response:
        """Make this version live again. The draft stays as it is."""
        by = principal_of(request)
        return Response(_shown(by.tenant, services.roll_back(by.tenant, number=version_number, by=by)))


class RestoreView(APIView):
    permissions: ClassVar = {"POST": "metadata:write"}

    @extend_schema(operation_id="metadata_versions_restore", request=None, responses=shapes.MetadataStateSerializer)
    def post(self, request: Request, version_number: int) -> Response:
        """Make this version the draft, in place of what is there. Nothing goes live."""
        services.restore(principal_of(request).tenant, number=version_number, by=principal_of(request))
        return MetadataView().get(request)


class ResolutionView(APIView):
    permissions: ClassVar = {"POST": "metadata:read"}

    @extend_schema(operation_id="metadata_resolve", request=shapes.MetadataTextSerializer, responses=shapes.MetadataResolvedSerializer)
    def post(self, request: Request) -> Response:
        """Which products and mapped columns a text names, by what is live."""
        given = check_body(request.data, shapes.MetadataTextSerializer)
        return Response(resolved(queries.live(principal_of(request).tenant), given["text"], given.get("categories", ())))
