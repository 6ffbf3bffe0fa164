import django.contrib.auth.models
import django.contrib.auth.validators
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    replaces = [("tenancy", "0001_initial"), ("tenancy", "0002_shared_issuers")]

    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="Tenant",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("slug", models.SlugField(max_length=63, unique=True)),
                        ("name", models.CharField(max_length=200)),
                        ("is_active", models.BooleanField(default=True)),
                        (
                            "settings",
                            models.JSONField(
                                blank=True, default=dict, help_text="ended_conversation: 'restart' or 'refuse'; default_flow: a flow id"
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("name",),
                    },
                ),
                migrations.CreateModel(
                    name="User",
                    fields=[
                        ("password", models.CharField(max_length=128, verbose_name="password")),
                        ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                        (
                            "is_superuser",
                            models.BooleanField(
                                default=False,
                                help_text="Designates that this user has all permissions without explicitly assigning them.",
                                verbose_name="superuser status",
                            ),
                        ),
                        (
                            "username",
                            models.CharField(
                                error_messages={"unique": "A user with that username already exists."},
                                help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                                max_length=150,
                                unique=True,
                                validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                                verbose_name="username",
                            ),
                        ),
                        ("first_name", models.CharField(blank=True, max_length=150, verbose_name="first name")),
                        ("last_name", models.CharField(blank=True, max_length=150, verbose_name="last name")),
                        (
                            "is_staff",
                            models.BooleanField(
                                default=False, help_text="Designates whether the user can log into this admin site.", verbose_name="staff status"
                            ),
                        ),
                        (
                            "is_active",
                            models.BooleanField(
                                default=True,
                                help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                                verbose_name="active",
                            ),
                        ),
                        ("date_joined", models.DateTimeField(default=django.utils.timezone.now, verbose_name="date joined")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
                        (
                            "groups",
                            models.ManyToManyField(
                                blank=True,
                                help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                                related_name="user_set",
                                related_query_name="user",
                                to="auth.group",
                                verbose_name="groups",
                            ),
                        ),
                        (
                            "user_permissions",
                            models.ManyToManyField(
                                blank=True,
                                help_text="Specific permissions for this user.",
                                related_name="user_set",
                                related_query_name="user",
                                to="auth.permission",
                                verbose_name="user permissions",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "user",
                        "verbose_name_plural": "users",
                        "abstract": False,
                    },
                    managers=[
                        ("objects", django.contrib.auth.models.UserManager()),
                    ],
                ),
                migrations.CreateModel(
                    name="AuditHead",
                    fields=[
                        (
                            "tenant",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="+", serialize=False, to="tenancy.tenant"
                            ),
                        ),
                        ("number", models.PositiveBigIntegerField(default=0)),
                        ("digest", models.CharField(blank=True, max_length=64)),
                    ],
                ),
                migrations.CreateModel(
                    name="ApiKey",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("name", models.CharField(max_length=100)),
                        ("prefix", models.CharField(editable=False, max_length=12, unique=True)),
                        ("secret_sha256", models.CharField(editable=False, max_length=64)),
                        (
                            "scopes",
                            models.JSONField(
                                blank=True, default=list, help_text="Permissions of this key, such as conversations:write; see the permission matrix."
                            ),
                        ),
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
                        ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "rotated_to",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="rotated_from",
                                to="tenancy.apikey",
                            ),
                        ),
                        ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
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
                    ],
                    options={
                        "verbose_name": "API key",
                        "ordering": ("-created_at",),
                    },
                ),
                migrations.CreateModel(
                    name="AuditEntry",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("number", models.PositiveBigIntegerField()),
                        ("at", models.DateTimeField()),
                        (
                            "actor",
                            models.CharField(
                                help_text="user:<id>, key:<prefix>, client:<id>, jwt:<digest of the issuer>:<subject> or system", max_length=200
                            ),
                        ),
                        ("action", models.CharField(max_length=80)),
                        ("target_type", models.CharField(max_length=80)),
                        ("target_id", models.CharField(max_length=80)),
                        ("changes", models.JSONField(default=dict)),
                        ("previous_digest", models.CharField(blank=True, max_length=64)),
                        ("digest", models.CharField(max_length=64)),
                    ],
                    options={
                        "verbose_name_plural": "audit entries",
                        "ordering": ("tenant_id", "-number"),
                        "indexes": [models.Index(fields=["tenant", "target_type", "target_id"], name="audit_target")],
                        "constraints": [models.UniqueConstraint(fields=("tenant", "number"), name="audit_number_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Membership",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="memberships", to=settings.AUTH_USER_MODEL),
                        ),
                        (
                            "role",
                            models.CharField(
                                choices=[
                                    ("owner", "Owner"),
                                    ("editor", "Editor"),
                                    ("analyst", "Analyst"),
                                    ("code_official", "Code official"),
                                    ("operator", "Operator"),
                                    ("agent", "Agent"),
                                    ("viewer", "Viewer"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("tenant_id", "user_id"),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "user"), name="membership_once")],
                    },
                ),
                migrations.CreateModel(
                    name="TokenIssuer",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("issuer", models.CharField(max_length=300, validators=[django.core.validators.URLValidator(schemes=("http", "https"))])),
                        ("audience", models.CharField(max_length=300)),
                        ("jwks_url", models.CharField(max_length=300, validators=[django.core.validators.URLValidator(schemes=("http", "https"))])),
                        ("algorithms", models.JSONField(default=list, help_text="Allow-list, such as RS256, ES256. Never a symmetric algorithm.")),
                        ("role_claim", models.CharField(default="roles", help_text="Claim with the roles of this platform", max_length=100)),
                        (
                            "tenant_claim",
                            models.CharField(
                                blank=True,
                                help_text="Where several tenants share issuer and audience: the claim that tells them apart",
                                max_length=100,
                            ),
                        ),
                        ("tenant_value", models.CharField(blank=True, help_text="What that claim says in tokens for this tenant", max_length=300)),
                        ("is_active", models.BooleanField(default=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ("issuer",),
                        "constraints": [
                            models.UniqueConstraint(fields=("issuer", "audience", "tenant_claim", "tenant_value"), name="issuer_audience_value_once")
                        ],
                    },
                ),
            ],
        ),
        rls.enable("tenancy_membership", "tenancy_apikey", "tenancy_tokenissuer", "tenancy_audithead"),
        rls.enable("tenancy_auditentry", append_only=True),
    ]
