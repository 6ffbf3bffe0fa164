"""The JSON of models."""

from typing import Any

from rest_framework import serializers

from mcp_platform.ml.models import ModelVersion
from mcp_platform.ml.services import LONGEST_REASON


class GateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    passed = serializers.BooleanField()
    why = serializers.CharField()


class ModelSerializer(serializers.ModelSerializer[ModelVersion]):
    gates: Any = GateSerializer(many=True, read_only=True)

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = (
            "id", "kind", "subject", "number", "status", "sha256", "size", "data_sha256", "gates", "created_by", "created_at", "promoted_at",
        )  # fmt: skip
        read_only_fields: tuple[str, ...] = fields


class ModelDetailSerializer(ModelSerializer):
    metrics: Any = serializers.DictField(read_only=True, help_text="Measured on data that the model had not seen; members depend on the kind")
    card: Any = serializers.DictField(read_only=True, help_text="How it was made, and what it is for")

    class Meta(ModelSerializer.Meta):
        fields = (*ModelSerializer.Meta.fields, "metrics", "card")
        read_only_fields = fields


class PromotionSerializer(serializers.Serializer[Any]):
    override = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_REASON, help_text="Why it shall serve although gates are closed; audited"
    )


class RejectionSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_REASON)
