"""The JSON of secrets. A value is written and never read."""

from typing import Any

from rest_framework import serializers

from mcp_platform.vault.models import NAME_RULE, Secret
from mcp_platform.vault.services import LONGEST_VALUE, users_of


class SecretSerializer(serializers.ModelSerializer[Secret]):
    used_by = serializers.SerializerMethodField(help_text="What refers to it, such as integration:crm")

    class Meta:
        model = Secret
        fields = ("name", "description", "version", "previous_until", "last_used_at", "created_at", "rotated_at", "used_by")
        read_only_fields = fields

    def get_used_by(self, row: Secret) -> list[str]:
        return users_of(row.tenant_id, row.name)


class ValueField(serializers.CharField):
    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=LONGEST_VALUE, trim_whitespace=False, write_only=True, help_text="Never shown again", **more)


class SecretCreateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=63, help_text=NAME_RULE)
    value = ValueField()
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)


class SecretChangeSerializer(serializers.Serializer[Any]):
    description = serializers.CharField(max_length=200, allow_blank=True)


class SecretRotationSerializer(serializers.Serializer[Any]):
    value = ValueField()
    overlap_seconds = serializers.IntegerField(
        min_value=0, max_value=30 * 86_400, required=False, help_text="How long the value before stays good; 86400 when left out"
    )
