import django.core.validators
import django.db.models.deletion
import flows.models
import uuid
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls

TABLES = (
    "namespace",
    "holdout",
    "metricdefinition",
    "experiment",
    "experimentmetric",
    "variant",
    "force",
    "assignment",
    "exposure",
    "metricsnapshot",
)


class Migration(migrations.Migration):
    replaces = [("experiments", "0001_initial"), ("experiments", "0002_row_level_security"), ("experiments", "0003_phases_and_anchors")]

    initial = True

    dependencies = [
        ("flows", "0001_squashed_0010_integration_type_mcp"),
        ("ml", "0001_squashed_0002_row_level_security"),
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="Assignment",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "tenant",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="tenancy.tenant",
                            ),
                        ),
                        (
                            "experiment",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="assignments", to="experiments.experiment"
                            ),
                        ),
                        ("unit_type", models.CharField(max_length=12)),
                        ("unit_id", models.CharField(max_length=200)),
                        ("bucket_version", models.PositiveIntegerField()),
                        (
                            "variant",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="experiments.variant"
                            ),
                        ),
                        ("reason", models.CharField(max_length=10)),
                        ("bucket", models.FloatField(null=True)),
                        ("before", models.JSONField(default=dict, help_text="CUPED: what the unit did before, by metric")),
                        ("at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("experiment", "unit_type", "unit_id", "bucket_version"), name="assignment_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Decision",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "experiment",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="decisions", to="experiments.experiment"),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("phase", models.PositiveIntegerField()),
                        ("verdict", models.CharField(help_text="promote, keep, inconclusive, stop, rebase, weights", max_length=20)),
                        ("variant", models.CharField(blank=True, max_length=63)),
                        ("reason", models.CharField(blank=True, max_length=2000)),
                        ("by", models.CharField(max_length=200)),
                        ("at", models.DateTimeField()),
                        ("numbers", models.JSONField(default=dict)),
                        ("previous_digest", models.CharField(blank=True, max_length=64)),
                        ("digest", models.CharField(max_length=64)),
                    ],
                    options={
                        "ordering": ("experiment_id", "number"),
                        "constraints": [models.UniqueConstraint(fields=("experiment", "number"), name="decision_number_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Experiment",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "key",
                            models.CharField(
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[a-z][a-z0-9_\\-]{0,62}$", "Small letters, digits, _ and -; starts with a letter; at most 63 characters."
                                    )
                                ],
                            ),
                        ),
                        ("name", models.CharField(max_length=200)),
                        ("hypothesis", models.TextField(blank=True, max_length=2000)),
                        (
                            "kind",
                            models.CharField(
                                choices=[("flow", "Flow"), ("intent_model", "Intent model"), ("risk_model", "Risk model")],
                                default="flow",
                                max_length=14,
                            ),
                        ),
                        (
                            "flow",
                            models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="experiments", to="flows.flow"),
                        ),
                        ("environment", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="flows.environment")),
                        ("subject", models.CharField(blank=True, help_text="Of models: what they are for, such as a flow id", max_length=120)),
                        (
                            "base",
                            models.ForeignKey(
                                help_text="The version that variants change",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="flows.flowversion",
                            ),
                        ),
                        ("base_sha256", models.CharField(blank=True, max_length=64)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("draft", "Draft"),
                                    ("validated", "Validated"),
                                    ("running", "Running"),
                                    ("paused", "Paused"),
                                    ("stopped", "Stopped"),
                                    ("decided", "Decided"),
                                    ("archived", "Archived"),
                                ],
                                default="draft",
                                max_length=10,
                            ),
                        ),
                        (
                            "unit",
                            models.CharField(choices=[("user", "User"), ("conversation", "Conversation")], default="conversation", max_length=12),
                        ),
                        (
                            "allocation",
                            models.CharField(
                                choices=[
                                    ("hash", "by hash"),
                                    ("random", "by dice, once for each unit"),
                                    ("weighted", "by hash; weights may change while it runs"),
                                    ("bandit", "bandit: weights follow the results"),
                                ],
                                default="hash",
                                max_length=8,
                            ),
                        ),
                        ("seed", models.CharField(help_text="What the hash is salted with; fixed while it runs", max_length=200)),
                        ("hash_version", models.PositiveSmallIntegerField(default=2)),
                        (
                            "coverage",
                            models.FloatField(
                                default=1.0, validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)]
                            ),
                        ),
                        (
                            "namespace",
                            models.ForeignKey(
                                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="experiments.namespace"
                            ),
                        ),
                        (
                            "namespace_start",
                            models.FloatField(
                                default=0.0, validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)]
                            ),
                        ),
                        (
                            "namespace_end",
                            models.FloatField(
                                default=1.0, validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)]
                            ),
                        ),
                        (
                            "holdout",
                            models.ForeignKey(
                                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="experiments.holdout"
                            ),
                        ),
                        ("targeting", models.JSONField(blank=True, default=dict)),
                        ("starts_at", models.DateTimeField(blank=True, null=True)),
                        ("ends_at", models.DateTimeField(blank=True, null=True)),
                        ("bucket_version", models.PositiveIntegerField(default=0)),
                        ("phase", models.PositiveIntegerField(default=1)),
                        (
                            "stats_mode",
                            models.CharField(
                                choices=[("sequential", "always valid"), ("fixed", "at the end only"), ("bayes", "chance to win")],
                                default="sequential",
                                max_length=10,
                            ),
                        ),
                        ("alpha", models.FloatField(default=0.05)),
                        ("power", models.FloatField(default=0.8)),
                        (
                            "minimum_effect",
                            models.FloatField(default=0.05, help_text="Smallest absolute difference of the primary metric worth knowing of"),
                        ),
                        ("baseline", models.FloatField(blank=True, help_text="The primary metric as it is now, for the sample size", null=True)),
                        (
                            "auto_stop",
                            models.BooleanField(default=True, help_text="Stop by itself when a guardrail breaks or units are shared out wrongly"),
                        ),
                        ("ramp", models.JSONField(blank=True, default=list, help_text="Steps: {coverage, min_hours, min_units}")),
                        ("ramp_step", models.PositiveSmallIntegerField(default=0)),
                        ("stepped_at", models.DateTimeField(null=True)),
                        ("started_at", models.DateTimeField(help_text="Of this phase", null=True)),
                        ("resumed_at", models.DateTimeField(null=True)),
                        ("stopped_at", models.DateTimeField(null=True)),
                        ("stop_reason", models.CharField(blank=True, max_length=500)),
                        ("states", models.JSONField(default=list, editable=False, help_text="Where a variant differs from the base")),
                        ("counted_at", models.DateTimeField(null=True)),
                        ("count_rev", models.PositiveIntegerField(default=0)),
                        ("findings", models.JSONField(default=dict, editable=False, help_text="core.analysis of the last count")),
                        ("decision_count", models.PositiveIntegerField(default=0, editable=False)),
                        (
                            "decision_digest",
                            models.CharField(blank=True, editable=False, help_text="Of the last one, so that its removal is seen", max_length=64),
                        ),
                        ("rev", models.PositiveIntegerField(default=1)),
                        ("created_by", models.CharField(blank=True, max_length=200)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("-created_at",),
                        "indexes": [
                            models.Index(condition=models.Q(("state", "running")), fields=["tenant", "environment"], name="experiment_running")
                        ],
                        "constraints": [models.UniqueConstraint(fields=("tenant", "key"), name="experiment_key_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ExperimentMetric",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "experiment",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="metrics", to="experiments.experiment"),
                        ),
                        (
                            "metric",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="experiments.metricdefinition"),
                        ),
                        (
                            "role",
                            models.CharField(choices=[("primary", "Primary"), ("secondary", "Secondary"), ("guardrail", "Guardrail")], max_length=10),
                        ),
                        ("margin", models.FloatField(default=0, help_text="Of a guardrail: how much worse is still accepted, absolute")),
                    ],
                    options={
                        "ordering": ("id",),
                        "constraints": [models.UniqueConstraint(fields=("experiment", "metric"), name="experiment_metric_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Exposure",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "tenant",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="tenancy.tenant",
                            ),
                        ),
                        (
                            "experiment",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="exposures", to="experiments.experiment"
                            ),
                        ),
                        (
                            "assignment",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="exposures", to="experiments.assignment"
                            ),
                        ),
                        (
                            "variant",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="experiments.variant"
                            ),
                        ),
                        ("conversation_id", models.UUIDField()),
                        ("turn_id", models.UUIDField()),
                        ("phase", models.PositiveIntegerField()),
                        ("state", models.CharField(max_length=63)),
                        ("analysed", models.BooleanField(default=True)),
                        ("at", models.DateTimeField()),
                        ("seq", models.PositiveIntegerField(default=0)),
                        ("counted", models.JSONField(default=dict)),
                        ("settled", models.BooleanField(default=False, help_text="Nothing more will come of this conversation")),
                        ("looked_at", models.DateTimeField(null=True)),
                        ("moved_at", models.DateTimeField(help_text="When something new was found last", null=True)),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["experiment", "phase", "variant", "at"], name="exposure_arm"),
                            models.Index(condition=models.Q(("settled", False)), fields=["experiment", "looked_at"], name="exposure_open"),
                        ],
                        "constraints": [models.UniqueConstraint(fields=("assignment", "conversation_id"), name="exposure_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Force",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "experiment",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="forces", to="experiments.experiment"),
                        ),
                        ("unit_id", models.CharField(max_length=200)),
                        ("variant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="experiments.variant")),
                        ("by", models.CharField(max_length=200)),
                        ("at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("id",),
                        "constraints": [models.UniqueConstraint(fields=("experiment", "unit_id"), name="force_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Holdout",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "key",
                            models.CharField(
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[a-z][a-z0-9_\\-]{0,62}$", "Small letters, digits, _ and -; starts with a letter; at most 63 characters."
                                    )
                                ],
                            ),
                        ),
                        ("name", models.CharField(blank=True, max_length=200)),
                        (
                            "share",
                            models.FloatField(
                                validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)]
                            ),
                        ),
                        ("seed", models.CharField(max_length=200)),
                        ("active", models.BooleanField(default=True)),
                    ],
                    options={
                        "ordering": ("key",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "key"), name="holdout_key_once")],
                    },
                ),
                migrations.CreateModel(
                    name="MetricDefinition",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "key",
                            models.CharField(
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[a-z][a-z0-9_\\-]{0,62}$", "Small letters, digits, _ and -; starts with a letter; at most 63 characters."
                                    )
                                ],
                            ),
                        ),
                        ("name", models.CharField(max_length=200)),
                        ("measure", models.CharField(max_length=40)),
                        ("of", models.CharField(blank=True, help_text="Completion type or state, where the measure asks for one", max_length=160)),
                        ("cap", models.FloatField(default=0, help_text="A larger value of one conversation counts as this much; 0: as it is")),
                        ("higher_is_better", models.BooleanField(blank=True, help_text="Empty: as the measure says", null=True)),
                        ("cuped", models.BooleanField(default=False, help_text="Take out what a user did before (experiments on users only)")),
                    ],
                    options={
                        "verbose_name": "metric",
                        "ordering": ("key",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "key"), name="metric_key_once")],
                    },
                ),
                migrations.CreateModel(
                    name="MetricSnapshot",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "tenant",
                            models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant"),
                        ),
                        (
                            "experiment",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="snapshots", to="experiments.experiment"
                            ),
                        ),
                        (
                            "variant",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="experiments.variant"
                            ),
                        ),
                        ("metric", models.CharField(blank=True, max_length=230)),
                        ("phase", models.PositiveIntegerField()),
                        ("day", models.DateField()),
                        ("sums", models.JSONField(default=dict)),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("experiment", "phase", "day", "variant", "metric"), name="snapshot_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Namespace",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "key",
                            models.CharField(
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[a-z][a-z0-9_\\-]{0,62}$", "Small letters, digits, _ and -; starts with a letter; at most 63 characters."
                                    )
                                ],
                            ),
                        ),
                        ("name", models.CharField(blank=True, max_length=200)),
                    ],
                    options={
                        "ordering": ("key",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "key"), name="namespace_key_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Variant",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "experiment",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="variants", to="experiments.experiment"),
                        ),
                        (
                            "key",
                            models.CharField(
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[a-z][a-z0-9_\\-]{0,62}$", "Small letters, digits, _ and -; starts with a letter; at most 63 characters."
                                    )
                                ],
                            ),
                        ),
                        ("name", models.CharField(blank=True, max_length=200)),
                        ("is_control", models.BooleanField(default=False)),
                        (
                            "percentage",
                            models.FloatField(
                                validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(100.0)]
                            ),
                        ),
                        ("weight", models.FloatField(editable=False, help_text="Of a bandit: the share that it has now, 0..1", null=True)),
                        (
                            "patch_format",
                            models.CharField(
                                choices=[("merge", "merge patch (RFC 7396)"), ("json_patch", "JSON patch (RFC 6902)")], default="merge", max_length=10
                            ),
                        ),
                        ("modifications", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        ("metadata", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        (
                            "version",
                            models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="flows.flowversion"),
                        ),
                        ("model", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="ml.modelversion")),
                        ("position", models.PositiveSmallIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ("position", "id"),
                        "constraints": [
                            models.UniqueConstraint(fields=("experiment", "key"), name="variant_key_once"),
                            models.UniqueConstraint(condition=models.Q(("is_control", True)), fields=("experiment",), name="variant_one_control"),
                        ],
                    },
                ),
            ],
        ),
        rls.enable(*(f"experiments_{table}" for table in TABLES)),
        rls.enable("experiments_decision", append_only=True),
    ]
