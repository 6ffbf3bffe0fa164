"""Events that leave the platform, where they go, and what became of each on its way."""

import uuid

from django.db import models
from django.db.models import Q

from mcp_platform.outbox.core.retries import ATTEMPTS
from mcp_platform.tenancy.models import Tenant, TenantModel

PURPOSE = "outbox.endpoint"  # of what an endpoint has sealed


class OutboxEvent(TenantModel):
    """What has happened, written in the transaction in which it happened. `id` orders the events of one `key`: whoever writes for a key holds
    a lock of that key until the commit, so a smaller id is always visible first. Between keys it means nothing, and nothing counts on it.

    Written by the hot turn too: its tenant is neither indexed nor checked, for the reason that `conversations.models.LogModel` gives.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(default=uuid.uuid4, editable=False, help_text="The CloudEvents id: what consumers dedupe by")
    key = models.CharField(max_length=120)
    type = models.CharField(max_length=80)
    subject = models.CharField(max_length=200)
    data = models.JSONField(default=dict)
    at = models.DateTimeField()
    fanned_out = models.BooleanField(default=False, help_text="Its deliveries exist")

    class Meta:
        indexes = (
            models.Index(fields=("id",), condition=Q(fanned_out=False), name="outbox_new"),
            models.Index(fields=("at",), name="outbox_age"),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"


class Endpoint(TenantModel):
    """Where events go. `failures` counts failures in a row; `resume_at` is the end of a rest; secrets and header values are sealed."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        REDIS = "redis", "Redis stream"
        KAFKA = "kafka", "Kafka"
        ANALYTICS = "analytics", "Analytics engine"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.WEBHOOK)
    url = models.CharField(max_length=1000, blank=True, help_text="https://…, for webhooks")
    types = models.JSONField(default=list, blank=True, help_text="Types of events, such as turn.finished or conversation.*; empty: all")
    enabled = models.BooleanField(default=True)
    timeout_ms = models.PositiveIntegerField(default=10_000)
    max_attempts = models.PositiveSmallIntegerField(default=ATTEMPTS)
    stream_length = models.PositiveIntegerField(default=100_000, help_text="About how many events a Redis stream keeps")
    header_names = models.JSONField(default=list, blank=True)
    sealed_headers = models.TextField(blank=True)
    sealed_secret = models.TextField(blank=True)
    sealed_previous = models.TextField(blank=True, help_text="Signs too until previous_until")
    previous_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    resume_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=200, blank=True)
    last_success_at = models.DateTimeField(null=True)
    rev = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("tenant", "name"), name="endpoint_name_once"),
            models.UniqueConstraint(fields=("tenant",), condition=Q(kind="analytics"), name="endpoint_analytics_once"),
        )
        ordering = ("name", "id")
        verbose_name = "event endpoint"

    def __str__(self) -> str:
        return self.name

    @property
    def is_managed(self) -> bool:
        return self.kind == self.Kind.ANALYTICS


class Delivery(TenantModel):
    """One event on its way to one endpoint, and the log of its attempts. While it is open, later events of its key wait behind it.

    `due_at`: when to try (pending), or when its sender counts as lost (sending). `attempts` is the claim: who finishes must know it.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        DELIVERED = "delivered"
        DEAD = "dead"

    OPEN = (Status.PENDING.value, Status.SENDING.value)

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.ForeignKey(OutboxEvent, on_delete=models.CASCADE, related_name="deliveries")
    key = models.CharField(max_length=120)
    type = models.CharField(max_length=80)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    redeliveries = models.PositiveSmallIntegerField(default=0)
    last_status = models.PositiveSmallIntegerField(default=0, help_text="HTTP status of the last attempt; 0: none came")
    last_error = models.CharField(max_length=300, blank=True)
    tries = models.JSONField(default=list, help_text="[{at, ms, status, error, request, answer}], newest last, at most 20")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("endpoint", "event"), name="delivery_once"),)
        indexes = (
            models.Index(fields=("endpoint", "due_at"), condition=Q(status__in=("pending", "sending")), name="delivery_due"),
            models.Index(fields=("endpoint", "key", "event"), condition=Q(status__in=("pending", "sending")), name="delivery_line"),
            models.Index(fields=("endpoint", "finished_at"), condition=Q(status="dead"), name="delivery_dead"),
            models.Index(fields=("tenant", "-created_at"), name="delivery_recent"),
            models.Index(fields=("finished_at",), name="delivery_age"),
        )
        ordering = ("-created_at", "-event_id")
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return self.type
