import uuid

import django.db.models.deletion
from django.db import migrations, models

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [("experiments", "0004_models"), ("tenancy", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Evaluation",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("replay", "Replay"), ("simulation", "Simulation")], max_length=10)),
                ("phase", models.PositiveIntegerField()),
                ("base_sha256", models.CharField(max_length=64)),
                ("chosen", models.JSONField(default=dict, help_text="How the conversations were chosen or made")),
                ("operation_id", models.UUIDField(null=True)),
                ("progress", models.JSONField(default=dict, help_text="What a worker that takes it up again must know")),
                ("results", models.JSONField(default=dict)),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "experiment",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="evaluations", to="experiments.experiment"
                    ),
                ),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
            ],
            options={"ordering": ("-created_at",)},
        ),
        migrations.AddIndex(model_name="evaluation", index=models.Index(fields=["experiment", "kind", "-created_at"], name="evaluation_newest")),
        rls.enable("experiments_evaluation"),
    ]
