"""The JSON of an operation."""

from typing import Any

from rest_framework import serializers

from mcp_platform.operations.models import Operation


class OperationSerializer(serializers.ModelSerializer[Operation]):
    percent = serializers.IntegerField(read_only=True, allow_null=True, help_text="0..100; null while nobody knows how much there is to do")
    arguments: Any = serializers.DictField(read_only=True)
    result = serializers.DictField(read_only=True, allow_null=True, help_text="What came of it; its members depend on the kind")
    error = serializers.DictField(read_only=True, allow_null=True, help_text="A problem document, when it failed")

    class Meta:
        model = Operation
        fields = (
            "id", "kind", "title", "subject", "status", "phase", "done", "total", "percent", "arguments", "result", "error", "attempts",
            "cancel_asked", "created_by", "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields
