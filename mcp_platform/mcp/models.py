"""What clients of the Model Context Protocol have called: one row for each call of a tool, resource or prompt."""

from django.db import models

from mcp_platform.tenancy.models import TenantModel


class Call(TenantModel):
    """Append-only. Arguments are not kept, they may hold anything; their digest tells whether two calls were the same."""

    class Outcome(models.TextChoices):
        OK = "ok"
        REFUSED = "refused", "refused"  # the tool said no, with a reason
        DENIED = "denied", "denied"  # the caller may not
        FAILED = "failed", "failed"  # the fault is on our side or upstream
        ASKED = "asked", "asked back"  # the call needs an answer of the user first
        CANCELLED = "cancelled", "cancelled"

    at = models.DateTimeField()
    method = models.CharField(max_length=40)
    name = models.CharField(max_length=300, help_text="Of the tool or prompt, or the address of the resource")
    virtual = models.CharField("virtual server", max_length=63, blank=True)
    actor = models.CharField(max_length=200)
    outcome = models.CharField(max_length=12, choices=Outcome)
    error_code = models.CharField(max_length=80, blank=True)
    duration_ms = models.PositiveIntegerField()
    arguments_sha256 = models.CharField(max_length=64, blank=True)
    client = models.CharField(max_length=120, blank=True, help_text="What the client calls itself")
    protocol = models.CharField(max_length=20, blank=True)
    correlation_id = models.CharField(max_length=80)

    class Meta:
        ordering = ("-at", "-id")
        indexes = (
            models.Index(fields=("tenant", "-at"), name="mcp_call_recent"),
            models.Index(fields=("tenant", "name", "-at"), name="mcp_call_of_name"),
            models.Index(fields=("at",), name="mcp_call_age"),
        )

    def __str__(self) -> str:
        return f"{self.method} {self.name}"
