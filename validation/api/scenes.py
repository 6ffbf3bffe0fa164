"""The plan of a storey, and what 3D is drawn from."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import SchemaError
from mcp_platform.tenancy.authenticators import principal_of
from validation.api import findings_shapes as shapes
from validation.queries import board, scene
from validation.services import plans


class SceneView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_scene", responses=shapes.SceneSerializer)
    def get(self, request: Request, building_id: UUID) -> Response:
        """Storeys, and the box and storey of every element, with the worst severity of its findings. Lengths m."""
        tenant = principal_of(request).tenant
        return Response(scene.scene(tenant, board.building(tenant, building_id)))


class ViolationsView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}

    @extend_schema(operation_id="validation_violations", responses=shapes.ViolationsSerializer)
    def get(self, request: Request, building_id: UUID) -> Response:
        """Of the scene only what changes with every check: elements with findings and the worst severity of each."""
        tenant = principal_of(request).tenant
        building = board.building(tenant, building_id)
        return Response({"seq": building.head_seq, "findings": scene.violations(tenant, building)})


class SvgRenderer(BaseRenderer):
    """So that `Accept: image/svg+xml` is understood; the view writes the picture itself."""

    media_type = "image/svg+xml"
    format = "svg"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> Any:
        return JSONRenderer().render(data)  # a problem document


class PlanView(APIView):
    permissions: ClassVar = {"GET": "validation:read"}
    renderer_classes = (JSONRenderer, SvgRenderer)

    @extend_schema(
        operation_id="validation_plan",
        parameters=[
            OpenApiParameter("storey", OpenApiTypes.STR, required=True, description="Global id of the storey"),
            OpenApiParameter("finding", OpenApiTypes.UUID, description="Mark this finding alone, with its way out"),
            OpenApiParameter("unknown", OpenApiTypes.BOOL, description="Mark what could not be judged, too"),
        ],
        responses={(200, "image/svg+xml"): OpenApiTypes.STR, 304: OpenApiResponse(description="You have it")},
    )
    def get(self, request: Request, building_id: UUID) -> HttpResponse:
        """The plan of a storey as SVG: elements carry `data-id` (the global id), findings `data-severity`, ways out the class `route`."""
        tenant = principal_of(request).tenant
        unknown = request.query_params.get("unknown", "").lower() in ("true", "1")
        storey, finding = request.query_params.get("storey", ""), _finding(request.query_params.get("finding", ""))
        tag = f'"{plans.etag(tenant, building_id=building_id, storey=storey, finding_id=finding, unknown=unknown)}"'
        headers = {
            "ETag": tag,
            "Cache-Control": "private, max-age=0, must-revalidate",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        }
        if tag in request.headers.get("If-None-Match", ""):
            return HttpResponse(status=304, headers=headers)
        picture = plans.storey_plan(tenant, building_id=building_id, storey=storey, finding_id=finding, unknown=unknown)
        return HttpResponse(picture.svg, content_type="image/svg+xml", headers=headers)


def _finding(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as fault:
        raise SchemaError(errors=[{"path": "?finding", "code": "invalid", "message": "is no id", "expected": "a UUID"}]) from fault
