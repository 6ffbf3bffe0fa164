"""Sums over conversations, how far each conversation is counted, and who counts."""

from django.db import models

from conversations.models import Conversation, LogModel
from flows.models import Environment, Flow, FlowVersion
from mcp_platform.tenancy.models import Tenant, TenantModel


class Tally(TenantModel):
    """One number: of a version in an environment, on a day (UTC), in a channel. `measure` and `name` are `core.measures.Measure`."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", db_index=False)  # tally_once is its index
    version = models.ForeignKey(FlowVersion, on_delete=models.CASCADE, related_name="+")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    channel = models.CharField(max_length=40)
    measure = models.CharField(max_length=20)
    name = models.CharField(max_length=160, blank=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "version", "day", "environment", "channel", "measure", "name"), name="tally_once"),)

    def __str__(self) -> str:
        return f"{self.day} {self.measure} {self.name}: {self.value}"


class Mark(LogModel):
    """Up to which event a conversation is counted, and what must be known of the events before (`core.counting.Carry`)."""

    conversation = models.OneToOneField(Conversation, on_delete=models.CASCADE, primary_key=True, related_name="analytics_mark")
    seq = models.PositiveIntegerField()
    carry = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.conversation_id} to {self.seq}"


class Head(models.Model):
    """One for each tenant. `rev` lets one counter write at a time; `looked_until`: conversations that were touched before are counted, if no
    clock is more than ten minutes off, and every hour nobody asks the clocks."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="+")
    rev = models.PositiveIntegerField(default=0)
    looked_until = models.DateTimeField(null=True)
    counted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.rev}"


class FlowAnalytics(Flow):
    """A flow, for the admin's pages of numbers."""

    class Meta:
        proxy = True
        verbose_name = "flow analytics"
        verbose_name_plural = "analytics"
