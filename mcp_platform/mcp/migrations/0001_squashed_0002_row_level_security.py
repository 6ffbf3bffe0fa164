import django.db.models.deletion
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    replaces = [("mcp", "0001_initial"), ("mcp", "0002_row_level_security")]

    initial = True

    dependencies = [
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="Call",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("at", models.DateTimeField()),
                        ("method", models.CharField(max_length=40)),
                        ("name", models.CharField(help_text="Of the tool or prompt, or the address of the resource", max_length=300)),
                        ("virtual", models.CharField(blank=True, max_length=63, verbose_name="virtual server")),
                        ("actor", models.CharField(max_length=200)),
                        (
                            "outcome",
                            models.CharField(
                                choices=[
                                    ("ok", "Ok"),
                                    ("refused", "refused"),
                                    ("denied", "denied"),
                                    ("failed", "failed"),
                                    ("asked", "asked back"),
                                    ("cancelled", "cancelled"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("error_code", models.CharField(blank=True, max_length=80)),
                        ("duration_ms", models.PositiveIntegerField()),
                        ("arguments_sha256", models.CharField(blank=True, max_length=64)),
                        ("client", models.CharField(blank=True, help_text="What the client calls itself", max_length=120)),
                        ("protocol", models.CharField(blank=True, max_length=20)),
                        ("correlation_id", models.CharField(max_length=80)),
                    ],
                    options={
                        "ordering": ("-at", "-id"),
                        "indexes": [
                            models.Index(fields=["tenant", "-at"], name="mcp_call_recent"),
                            models.Index(fields=["tenant", "name", "-at"], name="mcp_call_of_name"),
                            models.Index(fields=["at"], name="mcp_call_age"),
                        ],
                    },
                )
            ],
        ),
        rls.enable("mcp_call", append_only=True),
    ]
