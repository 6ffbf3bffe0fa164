import django.db.models.deletion
import uuid
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    replaces = [("outbox", "0001_initial"), ("outbox", "0002_row_level_security")]

    initial = True

    dependencies = [
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="Delivery",
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
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "endpoint",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="deliveries", to="outbox.endpoint"
                            ),
                        ),
                        ("event", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="deliveries", to="outbox.outboxevent")),
                        ("key", models.CharField(max_length=120)),
                        ("type", models.CharField(max_length=80)),
                        (
                            "status",
                            models.CharField(
                                choices=[("pending", "Pending"), ("sending", "Sending"), ("delivered", "Delivered"), ("dead", "Dead")],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("due_at", models.DateTimeField()),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("redeliveries", models.PositiveSmallIntegerField(default=0)),
                        ("last_status", models.PositiveSmallIntegerField(default=0, help_text="HTTP status of the last attempt; 0: none came")),
                        ("last_error", models.CharField(blank=True, max_length=300)),
                        ("tries", models.JSONField(default=list, help_text="[{at, ms, status, error, request, answer}], newest last, at most 20")),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "verbose_name_plural": "deliveries",
                        "ordering": ("-created_at", "-event_id"),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("status__in", ("pending", "sending"))), fields=["endpoint", "due_at"], name="delivery_due"
                            ),
                            models.Index(
                                condition=models.Q(("status__in", ("pending", "sending"))), fields=["endpoint", "key", "event"], name="delivery_line"
                            ),
                            models.Index(condition=models.Q(("status", "dead")), fields=["endpoint", "finished_at"], name="delivery_dead"),
                            models.Index(fields=["tenant", "-created_at"], name="delivery_recent"),
                            models.Index(fields=["finished_at"], name="delivery_age"),
                        ],
                        "constraints": [models.UniqueConstraint(fields=("endpoint", "event"), name="delivery_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Endpoint",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("name", models.CharField(max_length=100)),
                        (
                            "kind",
                            models.CharField(
                                choices=[("webhook", "Webhook"), ("redis", "Redis stream"), ("kafka", "Kafka"), ("analytics", "Analytics engine")],
                                default="webhook",
                                max_length=10,
                            ),
                        ),
                        ("url", models.CharField(blank=True, help_text="https://…, for webhooks", max_length=1000)),
                        (
                            "types",
                            models.JSONField(
                                blank=True, default=list, help_text="Types of events, such as turn.finished or conversation.*; empty: all"
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        ("timeout_ms", models.PositiveIntegerField(default=10000)),
                        ("max_attempts", models.PositiveSmallIntegerField(default=12)),
                        ("stream_length", models.PositiveIntegerField(default=100000, help_text="About how many events a Redis stream keeps")),
                        ("header_names", models.JSONField(blank=True, default=list)),
                        ("sealed_headers", models.TextField(blank=True)),
                        ("sealed_secret", models.TextField(blank=True)),
                        ("sealed_previous", models.TextField(blank=True, help_text="Signs too until previous_until")),
                        ("previous_until", models.DateTimeField(null=True)),
                        ("failures", models.PositiveIntegerField(default=0)),
                        ("failing_since", models.DateTimeField(null=True)),
                        ("resume_at", models.DateTimeField(null=True)),
                        ("disabled_reason", models.CharField(blank=True, max_length=200)),
                        ("last_success_at", models.DateTimeField(null=True)),
                        ("rev", models.PositiveIntegerField(default=1, editable=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name": "event endpoint",
                        "ordering": ("name", "id"),
                        "constraints": [
                            models.UniqueConstraint(fields=("tenant", "name"), name="endpoint_name_once"),
                            models.UniqueConstraint(condition=models.Q(("kind", "analytics")), fields=("tenant",), name="endpoint_analytics_once"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="OutboxEvent",
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
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("event_id", models.UUIDField(default=uuid.uuid4, editable=False, help_text="The CloudEvents id: what consumers dedupe by")),
                        ("key", models.CharField(max_length=120)),
                        ("type", models.CharField(max_length=80)),
                        ("subject", models.CharField(max_length=200)),
                        ("data", models.JSONField(default=dict)),
                        ("at", models.DateTimeField()),
                        ("fanned_out", models.BooleanField(default=False, help_text="Its deliveries exist")),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("fanned_out", False)), fields=["id"], name="outbox_new"),
                            models.Index(fields=["at"], name="outbox_age"),
                        ],
                    },
                ),
            ],
        ),
        rls.enable("outbox_outboxevent", "outbox_endpoint", "outbox_delivery"),
    ]
