"""Experiments, who takes part in them, what was measured, and what was decided."""

import uuid
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from experiments.errors import DecisionsAreKept
from flows.models import AuthoredJSONField, Environment, Flow, FlowVersion
from mcp_platform.ml.models import ModelVersion
from mcp_platform.tenancy.models import Tenant, TenantModel, TenantQuerySet

KEY = RegexValidator(r"^[a-z][a-z0-9_\-]{0,62}$", "Small letters, digits, _ and -; starts with a letter; at most 63 characters.")
SHARE = (MinValueValidator(0.0), MaxValueValidator(1.0))


class LogModel(TenantModel):
    """Base of the rows that turns write: like conversations' own, they are only reached through their experiment."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)

    class Meta:
        abstract = True


class Namespace(TenantModel):
    """Experiments with ranges apart in one namespace never meet the same unit."""

    key = models.CharField(max_length=63, validators=(KEY,))
    name = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "key"), name="namespace_key_once"),)
        ordering = ("key",)

    def __str__(self) -> str:
        return self.key


class Holdout(TenantModel):
    """Units that are kept out of all experiments that name it, so that what all of them together did can be seen."""

    key = models.CharField(max_length=63, validators=(KEY,))
    name = models.CharField(max_length=200, blank=True)
    share = models.FloatField(validators=SHARE)
    seed = models.CharField(max_length=200)
    active = models.BooleanField(default=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "key"), name="holdout_key_once"),)
        ordering = ("key",)

    def __str__(self) -> str:
        return self.key


class MetricDefinition(TenantModel):
    """What is measured of a conversation: one of `core.metrics.MEASURES`, and what it needs to know."""

    key = models.CharField(max_length=63, validators=(KEY,))
    name = models.CharField(max_length=200)
    measure = models.CharField(max_length=40)
    of = models.CharField(max_length=160, blank=True, help_text="Completion type or state, where the measure asks for one")
    cap = models.FloatField(default=0, help_text="A larger value of one conversation counts as this much; 0: as it is")
    higher_is_better = models.BooleanField(null=True, blank=True, help_text="Empty: as the measure says")
    cuped = models.BooleanField(default=False, help_text="Take out what a user did before (experiments on users only)")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "key"), name="metric_key_once"),)
        ordering = ("key",)
        verbose_name = "metric"

    def __str__(self) -> str:
        return self.name or self.key


class Experiment(TenantModel):
    """A question, who is asked, and how the answer is read. `rev` grows with every change and is its ETag."""

    class Kind(models.TextChoices):
        FLOW = "flow", "Flow"
        INTENT_MODEL = "intent_model", "Intent model"
        RISK_MODEL = "risk_model", "Risk model"

    class State(models.TextChoices):
        DRAFT = "draft"
        VALIDATED = "validated"
        RUNNING = "running"
        PAUSED = "paused"
        STOPPED = "stopped"
        DECIDED = "decided"
        ARCHIVED = "archived"

    class Unit(models.TextChoices):
        USER = "user"
        CONVERSATION = "conversation"
        BUILDING = "building"

    class Allocation(models.TextChoices):
        HASH = "hash", "by hash"
        RANDOM = "random", "by dice, once for each unit"
        WEIGHTED = "weighted", "by hash; weights may change while it runs"
        BANDIT = "bandit", "bandit: weights follow the results"

    class Mode(models.TextChoices):
        SEQUENTIAL = "sequential", "always valid"
        FIXED = "fixed", "at the end only"
        BAYES = "bayes", "chance to win"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=63, validators=(KEY,))
    name = models.CharField(max_length=200)
    hypothesis = models.TextField(blank=True, max_length=2000)
    kind = models.CharField(max_length=14, choices=Kind, default=Kind.FLOW)
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="experiments", null=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    subject = models.CharField(max_length=120, blank=True, help_text="Of models: what they are for, such as a flow id")
    base = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="+", null=True, help_text="The version that variants change")
    base_sha256 = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    unit = models.CharField(max_length=12, choices=Unit, default=Unit.CONVERSATION)
    allocation = models.CharField(max_length=8, choices=Allocation, default=Allocation.HASH)
    seed = models.CharField(max_length=200, help_text="What the hash is salted with; fixed while it runs")
    hash_version = models.PositiveSmallIntegerField(default=2)
    coverage = models.FloatField(default=1.0, validators=SHARE)
    namespace = models.ForeignKey(Namespace, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    namespace_start = models.FloatField(default=0.0, validators=SHARE)
    namespace_end = models.FloatField(default=1.0, validators=SHARE)
    holdout = models.ForeignKey(Holdout, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    targeting = models.JSONField(default=dict, blank=True)
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    bucket_version = models.PositiveIntegerField(default=0)
    phase = models.PositiveIntegerField(default=1)
    stats_mode = models.CharField(max_length=10, choices=Mode, default=Mode.SEQUENTIAL)
    alpha = models.FloatField(default=0.05)
    power = models.FloatField(default=0.8)
    minimum_effect = models.FloatField(default=0.05, help_text="Smallest absolute difference of the primary metric worth knowing of")
    baseline = models.FloatField(null=True, blank=True, help_text="The primary metric as it is now, for the sample size")
    auto_stop = models.BooleanField(default=True, help_text="Stop by itself when a guardrail breaks or units are shared out wrongly")
    ramp = models.JSONField(default=list, blank=True, help_text="Steps: {coverage, min_hours, min_units}")
    ramp_step = models.PositiveSmallIntegerField(default=0)
    stepped_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True, help_text="Of this phase")
    resumed_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    stop_reason = models.CharField(max_length=500, blank=True)
    states = models.JSONField(default=list, editable=False, help_text="Where a variant differs from the base")
    sized = models.JSONField(default=dict, editable=False, help_text="services.sizing.frozen of the start: how many units this phase needs, and why")
    counted_at = models.DateTimeField(null=True)
    count_rev = models.PositiveIntegerField(default=0)
    findings = models.JSONField(default=dict, editable=False, help_text="core.analysis of the last count")
    decision_count = models.PositiveIntegerField(default=0, editable=False)
    decision_digest = models.CharField(max_length=64, blank=True, editable=False, help_text="Of the last one, so that its removal is seen")
    rev = models.PositiveIntegerField(default=1)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "key"), name="experiment_key_once"),)
        indexes = (models.Index(fields=("tenant", "environment"), condition=Q(state="running"), name="experiment_running"),)
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name or self.key

    @property
    def many(self) -> bool:
        """Whether a unit may have more than one conversation."""
        return self.unit == self.Unit.USER


class ExperimentMetric(TenantModel):
    class Role(models.TextChoices):
        PRIMARY = "primary"
        SECONDARY = "secondary"
        GUARDRAIL = "guardrail"

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="metrics")
    metric = models.ForeignKey(MetricDefinition, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=10, choices=Role)
    margin = models.FloatField(default=0, help_text="Of a guardrail: how much worse is still accepted, absolute")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("experiment", "metric"), name="experiment_metric_once"),)
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.role} {self.metric_id}"


class Variant(TenantModel):
    """An arm. `modifications` change the base; `version` is what came of it, frozen when the experiment was validated."""

    class Format(models.TextChoices):
        MERGE = "merge", "merge patch (RFC 7396)"
        JSON_PATCH = "json_patch", "JSON patch (RFC 6902)"

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="variants")
    key = models.CharField(max_length=63, validators=(KEY,))
    name = models.CharField(max_length=200, blank=True)
    is_control = models.BooleanField(default=False)
    percentage = models.FloatField(validators=(MinValueValidator(0.0), MaxValueValidator(100.0)))
    weight = models.FloatField(null=True, editable=False, help_text="Of a bandit: the share that it has now, 0..1")
    patch_format = models.CharField(max_length=10, choices=Format, default=Format.MERGE)
    modifications = AuthoredJSONField(default=dict, blank=True)
    metadata = AuthoredJSONField(default=dict, blank=True)
    version = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="+", null=True)
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+", null=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("experiment", "key"), name="variant_key_once"),
            models.UniqueConstraint(fields=("experiment",), condition=Q(is_control=True), name="variant_one_control"),
        )
        ordering = ("position", "id")

    def __str__(self) -> str:
        return self.name or self.key


class Force(TenantModel):
    """Staff who want to see a variant get it; their conversations are never analysed."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="forces")
    unit_id = models.CharField(max_length=200)
    variant = models.ForeignKey(Variant, on_delete=models.CASCADE, related_name="+")
    by = models.CharField(max_length=200)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("experiment", "unit_id"), name="force_once"),)
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.unit_id}: {self.variant_id}"


class Assignment(LogModel):
    """A unit has an arm for as long as the bucket version lasts, whoever asks first and in which process."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="assignments", db_index=False)  # assignment_once is its index
    unit_type = models.CharField(max_length=12)
    unit_id = models.CharField(max_length=200)
    bucket_version = models.PositiveIntegerField()
    variant = models.ForeignKey(Variant, on_delete=models.CASCADE, related_name="+", db_index=False)
    reason = models.CharField(max_length=10)
    bucket = models.FloatField(null=True)
    before = models.JSONField(default=dict, help_text="CUPED: what the unit did before, by metric")
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("experiment", "unit_type", "unit_id", "bucket_version"), name="assignment_once"),)

    def __str__(self) -> str:
        return f"{self.unit_id}: {self.variant_id}"


class Exposure(LogModel):
    """The first time that a conversation came to where its variant differs; written in the transaction of that turn.

    `counted` is what of this conversation is in the sums, by metric, up to event `seq`.
    """

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="exposures", db_index=False)
    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="exposures", db_index=False)  # exposure_once is its index
    variant = models.ForeignKey(Variant, on_delete=models.CASCADE, related_name="+", db_index=False)
    conversation_id = models.UUIDField(help_text="Of experiments on rankings: the building")
    turn_id = models.UUIDField(null=True, help_text="Empty where no turn met the difference")
    phase = models.PositiveIntegerField()
    state = models.CharField(max_length=63)
    analysed = models.BooleanField(default=True)
    at = models.DateTimeField()
    seq = models.PositiveIntegerField(default=0)
    counted = models.JSONField(default=dict)
    settled = models.BooleanField(default=False, help_text="Nothing more will come of this conversation")
    looked_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(null=True, help_text="When something new was found last")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("assignment", "conversation_id"), name="exposure_once"),)
        indexes = (
            models.Index(fields=("experiment", "phase", "variant", "at"), name="exposure_arm"),
            models.Index(fields=("experiment", "looked_at"), condition=Q(settled=False), name="exposure_open"),
        )

    def __str__(self) -> str:
        return f"{self.conversation_id} in {self.state}"


class MetricSnapshot(TenantModel):
    """Sufficient statistics of a metric in an arm as they were at the end of a day (UTC); today's row grows. `metric` is "" for the exposed units."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", db_index=False)
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="snapshots", db_index=False)  # snapshot_once is its index
    variant = models.ForeignKey(Variant, on_delete=models.CASCADE, related_name="+", db_index=False)
    metric = models.CharField(max_length=230, blank=True)
    phase = models.PositiveIntegerField()
    day = models.DateField()
    sums = models.JSONField(default=dict)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("experiment", "phase", "day", "variant", "metric"), name="snapshot_once"),)

    def __str__(self) -> str:
        return f"{self.day} {self.metric}"


class DecisionQuerySet(TenantQuerySet["Decision"]):
    def update(self, **kwargs: Any) -> int:
        """Raises DecisionsAreKept."""
        raise DecisionsAreKept


class Decision(TenantModel):
    """What was decided, when, by whom and on which numbers. Append-only; `digest` covers the row and the digest before it."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="decisions")
    number = models.PositiveIntegerField()
    phase = models.PositiveIntegerField()
    verdict = models.CharField(max_length=20, help_text="promote, keep, inconclusive, stop, rebase, weights")
    variant = models.CharField(max_length=63, blank=True)
    reason = models.CharField(max_length=2000, blank=True)
    by = models.CharField(max_length=200)
    at = models.DateTimeField()
    numbers = models.JSONField(default=dict)
    previous_digest = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)

    objects: ClassVar[Any] = DecisionQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("experiment", "number"), name="decision_number_once"),)
        ordering = ("experiment_id", "number")

    def __str__(self) -> str:
        return f"{self.number} {self.verdict}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert, once. Raises DecisionsAreKept."""
        if not self._state.adding:
            raise DecisionsAreKept
        super().save(*args, **kwargs)


class Evaluation(TenantModel):
    """What is known of an experiment before anybody takes part: stored conversations played again through its variants, or made-up ones.

    It belongs to the phase, the base and the arms that it was made for; `results` are filled in at the end (docs/experiments/evaluation.md).
    """

    class Kind(models.TextChoices):
        REPLAY = "replay", "Replay"
        SIMULATION = "simulation", "Simulation"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="evaluations", db_index=False)  # evaluation_newest is its index
    kind = models.CharField(max_length=10, choices=Kind)
    phase = models.PositiveIntegerField()
    base_sha256 = models.CharField(max_length=64)
    arms_sha256 = models.CharField(max_length=64, default="", help_text="Of the versions and models that the arms had")
    chosen = models.JSONField(default=dict, help_text="How the conversations were chosen or made")
    operation_id = models.UUIDField(null=True)
    progress = models.JSONField(default=dict, help_text="What a worker that takes it up again must know")
    results = models.JSONField(default=dict)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("experiment", "kind", "-created_at"), name="evaluation_newest"),)
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.created_at:%Y-%m-%d %H:%M}"
