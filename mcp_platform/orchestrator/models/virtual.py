"""Virtual servers: chosen tools of connected servers, offered behind our own endpoint."""

import uuid

from django.core.validators import RegexValidator
from django.db import models

from mcp_platform.orchestrator.core.offering import NAME, NAME_RULE
from mcp_platform.tenancy.models import TenantModel

SLUG_PATTERN = r"[a-z][a-z0-9-]{0,62}"
SLUG_RULE = "a small letter, then small letters, digits and -; at most 63 characters"


class VirtualServer(TenantModel):
    """Its tools are at /mcp/v/<slug>; with `at_main` also at /mcp, beside the platform's own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=63, validators=(RegexValidator(rf"^{SLUG_PATTERN}\Z", SLUG_RULE),))
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, max_length=2000, help_text="Clients get it as instructions: what these tools are good for")
    enabled = models.BooleanField(default=True)
    at_main = models.BooleanField("also at /mcp", default=False)
    rev = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "slug"), name="virtual_server_slug_once"),)
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name


class VirtualTool(TenantModel):
    """One chosen tool. `name` and `description` replace what the upstream says where they are not empty."""

    virtual = models.ForeignKey(VirtualServer, on_delete=models.CASCADE, related_name="tools")
    tool = models.ForeignKey("orchestrator.UpstreamTool", on_delete=models.CASCADE, related_name="offered_as")
    name = models.CharField(max_length=64, blank=True, validators=(RegexValidator(rf"^({NAME.pattern})?\Z", NAME_RULE),))
    description = models.TextField(blank=True, max_length=2000)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("virtual", "tool"), name="virtual_tool_once"),)
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name or str(self.tool)
