import django.db.models.deletion
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    replaces = [("analytics", "0001_initial"), ("analytics", "0002_row_level_security")]

    initial = True

    dependencies = [
        ("conversations", "0001_squashed_0011_dead_turns"),
        ("flows", "0001_squashed_0010_integration_type_mcp"),
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="Head",
                    fields=[
                        (
                            "tenant",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="+", serialize=False, to="tenancy.tenant"
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=0)),
                        ("looked_until", models.DateTimeField(null=True)),
                        ("counted_at", models.DateTimeField(null=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="FlowAnalytics",
                    fields=[],
                    options={
                        "verbose_name": "flow analytics",
                        "verbose_name_plural": "analytics",
                        "proxy": True,
                        "indexes": [],
                        "constraints": [],
                    },
                    bases=("flows.flow",),
                ),
                migrations.CreateModel(
                    name="Mark",
                    fields=[
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
                            "conversation",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="analytics_mark",
                                serialize=False,
                                to="conversations.conversation",
                            ),
                        ),
                        ("seq", models.PositiveIntegerField()),
                        ("carry", models.JSONField(default=dict)),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="Tally",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "tenant",
                            models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant"),
                        ),
                        ("version", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="flows.flowversion")),
                        (
                            "environment",
                            models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="flows.environment"),
                        ),
                        ("day", models.DateField()),
                        ("channel", models.CharField(max_length=40)),
                        ("measure", models.CharField(max_length=20)),
                        ("name", models.CharField(blank=True, max_length=160)),
                        ("value", models.BigIntegerField(default=0)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("tenant", "version", "day", "environment", "channel", "measure", "name"), name="tally_once"
                            )
                        ],
                    },
                ),
            ],
        ),
        rls.enable("analytics_tally", "analytics_mark", "analytics_head"),
    ]
