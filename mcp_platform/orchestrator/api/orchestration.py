"""All servers of a tenant together: connect, gather, status, close, what is cached; the configuration as one document."""

from dataclasses import asdict
from typing import Any, ClassVar, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.orchestrator import queries, services
from mcp_platform.orchestrator import serializers as shapes
from mcp_platform.orchestrator.api.manners import AWAY, CONFLICT, body_of
from mcp_platform.rest import MAX_BODY, PayloadTooLarge, SchemaError, StrictJSONParser, check_body
from mcp_platform.tenancy.authenticators import principal_of

YAML: Final = "application/yaml"


class YamlParser(BaseParser):
    media_type = YAML

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        raw = stream.read(MAX_BODY + 1)
        if len(raw) > MAX_BODY:
            raise PayloadTooLarge(limit_bytes=MAX_BODY, size_bytes=len(raw))
        try:
            return services.read_yaml(raw.decode())
        except UnicodeDecodeError as fault:
            raise SchemaError(errors=[{"path": "$", "message": "not UTF-8", "expected": "UTF-8 text"}]) from fault


class YamlRenderer(BaseRenderer):
    media_type = YAML
    format = "yaml"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return services.as_yaml(data).encode()


class StatusView(APIView):
    permissions: ClassVar = {"GET": "servers:read"}

    @extend_schema(operation_id="orchestrator_status", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Servers with their state and last error, and the figures of the cache. Contacts nobody."""
        return Response(services.status(principal_of(request).tenant))


class InitializeView(APIView):
    permissions: ClassVar = {"POST": "servers:use"}

    @extend_schema(operation_id="orchestrator_initialize", request=None, responses={200: OpenApiTypes.OBJECT, **AWAY})
    def post(self, request: Request) -> Response:
        """Connect every enabled server, all at once. With `fail_fast` an error names every server that failed."""
        by = principal_of(request)
        return Response(services.initialize(by.tenant))


class ResourcesView(APIView):
    permissions: ClassVar = {"GET": "servers:use"}

    @extend_schema(
        operation_id="orchestrator_resources",
        parameters=[OpenApiParameter("domain", description="Only from the first server of this domain that answers, by priority")],
        responses={200: OpenApiTypes.OBJECT, **AWAY},
    )
    def get(self, request: Request) -> Response:
        """Resources of every server, or of the one that answers for a domain; `server` says who has answered."""
        by, domain = principal_of(request), request.query_params.get("domain", "")
        if domain:
            return Response(services.resources_for_domain(by.tenant, domain=domain[:100], actor=by.actor))
        return Response(services.gather(by.tenant, actor=by.actor))


class CloseView(APIView):
    permissions: ClassVar = {"POST": "servers:write"}

    @extend_schema(operation_id="orchestrator_close", request=None, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request) -> Response:
        """Close the connections of this process; the next use opens them again."""
        by = principal_of(request)
        services.close(by.tenant)
        return Response(services.status(by.tenant))


class InvalidateView(APIView):
    permissions: ClassVar = {"POST": "servers:write"}

    @extend_schema(operation_id="orchestrator_invalidate", request=shapes.CacheInvalidateSerializer, responses=shapes.UpstreamCountSerializer)
    def post(self, request: Request) -> Response:
        """Forget what is cached, of all servers or of one."""
        by = principal_of(request)
        given = check_body(request.data, shapes.CacheInvalidateSerializer)
        return Response({"count": services.invalidate(by.tenant, server=given.get("server", ""), by=by)})


class SettingsView(APIView):
    permissions: ClassVar = {"GET": "servers:read", "PATCH": "servers:write"}

    @extend_schema(operation_id="orchestrator_settings_read", responses=shapes.OrchestrationSettingsSerializer)
    def get(self, request: Request) -> Response:
        return Response(services.settings_as_dict(queries.settings_of(principal_of(request).tenant)))

    @extend_schema(
        operation_id="orchestrator_settings_change", request=shapes.OrchestrationSettingsSerializer, responses=shapes.OrchestrationSettingsSerializer
    )
    def patch(self, request: Request) -> Response:
        """Change some of the settings."""
        by = principal_of(request)
        return Response(services.settings_as_dict(services.save_settings(by.tenant, fields=body_of(request), by=by)))


class ConfigView(APIView):
    permissions: ClassVar = {"GET": "servers:read", "PUT": "servers:write"}
    parser_classes = [StrictJSONParser, YamlParser]
    renderer_classes = [JSONRenderer, YamlRenderer]

    @extend_schema(
        operation_id="orchestrator_config_export",
        responses={(200, "application/json"): shapes.OrchestrationConfigSerializer, (200, YAML): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> Response:
        """The whole configuration, as JSON or (`Accept: application/yaml`) as YAML. Names of secrets, never their values."""
        return Response(services.export(principal_of(request).tenant))

    @extend_schema(
        operation_id="orchestrator_config_import",
        request={"application/json": shapes.OrchestrationConfigSerializer, YAML: OpenApiTypes.STR},
        parameters=[OpenApiParameter("replace", OpenApiTypes.BOOL, description="true: servers that the document does not name are deleted")],
        responses={(200, "application/json"): shapes.OrchestrationImportedSerializer, **CONFLICT},
    )
    def put(self, request: Request) -> Response:
        """Take a whole configuration, or nothing of it: every fault is listed with its path."""
        by, replace = principal_of(request), request.query_params.get("replace", "false")
        if replace not in ("true", "false"):
            raise SchemaError(errors=[{"path": "?replace", "message": "is no boolean", "expected": "true or false"}])
        done = services.import_document(by.tenant, document=body_of(request), replace=replace == "true", by=by)
        return Response(asdict(done))
