"""What was asked of upstream servers, and the answers that are kept."""

import uuid

from django.db import models

from mcp_platform.orchestrator.models.servers import RemoteServer
from mcp_platform.tenancy.models import TenantModel


class CachedResource(TenantModel):
    """An answer that is kept. `audience` is the actor it may be shown to, empty when everybody of the tenant may see it.

    After `fresh_until` it is used only when the server does not answer, and after `stale_until` not at all.
    """

    server = models.ForeignKey(RemoteServer, on_delete=models.CASCADE, related_name="+")
    audience = models.CharField(max_length=200, blank=True)
    key = models.CharField(max_length=64, help_text="SHA-256 of the method and of what was asked for")
    method = models.CharField(max_length=40)
    subject = models.CharField(max_length=500, blank=True, help_text="The URI; for people")
    value = models.JSONField()
    size = models.PositiveIntegerField(help_text="Bytes of the answer as JSON")
    fetched_at = models.DateTimeField()
    fresh_until = models.DateTimeField()
    stale_until = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "server", "audience", "key"), name="cached_resource_once"),)
        ordering = ("server_id", "method", "subject")
        verbose_name = "cached answer"

    def __str__(self) -> str:
        return f"{self.method} {self.subject}"


class ServerCall(TenantModel):
    """One request to an upstream: append-only. Arguments and answers are not kept, only their sizes and the arguments' digest."""

    class Kind(models.TextChoices):
        TOOL = "tool", "Tool"
        RESOURCE = "resource", "Resource"
        LISTING = "listing", "Listing"

    class Outcome(models.TextChoices):
        OK = "ok", "Done"
        TOOL_ERROR = "tool_error", "The tool says that it failed"
        FAILED = "failed", "The server failed"
        TIMED_OUT = "timed_out", "No answer in time"
        UNREACHABLE = "unreachable", "Not reached"
        REFUSED = "refused", "Refused by us"
        CANCELLED = "cancelled", "The caller gave up"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(help_text="When it began")
    server_id = models.UUIDField(help_text="No foreign key: the record outlives the server")
    server = models.CharField(max_length=32)
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=500, help_text="Of the tool, or the URI")
    via = models.CharField(max_length=80, blank=True, help_text="What led here: the slug of a virtual server, flow:<id>, …")
    actor = models.CharField(max_length=200)
    correlation_id = models.CharField(max_length=80, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=300, blank=True)
    arguments_sha256 = models.CharField(max_length=64, blank=True)
    arguments_bytes = models.PositiveIntegerField(default=0)
    result_bytes = models.PositiveIntegerField(default=0)
    duration_ms = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=1)

    class Meta:
        ordering = ("-at",)
        indexes = (
            models.Index(fields=("tenant", "-at"), name="server_call_latest"),
            models.Index(fields=("tenant", "server_id", "-at"), name="server_call_of_server"),
        )
        verbose_name = "server call"

    def __str__(self) -> str:
        return f"{self.server} {self.name}: {self.outcome}"
