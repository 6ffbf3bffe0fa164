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
    note = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_REASON, help_text="Goes into the audit log")


class RejectionSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_REASON)


class ShadowLineSerializer(serializers.Serializer[Any]):
    compared = serializers.IntegerField(help_text="Messages understood, or places at the top of rankings")
    agreement = serializers.FloatField(allow_null=True, help_text="Share that served and shadow said the same of")
    sure = serializers.FloatField(allow_null=True, help_text="Share that the shadow was sure enough of to be believed")
    served_sure = serializers.FloatField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True, help_text="Mean")
    served_confidence = serializers.FloatField(allow_null=True)
    milliseconds = serializers.FloatField(allow_null=True, help_text="Mean of a run of the shadow in a worker")
    slowest = serializers.FloatField()


class ShadowDaySerializer(ShadowLineSerializer):
    day = serializers.DateField()
    served_number = serializers.IntegerField(help_text="Version that served; 0: the baseline")


class ShadowDifferenceSerializer(serializers.Serializer[Any]):
    served = serializers.CharField()
    shadow = serializers.CharField()
    count = serializers.IntegerField()


class ShadowSerializer(serializers.Serializer[Any]):
    model = serializers.UUIDField()
    number = serializers.IntegerField()
    status = serializers.ChoiceField(ModelVersion.Status.choices)
    total = ShadowLineSerializer()
    days = ShadowDaySerializer(many=True, help_text="The newest first")
    differences = ShadowDifferenceSerializer(many=True, help_text="The most frequent first")
    claim = serializers.CharField()


class ShiftBinSerializer(serializers.Serializer[Any]):
    label: Any = serializers.CharField()  # a name that serializers have, too
    before = serializers.FloatField(help_text="Share 0..1")
    after = serializers.FloatField(help_text="Share 0..1")
    part = serializers.FloatField(help_text="What it adds to the index")


class ShiftSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    index = serializers.FloatField(help_text="Population stability index")
    chance = serializers.FloatField(help_text="What one comparison in a hundred exceeds although nothing has changed")
    reading = serializers.ChoiceField(["stable", "moderate", "drifted"])
    bins = ShiftBinSerializer(many=True)


class DriftPointSerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    count = serializers.IntegerField(help_text="Inputs that were looked at")
    indices = serializers.DictField(child=serializers.FloatField(), help_text="feature -> index against the training")


class DriftSerializer(serializers.Serializer[Any]):
    points = DriftPointSerializer(many=True, help_text="The oldest first")
    shifts = ShiftSerializer(many=True, help_text="The newest reading against the training")
    since_first = ShiftSerializer(many=True, help_text="The newest reading against the first one")


class RegistryEntrySerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    title = serializers.CharField()
    subject = serializers.CharField()
    champion = ModelSerializer(allow_null=True)
    newest = ModelSerializer()
    states = serializers.DictField(child=serializers.IntegerField(), help_text="state -> how many versions")
    ready = ModelSerializer(many=True, help_text="Newer versions whose gates were open when they were last judged")
    worst = ShiftSerializer(allow_null=True, help_text="What has drifted most")


class BesideSerializer(serializers.Serializer[Any]):
    beside = serializers.ListField(child=serializers.UUIDField(), max_length=5)


class ComparedValueSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField(allow_null=True)
    against = serializers.FloatField(allow_null=True, help_text="Minus the champion's")
    verdict = serializers.IntegerField(min_value=-1, max_value=1, help_text="1: better than the champion; -1: worse")
    best = serializers.BooleanField()


class ComparedMeasureSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    title = serializers.CharField()
    better = serializers.IntegerField(min_value=-1, max_value=1, help_text="1: the higher the better; -1: the lower; 0: neither")
    values = ComparedValueSerializer(many=True, help_text="In the order of the versions")


class ComparedGateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    verdicts = serializers.ListField(child=GateSerializer(allow_null=True), help_text="In the order of the versions; null: not asked")


class ModelComparisonSerializer(serializers.Serializer[Any]):
    versions = ModelSerializer(many=True)
    champion = serializers.UUIDField(allow_null=True)
    measures = ComparedMeasureSerializer(many=True)
    gates = ComparedGateSerializer(many=True)


class ExportSerializer(serializers.Serializer[Any]):
    configured = serializers.BooleanField(help_text="Whether MLFLOW_TRACKING_URI is set")
    registered_as = serializers.CharField(required=False)
    version = serializers.CharField(required=False)
    run_id = serializers.CharField(required=False)
    status = serializers.CharField(required=False, help_text="The state that it was told with last")
    exported_at = serializers.DateTimeField(required=False, allow_null=True)
    error = serializers.CharField(required=False)
    url = serializers.CharField(required=False)
