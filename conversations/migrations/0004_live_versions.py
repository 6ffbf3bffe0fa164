import uuid

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0003_turn_claimed_at"),
        ("flows", "0003_row_level_security"),
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="turn",
            index=models.Index(condition=models.Q(("kind", "migration")), fields=["client_message_id"], name="turn_migration"),
        ),
        migrations.CreateModel(
            name="MigrationPlan",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("policy", models.CharField(choices=[("migrate_at_wait", "Move while waiting"), ("drain", "Drain"), ("force", "Force")], default="migrate_at_wait", max_length=20)),
                ("mapping", models.JSONField(blank=True, default=dict, help_text="docs/live_versions.md")),
                ("ends_at", models.DateTimeField(blank=True, help_text="Of a drain: what is left then is ended or moved", null=True)),
                ("at_end", models.CharField(choices=[("expire", "End them"), ("force", "Move them by force")], default="expire", max_length=10)),
                ("note", models.CharField(blank=True, max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[("draft", "Draft"), ("active", "Active"), ("stopped", "Stopped"), ("finished", "Finished"), ("reverted", "Reverted")],
                        default="draft",
                        editable=False,
                        max_length=10,
                    ),
                ),
                ("run", models.PositiveIntegerField(default=0, editable=False)),
                ("rev", models.PositiveIntegerField(default=1, editable=False)),
                ("report", models.JSONField(editable=False, help_text="What the last dry run found", null=True)),
                ("report_rev", models.PositiveIntegerField(default=0, editable=False, help_text="The rev that was tried")),
                ("report_at", models.DateTimeField(editable=False, null=True)),
                ("created_by", models.CharField(editable=False, max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("environment", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="flows.environment")),
                ("flow", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="flows.flow")),
                ("source", models.ForeignKey(help_text="The version that conversations leave", on_delete=django.db.models.deletion.PROTECT, related_name="+", to="flows.flowversion")),
                ("target", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="flows.flowversion")),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
            ],
            options={
                "ordering": ("-created_at",),
                "indexes": [models.Index(condition=models.Q(("status", "active")), fields=["ends_at"], name="migration_plan_due")],
                "constraints": [
                    models.UniqueConstraint(condition=models.Q(("status", "active")), fields=("environment", "source"), name="migration_plan_one_active"),
                    models.CheckConstraint(
                        condition=models.Q(("source", django.db.models.expressions.F("target")), _negated=True), name="migration_plan_goes_somewhere"
                    ),
                ],
            },
        ),
        rls.enable("conversations_migrationplan"),
    ]
