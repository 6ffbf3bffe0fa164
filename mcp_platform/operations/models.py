"""Work that takes longer than a request: what it is, how far it is, what came of it."""

import uuid

from django.db import models

from mcp_platform.tenancy.models import TenantModel


class Operation(TenantModel):
    """One piece of long-running work. The row is the truth: a job that is lost is found again by its row."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=80, help_text="Which worker function it is, such as conversations.replay")
    title = models.CharField(max_length=200)
    subject = models.CharField(max_length=120, blank=True, help_text="What it is about, such as flow:<id>")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    phase = models.CharField(max_length=200, blank=True)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0, help_text="0: not known yet")
    arguments = models.JSONField(default=dict)
    result = models.JSONField(null=True)
    error = models.JSONField(null=True, help_text="A problem document")
    attempts = models.PositiveSmallIntegerField(default=0)
    cancel_asked = models.BooleanField(default=False)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True, help_text="Older than a minute while it runs: its worker is gone")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=("tenant", "-created_at"), name="operation_newest"),
            models.Index(fields=("heartbeat_at",), condition=models.Q(status__in=("queued", "running")), name="operation_open"),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def percent(self) -> int | None:
        """0..100; None while nobody knows how much there is to do."""
        if self.status == self.Status.SUCCEEDED:
            return 100
        return min(99, self.done * 100 // self.total) if self.total else None


OPEN = (Operation.Status.QUEUED, Operation.Status.RUNNING)
