import django.core.validators
import django.db.models.deletion
import flows.models
import uuid
from django.conf import settings
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls
from flows.migrations._immutable import immutable

TABLES = (
    "flow",
    "state",
    "transition",
    "flowversion",
    "environment",
    "pointer",
    "integration",
    "flowtest",
    "stub",
    "tenanthandlers",
)


class Migration(migrations.Migration):
    replaces = [
        ("flows", "0001_initial"),
        ("flows", "0002_flowversion_immutable"),
        ("flows", "0003_row_level_security"),
        ("flows", "0004_flowtest"),
        ("flows", "0005_flowtest_row_level_security"),
        ("flows", "0006_integration_kinds_and_stubs"),
        ("flows", "0007_stub_row_level_security"),
        ("flows", "0008_tenanthandlers"),
        ("flows", "0009_tenanthandlers_row_level_security"),
        ("flows", "0010_integration_type_mcp"),
    ]

    initial = True

    # The library of OAuth alters many fields one by one: cheap while few models are known.
    dependencies = [
        ("oauth2_provider", "__latest__"),
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="Environment",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "name",
                            models.CharField(
                                max_length=40,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[A-Za-z][A-Za-z0-9_\\-]{0,62}$", "Letters, digits, _ and -; starts with a letter; at most 63 characters."
                                    )
                                ],
                            ),
                        ),
                        ("is_default", models.BooleanField(default=False)),
                    ],
                    options={
                        "ordering": ("name",),
                        "constraints": [
                            models.UniqueConstraint(fields=("tenant", "name"), name="environment_name_once"),
                            models.UniqueConstraint(condition=models.Q(("is_default", True)), fields=("tenant",), name="environment_one_default"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Flow",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "flow_id",
                            models.CharField(
                                help_text="The name that API clients and other flows use.",
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[A-Za-z][A-Za-z0-9_\\-]{0,62}$", "Letters, digits, _ and -; starts with a letter; at most 63 characters."
                                    )
                                ],
                                verbose_name="flow id",
                            ),
                        ),
                        ("name", models.CharField(max_length=200)),
                        ("version", models.CharField(default="1", help_text="The author's own label, such as 2.1", max_length=50)),
                        ("description", models.TextField(blank=True)),
                        ("initial_state", models.CharField(blank=True, max_length=63)),
                        ("global_handlers", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        ("variables", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        ("slots", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        ("intents", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        ("metadata", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        ("rev", models.PositiveIntegerField(default=1, editable=False)),
                        (
                            "problem_count",
                            models.PositiveIntegerField(default=0, editable=False, help_text="Errors found when the draft was last saved"),
                        ),
                        ("archived_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("name", "id"),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "flow_id"), name="flow_id_once")],
                    },
                ),
                migrations.CreateModel(
                    name="FlowTest",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("flow", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="tests", to="flows.flow")),
                        ("name", models.CharField(max_length=200)),
                        ("description", models.TextField(blank=True, max_length=2000)),
                        ("script", flows.models.AuthoredJSONField(default=dict)),
                        ("locale", models.CharField(default="en", help_text="The script's own, for lists", max_length=20)),
                        ("enabled", models.BooleanField(default=True, help_text="A publish asks only enabled tests")),
                        ("recorded_from", models.UUIDField(editable=False, help_text="The conversation that it was recorded from", null=True)),
                        ("rev", models.PositiveIntegerField(default=1, editable=False)),
                        ("passed", models.BooleanField(editable=False, null=True)),
                        ("ran_at", models.DateTimeField(editable=False, null=True)),
                        ("ran_on", models.CharField(blank=True, editable=False, max_length=100)),
                        ("result", models.JSONField(editable=False, null=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("name", "id"),
                        "constraints": [models.UniqueConstraint(fields=("flow", "name"), name="flow_test_name_once")],
                    },
                ),
                migrations.CreateModel(
                    name="FlowVersion",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("flow", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="versions", to="flows.flow")),
                        ("number", models.PositiveIntegerField()),
                        ("definition", models.TextField()),
                        ("sha256", models.CharField(max_length=64)),
                        ("note", models.CharField(blank=True, max_length=500)),
                        (
                            "published_by",
                            models.ForeignKey(
                                blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        ("published_at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ("-number",),
                        "constraints": [
                            models.UniqueConstraint(fields=("flow", "number"), name="flow_version_number_once"),
                            models.UniqueConstraint(fields=("flow", "sha256"), name="flow_version_content_once"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Integration",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "integration_id",
                            models.CharField(
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[A-Za-z][A-Za-z0-9_\\-]{0,62}$", "Letters, digits, _ and -; starts with a letter; at most 63 characters."
                                    )
                                ],
                            ),
                        ),
                        ("name", models.CharField(max_length=200)),
                        (
                            "type",
                            models.CharField(
                                choices=[
                                    ("rest", "REST"),
                                    ("graphql", "GraphQL"),
                                    ("grpc", "gRPC"),
                                    ("tool", "Tool of this platform"),
                                    ("mcp", "MCP server"),
                                ],
                                default="rest",
                                max_length=10,
                            ),
                        ),
                        (
                            "base_url",
                            models.CharField(
                                blank=True,
                                help_text="http:// or https:// (gRPC: grpc:// or grpcs://), without user, query and fragment",
                                max_length=300,
                            ),
                        ),
                        ("authentication", models.JSONField(blank=True, default=dict)),
                        ("headers", models.JSONField(blank=True, default=dict)),
                        (
                            "timeout_ms",
                            models.PositiveIntegerField(
                                default=5000,
                                validators=[django.core.validators.MinValueValidator(100), django.core.validators.MaxValueValidator(30000)],
                            ),
                        ),
                        ("retry_policy", models.JSONField(blank=True, default=dict)),
                        ("options", models.JSONField(blank=True, default=dict, help_text="What only this type has; see docs/integrations.md")),
                        (
                            "descriptor_set",
                            models.TextField(
                                blank=True, editable=False, help_text="gRPC: a FileDescriptorSet in base64, in place of server reflection"
                            ),
                        ),
                        ("rev", models.PositiveIntegerField(default=1, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ("name", "id"),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "integration_id"), name="integration_id_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Pointer",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "environment",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="pointers", to="flows.environment"),
                        ),
                        ("flow", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="pointers", to="flows.flow")),
                        ("version", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="pointers", to="flows.flowversion")),
                        ("moved_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("environment", "flow"), name="pointer_once")],
                    },
                ),
                migrations.CreateModel(
                    name="State",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("flow", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="states", to="flows.flow")),
                        (
                            "name",
                            models.CharField(
                                max_length=63,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[A-Za-z][A-Za-z0-9_\\-]{0,62}$", "Letters, digits, _ and -; starts with a letter; at most 63 characters."
                                    )
                                ],
                            ),
                        ),
                        (
                            "type",
                            models.CharField(
                                choices=[
                                    ("response", "response"),
                                    ("intent", "intent"),
                                    ("slot_filling", "slot filling"),
                                    ("integration", "integration"),
                                    ("condition", "condition"),
                                    ("wait", "wait"),
                                    ("end", "end"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("config", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        ("entry_actions", flows.models.AuthoredJSONField(blank=True, default=list)),
                        ("exit_actions", flows.models.AuthoredJSONField(blank=True, default=list)),
                        ("metadata", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        ("position", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ("position", "id"),
                        "constraints": [models.UniqueConstraint(fields=("flow", "name"), name="state_name_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Stub",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("integration", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="stubs", to="flows.integration")),
                        ("name", models.CharField(max_length=100)),
                        ("endpoint", models.CharField(blank=True, max_length=2000)),
                        ("method", models.CharField(blank=True, max_length=10)),
                        ("request", models.JSONField(blank=True, default=dict)),
                        ("outcome", models.JSONField(help_text="success, status_code, data, error, code, execution_time_ms")),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("written", "written by hand"),
                                    ("trial", "recorded from a trial call"),
                                    ("conversation", "recorded from a conversation"),
                                ],
                                default="written",
                                max_length=12,
                            ),
                        ),
                        ("created_by", models.CharField(blank=True, max_length=200)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("name", "id"),
                        "constraints": [models.UniqueConstraint(fields=("integration", "name"), name="stub_name_once")],
                    },
                ),
                migrations.CreateModel(
                    name="TenantHandlers",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("document", flows.models.AuthoredJSONField(blank=True, default=dict)),
                        ("rev", models.PositiveIntegerField(default=1, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name": "tenant handlers",
                        "verbose_name_plural": "tenant handlers",
                        "constraints": [models.UniqueConstraint(fields=("tenant",), name="tenant_handlers_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Transition",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("state", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="transitions", to="flows.state")),
                        (
                            "condition",
                            models.CharField(
                                choices=[
                                    ("any_input", "any input"),
                                    ("intent_match", "intent match"),
                                    ("slot_filled", "slot filled"),
                                    ("integration_success", "integration success"),
                                    ("integration_error", "integration error"),
                                    ("expression", "expression"),
                                    ("timeout", "timeout"),
                                    ("low_confidence", "low confidence"),
                                ],
                                max_length=24,
                            ),
                        ),
                        ("condition_value", models.CharField(blank=True, max_length=200)),
                        ("expression", models.TextField(blank=True, max_length=2000)),
                        ("target_state", models.CharField(max_length=63)),
                        ("priority", models.PositiveSmallIntegerField(default=100, validators=[django.core.validators.MaxValueValidator(1000)])),
                        ("actions", flows.models.AuthoredJSONField(blank=True, default=list)),
                        ("position", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ("position", "id"),
                    },
                ),
            ],
        ),
        immutable(),
        rls.enable(*(f"flows_{table}" for table in TABLES)),
    ]
