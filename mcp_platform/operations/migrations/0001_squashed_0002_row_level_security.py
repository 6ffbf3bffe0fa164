import django.db.models.deletion
import uuid
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    replaces = [("operations", "0001_initial"), ("operations", "0002_row_level_security")]

    initial = True

    dependencies = [
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="Operation",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("kind", models.CharField(help_text="Which worker function it is, such as conversations.replay", max_length=80)),
                        ("title", models.CharField(max_length=200)),
                        ("subject", models.CharField(blank=True, help_text="What it is about, such as flow:<id>", max_length=120)),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("queued", "Queued"),
                                    ("running", "Running"),
                                    ("succeeded", "Succeeded"),
                                    ("failed", "Failed"),
                                    ("cancelled", "Cancelled"),
                                ],
                                default="queued",
                                max_length=10,
                            ),
                        ),
                        ("phase", models.CharField(blank=True, max_length=200)),
                        ("done", models.PositiveBigIntegerField(default=0)),
                        ("total", models.PositiveBigIntegerField(default=0, help_text="0: not known yet")),
                        ("arguments", models.JSONField(default=dict)),
                        ("result", models.JSONField(null=True)),
                        ("error", models.JSONField(help_text="A problem document", null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("cancel_asked", models.BooleanField(default=False)),
                        ("created_by", models.CharField(max_length=200)),
                        ("created_at", models.DateTimeField()),
                        ("started_at", models.DateTimeField(null=True)),
                        ("heartbeat_at", models.DateTimeField(help_text="Older than a minute while it runs: its worker is gone", null=True)),
                        ("finished_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "ordering": ("-created_at",),
                        "indexes": [
                            models.Index(fields=["tenant", "-created_at"], name="operation_newest"),
                            models.Index(condition=models.Q(("status__in", ("queued", "running"))), fields=["heartbeat_at"], name="operation_open"),
                        ],
                    },
                )
            ],
        ),
        rls.enable("operations_operation"),
    ]
