"""The JSON of endpoints, deliveries and types of events."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from mcp_platform.outbox.core.catalogue import EventType
from mcp_platform.outbox.core.envelope import envelope
from mcp_platform.outbox.models import Delivery, Endpoint

MAX_OVERLAP_SECONDS = 30 * 24 * 3600
KINDS = [(kind.value, kind.label) for kind in (Endpoint.Kind.WEBHOOK, Endpoint.Kind.REDIS, Endpoint.Kind.KAFKA)]  # that somebody may make
KEPT = "null keeps the stored value"


class EndpointSerializer(serializers.ModelSerializer[Endpoint]):
    types = serializers.ListField(child=serializers.CharField(), read_only=True)
    headers = serializers.ListField(
        child=serializers.CharField(), source="header_names", read_only=True, help_text="Names only; values are never shown."
    )
    is_managed = serializers.BooleanField(read_only=True, help_text="Follows the configuration of the platform.")
    waiting = serializers.IntegerField(read_only=True, help_text="Open deliveries.")
    dead = serializers.IntegerField(read_only=True, help_text="Deliveries that were given up.")
    waiting_since = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = Endpoint
        fields: tuple[str, ...] = (
            "id", "name", "kind", "url", "types", "enabled", "headers", "timeout_ms", "max_attempts", "stream_length", "is_managed", "failures",
            "failing_since", "resume_at", "disabled_reason", "last_success_at", "previous_until", "waiting", "dead", "waiting_since", "created_at",
            "updated_at",
        )  # fmt: skip
        read_only_fields: tuple[str, ...] = fields


class NewEndpointSerializer(EndpointSerializer):
    """`secret` verifies the signatures. It appears in this answer only; "" for kinds that are not signed."""

    secret = serializers.CharField(read_only=True)

    class Meta(EndpointSerializer.Meta):
        fields = (*EndpointSerializer.Meta.fields, "secret")
        read_only_fields = fields


class EndpointChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, max_length=100)
    url = serializers.CharField(required=False, max_length=1000, allow_blank=True, help_text="https://…; for kind webhook")
    types = serializers.ListField(child=serializers.CharField(), required=False, help_text="Such as turn.finished or conversation.*; empty: all.")
    enabled = serializers.BooleanField(required=False)
    headers = serializers.DictField(child=serializers.CharField(allow_null=True), required=False, help_text=f"Sent with every request; {KEPT}.")
    timeout_ms = serializers.IntegerField(required=False, min_value=100, max_value=30_000)
    max_attempts = serializers.IntegerField(required=False, min_value=1, max_value=20)
    stream_length = serializers.IntegerField(required=False, min_value=100, max_value=10_000_000, help_text="For kind redis.")


class EndpointCreateSerializer(EndpointChangeSerializer):
    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(choices=KINDS, required=False, default="webhook")


class OverlapSerializer(serializers.Serializer[Any]):
    overlap_seconds = serializers.IntegerField(
        required=False, min_value=0, max_value=MAX_OVERLAP_SECONDS, default=24 * 3600, help_text="How long the old secret still signs too."
    )


class RedeliverySerializer(serializers.Serializer[Any]):
    since = serializers.DateTimeField(required=False, allow_null=True, default=None, help_text="Only events of this time and later.")


class CountSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(read_only=True)


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    event_id = serializers.UUIDField(source="event.event_id", read_only=True)
    endpoint_id = serializers.UUIDField(read_only=True)
    subject = serializers.CharField(source="event.subject", read_only=True)

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = (
            "id", "event_id", "endpoint_id", "type", "subject", "key", "status", "due_at", "attempts", "redeliveries", "last_status", "last_error",
            "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields: tuple[str, ...] = fields


class AttemptSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    ms = serializers.IntegerField()
    status = serializers.IntegerField(help_text="HTTP status; 0: no answer came")
    error = serializers.CharField()
    request = serializers.CharField()
    answer = serializers.CharField(help_text="The beginning of the answer")


class DeliveryDetailSerializer(DeliverySerializer):
    """With the event as it is sent, and the log of the attempts."""

    event = serializers.SerializerMethodField()
    tries = AttemptSerializer(many=True, read_only=True)

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "event", "tries")
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": True, "description": "The CloudEvent"})
    def get_event(self, row: Delivery) -> Mapping[str, Any]:
        return event_of(row)


def event_of(row: Delivery) -> dict[str, Any]:
    """The CloudEvent of a delivery."""
    told = row.event
    return envelope(
        event_id=str(told.event_id),
        tenant_id=str(told.tenant_id),
        type=told.type,
        subject=told.subject,
        key=told.key,
        sequence=told.pk,
        at=told.at,
        data=told.data,
    )


class EventTypeSerializer(serializers.Serializer[EventType]):
    name = serializers.CharField()
    says = serializers.CharField()
    key = serializers.CharField(help_text="What orders events of this type among each other.")
    schema = serializers.DictField(help_text="JSON Schema of `data`.")
