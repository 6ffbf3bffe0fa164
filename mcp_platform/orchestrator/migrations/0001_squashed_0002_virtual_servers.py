import django.core.validators
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls

TABLES = (
    "remoteserver",
    "orchestrationsettings",
    "upstreamtool",
    "cachedresource",
    "virtualserver",
    "virtualtool",
)


class Migration(migrations.Migration):
    replaces = [("orchestrator", "0001_initial"), ("orchestrator", "0002_virtual_servers")]

    initial = True

    dependencies = [
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="CachedResource",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("server", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="orchestrator.remoteserver")),
                        ("audience", models.CharField(blank=True, max_length=200)),
                        ("key", models.CharField(help_text="SHA-256 of the method and of what was asked for", max_length=64)),
                        ("method", models.CharField(max_length=40)),
                        ("subject", models.CharField(blank=True, help_text="The URI; for people", max_length=500)),
                        ("value", models.JSONField()),
                        ("size", models.PositiveIntegerField(help_text="Bytes of the answer as JSON")),
                        ("fetched_at", models.DateTimeField()),
                        ("fresh_until", models.DateTimeField()),
                        ("stale_until", models.DateTimeField(db_index=True)),
                    ],
                    options={
                        "verbose_name": "cached answer",
                        "ordering": ("server_id", "method", "subject"),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "server", "audience", "key"), name="cached_resource_once")],
                    },
                ),
                migrations.CreateModel(
                    name="OrchestrationSettings",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "resource_cache_ttl",
                            models.PositiveIntegerField(
                                default=300,
                                help_text="Seconds, for answers of servers that do not say how long they are good",
                                validators=[django.core.validators.MaxValueValidator(86400)],
                            ),
                        ),
                        (
                            "fail_fast",
                            models.BooleanField(
                                default=True, help_text="Gathering fails when a server fails, naming every one; otherwise it goes on without them"
                            ),
                        ),
                        ("enable_logging", models.BooleanField(default=True, help_text="Log every call, not only those that fail")),
                        (
                            "log_level",
                            models.CharField(
                                choices=[("DEBUG", "DEBUG"), ("INFO", "INFO"), ("WARNING", "WARNING"), ("ERROR", "ERROR")],
                                default="INFO",
                                max_length=10,
                            ),
                        ),
                        (
                            "max_retries",
                            models.PositiveSmallIntegerField(
                                default=3,
                                help_text="Of connecting and reading, and of tools that are marked as safe to repeat",
                                validators=[django.core.validators.MaxValueValidator(10)],
                            ),
                        ),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name": "orchestration settings",
                        "verbose_name_plural": "orchestration settings",
                        "constraints": [models.UniqueConstraint(fields=("tenant",), name="orchestration_settings_once")],
                    },
                ),
                migrations.CreateModel(
                    name="RemoteServer",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "slug",
                            models.CharField(
                                max_length=32,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[a-z][a-z0-9_-]{0,31}\\Z", "a small letter, then small letters, digits, _ and -; at most 32 characters"
                                    )
                                ],
                            ),
                        ),
                        ("name", models.CharField(max_length=100)),
                        ("description", models.CharField(blank=True, max_length=500)),
                        (
                            "transport",
                            models.CharField(
                                choices=[
                                    ("streamable-http", "Streamable HTTP"),
                                    ("sse", "SSE (protocol of 2024)"),
                                    ("stdio", "Program on this machine (stdio)"),
                                ],
                                default="streamable-http",
                                max_length=20,
                            ),
                        ),
                        (
                            "url",
                            models.CharField(help_text="http(s)://…, or stdio:<name of a program that the operator has allowed>", max_length=500),
                        ),
                        (
                            "priority",
                            models.PositiveSmallIntegerField(
                                default=100,
                                help_text="1 to 999; lower is asked first",
                                validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(999)],
                            ),
                        ),
                        ("domains", models.JSONField(blank=True, default=list, help_text='What it knows about, such as ["products", "metadata"]')),
                        ("capabilities", models.JSONField(blank=True, default=list, help_text='What it is used for, such as ["list_resources"]')),
                        (
                            "timeout",
                            models.PositiveSmallIntegerField(
                                default=30,
                                help_text="Seconds, for connecting and for each request",
                                validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(300)],
                            ),
                        ),
                        (
                            "authentication",
                            models.JSONField(blank=True, default=dict, help_text="How we show who we are; names of secrets, never their values"),
                        ),
                        ("allowed_tools", models.JSONField(blank=True, default=list, help_text='Patterns such as ["get_*"]; empty allows all')),
                        (
                            "denied_tools",
                            models.JSONField(blank=True, default=list, help_text="Patterns; what is denied stays denied when it is also allowed"),
                        ),
                        (
                            "trust",
                            models.CharField(
                                choices=[
                                    ("first", "What it offers at the first contact is approved; whatever changes later waits"),
                                    ("review", "Every tool waits for approval"),
                                ],
                                default="first",
                                max_length=10,
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        ("rev", models.PositiveIntegerField(default=1, editable=False)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[("unknown", "Not contacted yet"), ("connected", "Connected"), ("failed", "Failed")],
                                default="unknown",
                                editable=False,
                                max_length=10,
                            ),
                        ),
                        ("last_error", models.CharField(blank=True, editable=False, max_length=500)),
                        ("last_error_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("checked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("connected_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "latency_ms",
                            models.PositiveIntegerField(blank=True, editable=False, help_text="Of the last listing of its tools", null=True),
                        ),
                        ("protocol_version", models.CharField(blank=True, editable=False, max_length=20)),
                        ("server_info", models.JSONField(blank=True, default=dict, editable=False, help_text="Name and version, as the server says")),
                        ("features", models.JSONField(blank=True, default=list, editable=False, help_text="Parts of the protocol that it speaks")),
                    ],
                    options={
                        "verbose_name": "MCP server",
                        "ordering": ("priority", "slug"),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "slug"), name="remote_server_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ServerCall",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("at", models.DateTimeField(help_text="When it began")),
                        ("server_id", models.UUIDField(help_text="No foreign key: the record outlives the server")),
                        ("server", models.CharField(max_length=32)),
                        ("kind", models.CharField(choices=[("tool", "Tool"), ("resource", "Resource"), ("listing", "Listing")], max_length=10)),
                        ("name", models.CharField(help_text="Of the tool, or the URI", max_length=500)),
                        ("via", models.CharField(blank=True, help_text="What led here: the slug of a virtual server, flow:<id>, …", max_length=80)),
                        ("actor", models.CharField(max_length=200)),
                        ("correlation_id", models.CharField(blank=True, max_length=80)),
                        (
                            "outcome",
                            models.CharField(
                                choices=[
                                    ("ok", "Done"),
                                    ("tool_error", "The tool says that it failed"),
                                    ("failed", "The server failed"),
                                    ("timed_out", "No answer in time"),
                                    ("unreachable", "Not reached"),
                                    ("refused", "Refused by us"),
                                    ("cancelled", "The caller gave up"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("error_code", models.CharField(blank=True, max_length=60)),
                        ("error", models.CharField(blank=True, max_length=300)),
                        ("arguments_sha256", models.CharField(blank=True, max_length=64)),
                        ("arguments_bytes", models.PositiveIntegerField(default=0)),
                        ("result_bytes", models.PositiveIntegerField(default=0)),
                        ("duration_ms", models.PositiveIntegerField(default=0)),
                        ("attempts", models.PositiveSmallIntegerField(default=1)),
                    ],
                    options={
                        "verbose_name": "server call",
                        "ordering": ("-at",),
                        "indexes": [
                            models.Index(fields=["tenant", "-at"], name="server_call_latest"),
                            models.Index(fields=["tenant", "server_id", "-at"], name="server_call_of_server"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UpstreamTool",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "server",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="tools", to="orchestrator.remoteserver"),
                        ),
                        ("name", models.CharField(help_text="As the server calls it", max_length=200)),
                        (
                            "offered_name",
                            models.CharField(blank=True, help_text="As we call it; empty when another tool has that name already", max_length=64),
                        ),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("new", "New: waits for approval"),
                                    ("approved", "Approved"),
                                    ("changed", "Changed since it was approved: waits for approval"),
                                    ("rejected", "Rejected"),
                                ],
                                default="new",
                                max_length=10,
                            ),
                        ),
                        ("definition", models.JSONField(blank=True, default=dict)),
                        ("approved_hash", models.CharField(blank=True, max_length=64)),
                        ("approved_by", models.CharField(blank=True, max_length=200)),
                        ("approved_at", models.DateTimeField(blank=True, null=True)),
                        ("seen_definition", models.JSONField(blank=True, default=dict)),
                        ("seen_hash", models.CharField(max_length=64)),
                        ("first_seen_at", models.DateTimeField()),
                        ("last_seen_at", models.DateTimeField()),
                        ("missing_since", models.DateTimeField(blank=True, help_text="The server no longer lists it since then", null=True)),
                    ],
                    options={
                        "verbose_name": "upstream tool",
                        "ordering": ("server_id", "name"),
                        "constraints": [
                            models.UniqueConstraint(fields=("server", "name"), name="upstream_tool_once"),
                            models.UniqueConstraint(
                                condition=models.Q(("offered_name", ""), _negated=True),
                                fields=("tenant", "offered_name"),
                                name="upstream_tool_name_once",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="VirtualServer",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "slug",
                            models.CharField(
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[a-z][a-z0-9-]{0,62}\\Z", "a small letter, then small letters, digits and -; at most 63 characters"
                                    )
                                ],
                            ),
                        ),
                        ("name", models.CharField(max_length=200)),
                        (
                            "description",
                            models.TextField(blank=True, help_text="Clients get it as instructions: what these tools are good for", max_length=2000),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        ("at_main", models.BooleanField(default=False, verbose_name="also at /mcp")),
                        ("rev", models.PositiveIntegerField(default=1, editable=False)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("name", "id"),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "slug"), name="virtual_server_slug_once")],
                    },
                ),
                migrations.CreateModel(
                    name="VirtualTool",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "virtual",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="tools", to="orchestrator.virtualserver"),
                        ),
                        (
                            "tool",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="offered_as", to="orchestrator.upstreamtool"),
                        ),
                        (
                            "name",
                            models.CharField(
                                blank=True,
                                max_length=64,
                                validators=[
                                    django.core.validators.RegexValidator("^([A-Za-z0-9_-]{1,64})?\\Z", "1 to 64 of: letters, digits, _ and -")
                                ],
                            ),
                        ),
                        ("description", models.TextField(blank=True, max_length=2000)),
                    ],
                    options={
                        "ordering": ("id",),
                        "constraints": [models.UniqueConstraint(fields=("virtual", "tool"), name="virtual_tool_once")],
                    },
                ),
            ],
        ),
        rls.enable(*(f"orchestrator_{table}" for table in TABLES)),
        rls.enable("orchestrator_servercall", append_only=True),
    ]
