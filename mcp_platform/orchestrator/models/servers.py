"""MCP servers that a tenant uses, and the tools that they offer."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from mcp_platform.orchestrator.core.definition import SLUG, SLUG_RULE
from mcp_platform.tenancy.models import TenantModel, User


class RemoteServer(TenantModel):
    """One upstream. `slug` is its key in YAML and the first part of its tools' names; `rev` grows with every change of the definition.

    The last group of fields is what was last seen of it, written by whoever has contacted it; the rest is what people have decided.
    """

    class Transport(models.TextChoices):
        STREAMABLE_HTTP = "streamable-http", "Streamable HTTP"
        SSE = "sse", "SSE (protocol of 2024)"
        STDIO = "stdio", "Program on this machine (stdio)"

    class Trust(models.TextChoices):
        FIRST = "first", "What it offers at the first contact is approved; whatever changes later waits"
        REVIEW = "review", "Every tool waits for approval"

    class State(models.TextChoices):
        UNKNOWN = "unknown", "Not contacted yet"
        CONNECTED = "connected", "Connected"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=32, validators=(RegexValidator(rf"^{SLUG.pattern}\Z", SLUG_RULE),))
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    transport = models.CharField(max_length=20, choices=Transport, default=Transport.STREAMABLE_HTTP)
    url = models.CharField(max_length=500, help_text="http(s)://…, or stdio:<name of a program that the operator has allowed>")
    priority = models.PositiveSmallIntegerField(
        default=100, validators=(MinValueValidator(1), MaxValueValidator(999)), help_text="1 to 999; lower is asked first"
    )
    domains = models.JSONField(default=list, blank=True, help_text='What it knows about, such as ["products", "metadata"]')
    capabilities = models.JSONField(default=list, blank=True, help_text='What it is used for, such as ["list_resources"]')
    timeout = models.PositiveSmallIntegerField(
        default=30, validators=(MinValueValidator(1), MaxValueValidator(300)), help_text="Seconds, for connecting and for each request"
    )
    authentication = models.JSONField(default=dict, blank=True, help_text="How we show who we are; names of secrets, never their values")
    allowed_tools = models.JSONField(default=list, blank=True, help_text='Patterns such as ["get_*"]; empty allows all')
    denied_tools = models.JSONField(default=list, blank=True, help_text="Patterns; what is denied stays denied when it is also allowed")
    trust = models.CharField(max_length=10, choices=Trust, default=Trust.FIRST)
    enabled = models.BooleanField(default=True)
    rev = models.PositiveIntegerField(default=1, editable=False)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    state = models.CharField(max_length=10, choices=State, default=State.UNKNOWN, editable=False)
    last_error = models.CharField(max_length=500, blank=True, editable=False)
    last_error_at = models.DateTimeField(null=True, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    connected_at = models.DateTimeField(null=True, blank=True, editable=False)
    latency_ms = models.PositiveIntegerField(null=True, blank=True, editable=False, help_text="Of the last listing of its tools")
    protocol_version = models.CharField(max_length=20, blank=True, editable=False)
    server_info = models.JSONField(default=dict, blank=True, editable=False, help_text="Name and version, as the server says")
    features = models.JSONField(default=list, blank=True, editable=False, help_text="Parts of the protocol that it speaks")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "slug"), name="remote_server_once"),)
        ordering = ("priority", "slug")
        verbose_name = "MCP server"

    def __str__(self) -> str:
        return self.slug


class OrchestrationSettings(TenantModel):
    """How a tenant's servers are used together. No row: these defaults."""

    class Level(models.TextChoices):
        DEBUG = "DEBUG", "DEBUG"
        INFO = "INFO", "INFO"
        WARNING = "WARNING", "WARNING"
        ERROR = "ERROR", "ERROR"

    resource_cache_ttl = models.PositiveIntegerField(
        default=300, validators=(MaxValueValidator(86_400),), help_text="Seconds, for answers of servers that do not say how long they are good"
    )
    fail_fast = models.BooleanField(
        default=True, help_text="Gathering fails when a server fails, naming every one; otherwise it goes on without them"
    )
    enable_logging = models.BooleanField(default=True, help_text="Log every call, not only those that fail")
    log_level = models.CharField(max_length=10, choices=Level, default=Level.INFO)
    max_retries = models.PositiveSmallIntegerField(
        default=3, validators=(MaxValueValidator(10),), help_text="Of connecting and reading, and of tools that are marked as safe to repeat"
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant",), name="orchestration_settings_once"),)
        verbose_name = "orchestration settings"
        verbose_name_plural = "orchestration settings"

    def __str__(self) -> str:
        return "orchestration settings"


class UpstreamTool(TenantModel):
    """A tool of an upstream as it was approved (`definition`) and as it was last seen (`seen_definition`).

    Only approved ones are called, and only while what the server offers is what was approved. Definitions have the keys of the protocol:
    title, description, inputSchema, outputSchema, annotations.
    """

    class Status(models.TextChoices):
        NEW = "new", "New: waits for approval"
        APPROVED = "approved", "Approved"
        CHANGED = "changed", "Changed since it was approved: waits for approval"
        REJECTED = "rejected", "Rejected"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    server = models.ForeignKey(RemoteServer, on_delete=models.CASCADE, related_name="tools")
    name = models.CharField(max_length=200, help_text="As the server calls it")
    offered_name = models.CharField(max_length=64, blank=True, help_text="As we call it; empty when another tool has that name already")
    status = models.CharField(max_length=10, choices=Status, default=Status.NEW)
    definition = models.JSONField(default=dict, blank=True)
    approved_hash = models.CharField(max_length=64, blank=True)
    approved_by = models.CharField(max_length=200, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    seen_definition = models.JSONField(default=dict, blank=True)
    seen_hash = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    missing_since = models.DateTimeField(null=True, blank=True, help_text="The server no longer lists it since then")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("server", "name"), name="upstream_tool_once"),
            models.UniqueConstraint(fields=("tenant", "offered_name"), condition=~models.Q(offered_name=""), name="upstream_tool_name_once"),
        )
        ordering = ("server_id", "name")
        verbose_name = "upstream tool"

    def __str__(self) -> str:
        return self.offered_name or self.name
