import django.db.models.deletion
import uuid
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    replaces = [("ml", "0001_initial"), ("ml", "0002_row_level_security")]

    initial = True

    dependencies = [
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="Champion",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("kind", models.CharField(max_length=40)),
                        ("subject", models.CharField(max_length=120)),
                        ("model", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="ml.modelversion")),
                        (
                            "previous",
                            models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="ml.modelversion"),
                        ),
                        ("moved_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("tenant", "kind", "subject"), name="champion_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ModelVersion",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("kind", models.CharField(max_length=40)),
                        ("subject", models.CharField(max_length=120)),
                        ("number", models.PositiveIntegerField()),
                        (
                            "status",
                            models.CharField(
                                choices=[("candidate", "Candidate"), ("champion", "Champion"), ("retired", "Retired"), ("rejected", "Rejected")],
                                default="candidate",
                                max_length=10,
                            ),
                        ),
                        ("sha256", models.CharField(help_text="Of the artifact", max_length=64)),
                        ("signature", models.CharField(help_text="HMAC-SHA256 of the artifact and its identity", max_length=64)),
                        ("size", models.PositiveIntegerField(help_text="Bytes of the artifact")),
                        ("metrics", models.JSONField(default=dict, help_text="Measured on data that the model had not seen")),
                        ("card", models.JSONField(default=dict, help_text="How it was made, and what it is for")),
                        ("data_sha256", models.CharField(help_text="Of the training data", max_length=64)),
                        ("gates", models.JSONField(default=list, help_text="The verdicts when it was last judged")),
                        ("created_by", models.CharField(max_length=200)),
                        ("created_at", models.DateTimeField()),
                        ("promoted_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "verbose_name": "model",
                        "ordering": ("-created_at",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "kind", "subject", "number"), name="model_number_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ModelArtifact",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "model",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="artifact",
                                serialize=False,
                                to="ml.modelversion",
                            ),
                        ),
                        ("content", models.BinaryField()),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
            ],
        ),
        rls.enable("ml_modelversion", "ml_modelartifact", "ml_champion"),
    ]
