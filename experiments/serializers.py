"""The shapes of REST bodies."""

from typing import Any

from rest_framework import serializers

from experiments.core.metrics import MEASURES
from experiments.models import KEY, Experiment, ExperimentMetric, Variant

SHARE: Any = {"min_value": 0.0, "max_value": 1.0}
MODEST: Any = {"min_value": -1e12, "max_value": 1e12}


class VariantSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=63, validators=[KEY])
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    is_control = serializers.BooleanField(required=False)
    percentage = serializers.FloatField(min_value=0.0, max_value=100.0)
    patch_format = serializers.ChoiceField(Variant.Format.choices, required=False)
    modifications = serializers.JSONField(required=False)
    metadata = serializers.DictField(required=False)
    model = serializers.UUIDField(required=False, allow_null=True)


class MetricUseSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField(max_length=63)
    role = serializers.ChoiceField(ExperimentMetric.Role.choices)
    margin = serializers.FloatField(required=False, min_value=0.0)


class RampStepSerializer(serializers.Serializer[Any]):
    coverage = serializers.FloatField(**SHARE)
    min_hours = serializers.FloatField(required=False, min_value=0.0)
    min_units = serializers.IntegerField(required=False, min_value=0)


class ExperimentChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, required=False)
    hypothesis = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    flow = serializers.CharField(max_length=63, required=False)
    environment = serializers.CharField(max_length=40, required=False)
    subject = serializers.CharField(max_length=120, required=False)
    unit = serializers.ChoiceField(Experiment.Unit.choices, required=False)
    allocation = serializers.ChoiceField(Experiment.Allocation.choices, required=False)
    seed = serializers.CharField(max_length=200, required=False)
    coverage = serializers.FloatField(required=False, **SHARE)
    namespace = serializers.CharField(max_length=63, required=False, allow_null=True)
    namespace_start = serializers.FloatField(required=False, **SHARE)
    namespace_end = serializers.FloatField(required=False, **SHARE)
    holdout = serializers.CharField(max_length=63, required=False, allow_null=True)
    targeting = serializers.DictField(required=False)
    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    stats_mode = serializers.ChoiceField(Experiment.Mode.choices, required=False)
    alpha = serializers.FloatField(required=False)
    power = serializers.FloatField(required=False)
    minimum_effect = serializers.FloatField(required=False, min_value=0.0001)
    baseline = serializers.FloatField(required=False, allow_null=True, **MODEST)
    auto_stop = serializers.BooleanField(required=False)
    ramp = RampStepSerializer(many=True, required=False)
    variants = VariantSerializer(many=True, required=False)
    metrics = MetricUseSerializer(many=True, required=False)


class ExperimentCreateSerializer(ExperimentChangeSerializer):
    key = serializers.CharField(max_length=63, validators=[KEY])
    name = serializers.CharField(max_length=200)
    kind = serializers.ChoiceField(Experiment.Kind.choices, required=False)
    variants = VariantSerializer(many=True)
    metrics = MetricUseSerializer(many=True, required=False)


class ShownVariantSerializer(serializers.ModelSerializer[Variant]):
    version = serializers.IntegerField(source="version.number", allow_null=True, default=None)

    class Meta:
        model = Variant
        fields = ("key", "name", "is_control", "percentage", "weight", "patch_format", "modifications", "metadata", "version", "model")


class ShownMetricSerializer(serializers.ModelSerializer[ExperimentMetric]):
    metric = serializers.CharField(source="metric.key")

    class Meta:
        model = ExperimentMetric
        fields = ("metric", "role", "margin")


class ExperimentSerializer(serializers.ModelSerializer[Experiment]):
    experiment_id = serializers.UUIDField(source="pk")
    enabled = serializers.SerializerMethodField()
    flow = serializers.CharField(source="flow.flow_id", allow_null=True, default=None)
    environment = serializers.CharField(source="environment.name")
    base_version = serializers.IntegerField(source="base.number", allow_null=True, default=None)
    namespace = serializers.CharField(source="namespace.key", allow_null=True, default=None)
    holdout = serializers.CharField(source="holdout.key", allow_null=True, default=None)
    verdict = serializers.SerializerMethodField()

    class Meta:
        model = Experiment
        fields = (
            "experiment_id", "key", "name", "enabled", "kind", "state", "flow", "environment", "subject", "base_version", "unit", "allocation",
            "coverage", "phase", "namespace", "holdout", "starts_at", "ends_at", "started_at", "stopped_at", "stop_reason", "verdict", "rev",
            "created_by", "created_at", "updated_at",
        )  # fmt: skip

    def get_enabled(self, row: Experiment) -> bool:
        return row.state == Experiment.State.RUNNING

    def get_verdict(self, row: Experiment) -> str:
        return str((row.findings or {}).get("verdict", {}).get("code", ""))


class ExperimentDetailSerializer(ExperimentSerializer):
    variants = ShownVariantSerializer(many=True)
    metrics = ShownMetricSerializer(many=True)

    class Meta(ExperimentSerializer.Meta):
        fields = (  # type: ignore[assignment]  # more of them
            *ExperimentSerializer.Meta.fields, "hypothesis", "base_sha256", "seed", "hash_version", "bucket_version", "namespace_start",
            "namespace_end", "targeting", "stats_mode", "alpha", "power", "minimum_effect", "baseline", "auto_stop", "ramp", "ramp_step", "states",
            "variants", "metrics",
        )  # fmt: skip


class StopReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class RampSerializer(serializers.Serializer[Any]):
    coverage = serializers.FloatField(**SHARE)


class ForceSerializer(serializers.Serializer[Any]):
    unit = serializers.CharField(max_length=200)
    variant = serializers.CharField(max_length=63, allow_null=True)


class DecideSerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(["promote", "keep", "inconclusive"])
    variant = serializers.CharField(max_length=63, required=False)
    reason = serializers.CharField(max_length=2000)
    overwrite_draft = serializers.BooleanField(required=False)


class DecisionSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    phase = serializers.IntegerField()
    verdict = serializers.CharField()
    variant = serializers.CharField()
    reason = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()
    numbers = serializers.DictField()
    previous_digest = serializers.CharField()
    digest = serializers.CharField()


class DecisionsSerializer(serializers.Serializer[Any]):
    intact = serializers.BooleanField()
    decisions = DecisionSerializer(many=True)


class FindingsSerializer(serializers.Serializer[Any]):
    findings = serializers.DictField(help_text="The statistics document: arms, sample ratio, metrics, breaches, verdict")
    trend = serializers.ListField(child=serializers.DictField())
    funnel = serializers.DictField()
    sizing = serializers.DictField(help_text="How many units are needed, with the power curve")
    progress = serializers.DictField(help_text="How far the arms are, and when the planned units will be there")
    funnel_lift = serializers.ListField(
        child=serializers.DictField(),
        help_text="State by state: share of each arm, difference, p value adjusted over all states (Benjamini-Hochberg)",
    )
    exposure = serializers.DictField(help_text="Exposed units of each arm over time, cumulative")
    effect = serializers.DictField(allow_null=True, help_text="The primary metric's difference with its interval, at the end of each day")
    stopping = serializers.DictField(allow_null=True, help_text="What stopping now costs: power, smallest effect that can be found, expected losses")
    ramp = serializers.ListField(child=serializers.DictField(), help_text="Steps of the ramp: done, now, next (with what it waits for), later")


class SizingSerializer(serializers.Serializer[Any]):
    measure = serializers.ChoiceField(sorted(MEASURES), required=False)
    baseline = serializers.FloatField(**MODEST)
    deviation = serializers.FloatField(required=False, min_value=0.0, max_value=1e12)
    effect = serializers.FloatField(min_value=0.0001, max_value=1e12)
    alpha = serializers.FloatField(required=False, min_value=0.0001, max_value=0.4999)
    power = serializers.FloatField(required=False, min_value=0.5, max_value=0.9999)
    arms = serializers.IntegerField(required=False, min_value=2, max_value=20)
    sequential = serializers.BooleanField(required=False)
    coverage = serializers.FloatField(required=False, **SHARE)
    daily = serializers.FloatField(required=False, min_value=0.0, max_value=1e12)


class SizedSerializer(serializers.Serializer[Any]):
    possible = serializers.BooleanField(help_text="False: no number of units finds it")
    units_per_arm = serializers.IntegerField()
    units = serializers.IntegerField()
    units_per_arm_fixed = serializers.IntegerField(help_text="When nobody looks before the end")
    days = serializers.FloatField(allow_null=True)
    daily = serializers.FloatField(allow_null=True)
    baseline = serializers.FloatField()
    deviation = serializers.FloatField(allow_null=True)
    minimum_effect = serializers.FloatField()
    power = serializers.FloatField()
    alpha = serializers.FloatField()
    curve = serializers.ListField(child=serializers.DictField(), help_text="units_per_arm, power, power_fixed")
    basis = serializers.DictField(required=False, allow_null=True, help_text="What was read from stored conversations: mean, deviation, units, daily")


class PlanFaultSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    expected = serializers.CharField(required=False, allow_blank=True)


class VariantChangesSerializer(serializers.Serializer[Any]):
    variant = serializers.CharField()
    refused = serializers.CharField(allow_blank=True, help_text="Why nothing can be said")
    changes = serializers.ListField(child=serializers.DictField(), help_text="path, kind, before, after")


class ReviewSerializer(serializers.Serializer[Any]):
    faults = PlanFaultSerializer(many=True, help_text="What would refuse a validation")
    advice = PlanFaultSerializer(many=True, help_text="What would not, and should be known")
    variants = VariantChangesSerializer(many=True)
    sizing = SizedSerializer()


class MetricSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=63, validators=[KEY])
    name = serializers.CharField(max_length=200)
    measure = serializers.ChoiceField(sorted(MEASURES))
    of = serializers.CharField(max_length=160, required=False, allow_blank=True)
    cap = serializers.FloatField(required=False, min_value=0.0)
    higher_is_better = serializers.BooleanField(required=False, allow_null=True)
    cuped = serializers.BooleanField(required=False)


class NamespaceSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=63, validators=[KEY])
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)


class HoldoutSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=63, validators=[KEY])
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    share = serializers.FloatField(**SHARE)
    seed = serializers.CharField(max_length=200, required=False)
    active = serializers.BooleanField(required=False)


class FeaturesSerializer(serializers.Serializer[Any]):
    status = serializers.IntegerField()
    features = serializers.DictField()
    experiments = serializers.ListField(child=serializers.DictField())
    dateUpdated = serializers.CharField(allow_null=True)  # noqa: N815  the SDKs' own name
