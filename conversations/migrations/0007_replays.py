import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0006_handoff"),
        ("flows", "0004_flowtest"),
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Replay",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("target", models.CharField(help_text="What it is called: draft rev 7, version 3", max_length=100)),
                ("version", models.PositiveIntegerField(help_text="Number of the version that is tried; null: the draft", null=True)),
                ("definition", models.TextField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "understanding",
                    models.CharField(
                        choices=[
                            ("auto", "As recorded, anew where the intents have changed"),
                            ("recorded", "As recorded"),
                            ("anew", "Anew, by the definition that is tried"),
                        ],
                        default="auto",
                        max_length=10,
                    ),
                ),
                ("chosen", models.JSONField(default=dict, help_text="How the conversations were chosen")),
                ("operation_id", models.UUIDField(null=True)),
                ("counts", models.JSONField(default=dict)),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "environment",
                    models.ForeignKey(
                        help_text="Whose versions of other flows it uses",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="flows.environment",
                    ),
                ),
                ("flow", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="flows.flow")),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
            ],
            options={
                "ordering": ("-created_at",),
                "indexes": [models.Index(fields=["tenant", "flow", "-created_at"], name="replay_newest")],
            },
        ),
        migrations.CreateModel(
            name="ReplayedConversation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("pending", "Not played yet"),
                            ("same", "The same"),
                            ("differs", "Differs"),
                            ("skipped", "Cannot be compared"),
                            ("failed", "Could not be played again"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("cause", models.CharField(blank=True, help_text="core.differences.CAUSES", max_length=20)),
                ("detail", models.CharField(blank=True, max_length=200)),
                ("texts_only", models.BooleanField(default=False)),
                ("diverged_at", models.PositiveIntegerField(help_text="Number of the first turn that differs", null=True)),
                ("turns", models.PositiveIntegerField(default=0)),
                ("diff", models.JSONField(null=True)),
                (
                    "conversation",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="conversations.conversation"),
                ),
                (
                    "replay",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="results", to="conversations.replay"),
                ),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
            ],
            options={
                "ordering": ("position",),
                "indexes": [models.Index(fields=["replay", "verdict", "cause", "detail"], name="replayed_by_cause")],
                "constraints": [models.UniqueConstraint(fields=("replay", "conversation"), name="replayed_once")],
            },
        ),
    ]
