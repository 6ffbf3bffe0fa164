"""The JSON of the orchestrator's REST doors. Bodies are checked by the services, which find every fault; their shapes here are for the document."""

from typing import Any

from rest_framework import serializers

from mcp_platform.orchestrator.core import drift
from mcp_platform.orchestrator.models import OrchestrationSettings, RemoteServer, ServerCall, UpstreamTool, VirtualServer, VirtualTool
from mcp_platform.orchestrator.services import offers

DEFINITION = (
    "name",
    "description",
    "transport",
    "url",
    "priority",
    "domains",
    "capabilities",
    "timeout",
    "authentication",
    "allowed_tools",
    "denied_tools",
    "trust",
    "enabled",
)
SEEN = ("state", "last_error", "last_error_at", "checked_at", "connected_at", "latency_ms", "protocol_version", "server_info", "features")
WORDS = serializers.ListField(child=serializers.CharField(), required=False)


class RemoteServerSerializer(serializers.ModelSerializer[RemoteServer]):
    """The definition, then what was last seen of it."""

    tool_count = serializers.IntegerField(help_text="Tools that it lists")
    waiting_count = serializers.IntegerField(help_text="Of these, those that wait for approval")

    class Meta:
        model = RemoteServer
        fields = ("slug", *DEFINITION, "rev", "created_at", "updated_at", *SEEN, "tool_count", "waiting_count")
        read_only_fields = fields


class RemoteServerChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    transport = serializers.ChoiceField(choices=RemoteServer.Transport.choices, required=False)
    url = serializers.CharField(max_length=500, required=False, help_text="http(s)://…, or stdio:<name of a program that the operator has allowed>")
    priority = serializers.IntegerField(min_value=1, max_value=999, required=False, help_text="Lower is asked first")
    domains = WORDS
    capabilities = WORDS
    timeout = serializers.IntegerField(min_value=1, max_value=300, required=False, help_text="Seconds")
    authentication = serializers.DictField(required=False, help_text='{"type": "bearer", "secret": "CRM_TOKEN"}: secrets by name')
    allowed_tools = WORDS
    denied_tools = WORDS
    trust = serializers.ChoiceField(choices=RemoteServer.Trust.choices, required=False)
    enabled = serializers.BooleanField(required=False)


class RemoteServerCreateSerializer(RemoteServerChangeSerializer):
    slug = serializers.CharField(max_length=32)
    url = serializers.CharField(max_length=500)


class UpstreamToolSerializer(serializers.ModelSerializer[UpstreamTool]):
    server = serializers.CharField(source="server.slug")
    callable = serializers.SerializerMethodField(help_text="Approved, still there and let through by the rules of its server")
    changes = serializers.SerializerMethodField(help_text="Where what it offers now differs from what was approved: path, before, after")

    class Meta:
        model = UpstreamTool
        fields = (
            *("id", "server", "name", "offered_name", "status", "callable", "definition", "seen_definition", "approved_hash", "seen_hash", "changes"),
            *("approved_by", "approved_at", "first_seen_at", "last_seen_at", "missing_since"),
        )
        read_only_fields = fields

    def get_callable(self, row: UpstreamTool) -> bool:
        return offers.is_callable(row)

    def get_changes(self, row: UpstreamTool) -> list[dict[str, Any]]:
        return drift.changes(row.definition, row.seen_definition) if row.approved_hash and row.approved_hash != row.seen_hash else []


class UpstreamApprovalSerializer(serializers.Serializer[Any]):
    seen_hash = serializers.CharField(max_length=64, required=False, help_text="What you have looked at; refused with 409 when it has changed since")


class UpstreamArgumentsSerializer(serializers.Serializer[Any]):
    arguments = serializers.DictField(required=False)


class UpstreamAnswerSerializer(serializers.Serializer[Any]):
    server = serializers.CharField()
    tool = serializers.CharField()
    content = serializers.ListField(child=serializers.DictField())
    structured = serializers.JSONField()
    is_error = serializers.BooleanField()
    duration_ms = serializers.IntegerField()


class ConformityCheckSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    outcome = serializers.ChoiceField(choices=[(one, one) for one in ("passed", "warning", "failed", "skipped")])
    said = serializers.CharField(help_text="What was seen, or why it was skipped")


class ConformitySerializer(serializers.Serializer[Any]):
    server = serializers.CharField()
    protocol_version = serializers.CharField()
    checks = ConformityCheckSerializer(many=True)


class UpstreamCountSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()


class CacheInvalidateSerializer(serializers.Serializer[Any]):
    server = serializers.CharField(max_length=32, required=False, help_text="Only what is kept of this one")


class OrchestrationSettingsSerializer(serializers.Serializer[Any]):
    resource_cache_ttl = serializers.IntegerField(required=False, help_text="Seconds")
    fail_fast = serializers.BooleanField(required=False)
    enable_logging = serializers.BooleanField(required=False)
    log_level = serializers.ChoiceField(choices=OrchestrationSettings.Level.choices, required=False)
    max_retries = serializers.IntegerField(required=False)


class OrchestrationConfigSerializer(serializers.Serializer[Any]):
    mcp_servers = serializers.DictField(child=RemoteServerChangeSerializer(), required=False)
    orchestration = OrchestrationSettingsSerializer(required=False)


class OrchestrationImportedSerializer(serializers.Serializer[Any]):
    created = serializers.ListField(child=serializers.CharField())
    changed = serializers.ListField(child=serializers.CharField())
    unchanged = serializers.ListField(child=serializers.CharField())
    deleted = serializers.ListField(child=serializers.CharField())
    settings_changed = serializers.BooleanField()


class ServerCallSerializer(serializers.ModelSerializer[ServerCall]):
    class Meta:
        model = ServerCall
        fields = (
            *("id", "at", "server", "kind", "name", "via", "actor", "correlation_id", "outcome", "error_code", "error"),
            *("arguments_sha256", "arguments_bytes", "result_bytes", "duration_ms", "attempts"),
        )
        read_only_fields = fields


class VirtualToolSerializer(serializers.ModelSerializer[VirtualTool]):
    server = serializers.CharField(source="tool.server.slug")
    tool = serializers.CharField(source="tool.name")
    offered_as = serializers.SerializerMethodField(help_text="The name that clients see")
    callable = serializers.SerializerMethodField()

    class Meta:
        model = VirtualTool
        fields = ("server", "tool", "name", "description", "offered_as", "callable")
        read_only_fields = fields

    def get_offered_as(self, row: VirtualTool) -> str:
        return row.name or row.tool.offered_name

    def get_callable(self, row: VirtualTool) -> bool:
        return offers.is_callable(row.tool)


class VirtualServerSerializer(serializers.ModelSerializer[VirtualServer]):
    tools = VirtualToolSerializer(many=True)
    address = serializers.SerializerMethodField(help_text="Where clients find it")

    class Meta:
        model = VirtualServer
        fields = ("slug", "name", "description", "enabled", "at_main", "address", "tools", "rev", "created_at", "updated_at")
        read_only_fields = fields

    def get_address(self, row: VirtualServer) -> str:
        return offers.address_of(row)


class VirtualChosenSerializer(serializers.Serializer[Any]):
    server = serializers.CharField(max_length=32)
    tool = serializers.CharField(max_length=200, help_text="As the server calls it")
    name = serializers.CharField(max_length=64, required=False, allow_blank=True, help_text="Empty: <server>_<tool>")
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True, help_text="Empty: the server's own")


class VirtualChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, required=False)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    enabled = serializers.BooleanField(required=False)
    at_main = serializers.BooleanField(required=False, help_text="Also offered at /mcp")
    tools = VirtualChosenSerializer(many=True, required=False)


class VirtualCreateSerializer(VirtualChangeSerializer):
    slug = serializers.CharField(max_length=63)


class VirtualPreviewRequestSerializer(serializers.Serializer[Any]):
    tools = VirtualChosenSerializer(many=True)
    at_main = serializers.BooleanField(required=False, default=False)
    slug = serializers.CharField(max_length=63, required=False, default="", help_text="The virtual server that this would change")


class VirtualPreviewSerializer(serializers.Serializer[Any]):
    names = serializers.ListField(child=serializers.DictField(), help_text="name, place (server/tool)")
    clashes = serializers.ListField(child=serializers.DictField(), help_text="name, places, why: reasons why it cannot be saved")
