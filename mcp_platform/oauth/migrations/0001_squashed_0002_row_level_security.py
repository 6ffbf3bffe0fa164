import django.db.models.deletion
import oauth2_provider.generators
import oauth2_provider.models
from django.conf import settings
from django.db import migrations, models

from mcp_platform.db.operations import Tables
from mcp_platform.tenancy import rls


class Migration(migrations.Migration):
    replaces = [("oauth", "0001_initial"), ("oauth", "0002_row_level_security")]

    initial = True
    run_before = [("oauth2_provider", "0001_initial")]  # whose models refer to these, without saying so

    dependencies = [
        ("tenancy", "0001_squashed_0002_shared_issuers"),
    ]

    operations = [
        Tables(
            creations=[
                migrations.CreateModel(
                    name="AccessToken",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "user",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="%(app_label)s_%(class)s",
                                to=settings.AUTH_USER_MODEL,
                                verbose_name="user",
                            ),
                        ),
                        (
                            "source_refresh_token",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="refreshed_access_token",
                                to=settings.OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL,
                                verbose_name="source refresh token",
                            ),
                        ),
                        ("token", models.TextField(verbose_name="token")),
                        (
                            "token_checksum",
                            oauth2_provider.models.TokenChecksumField(db_index=True, max_length=64, unique=True, verbose_name="token checksum"),
                        ),
                        (
                            "application",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
                                verbose_name="application",
                            ),
                        ),
                        ("expires", models.DateTimeField(verbose_name="expires")),
                        ("scope", models.TextField(blank=True, verbose_name="scope")),
                        ("resource", oauth2_provider.models.ResourceJSONField(blank=True, default=list, verbose_name="resource")),
                        ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                        ("updated", models.DateTimeField(auto_now=True, verbose_name="updated")),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="Authorization",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="authorizations",
                                to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
                            ),
                        ),
                        ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
                        ("scopes", models.JSONField(default=list)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("renewed_at", models.DateTimeField(blank=True, null=True)),
                        ("last_used_at", models.DateTimeField(blank=True, null=True)),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ("-created_at",),
                        "constraints": [models.UniqueConstraint(fields=("tenant", "client", "user"), name="oauth_authorization_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Client",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "client_id",
                            models.CharField(
                                db_index=True,
                                default=oauth2_provider.generators.generate_client_id,
                                max_length=255,
                                unique=True,
                                verbose_name="client ID",
                            ),
                        ),
                        ("redirect_uris", models.TextField(blank=True, help_text="Allowed URIs list, space separated", verbose_name="redirect URIs")),
                        (
                            "post_logout_redirect_uris",
                            models.TextField(
                                blank=True,
                                default="",
                                help_text="Allowed Post Logout URIs list, space separated",
                                verbose_name="post logout redirect URIs",
                            ),
                        ),
                        (
                            "client_type",
                            models.CharField(
                                choices=[("confidential", "Confidential"), ("public", "Public")], max_length=32, verbose_name="client type"
                            ),
                        ),
                        (
                            "authorization_grant_type",
                            models.CharField(
                                choices=[
                                    ("authorization-code", "Authorization code"),
                                    ("urn:ietf:params:oauth:grant-type:device_code", "Device Code"),
                                    ("implicit", "Implicit"),
                                    ("password", "Resource owner password-based"),
                                    ("client-credentials", "Client credentials"),
                                    ("openid-hybrid", "OpenID connect hybrid"),
                                ],
                                max_length=44,
                                verbose_name="authorization grant type",
                            ),
                        ),
                        ("name", models.CharField(blank=True, max_length=255, verbose_name="name")),
                        ("skip_authorization", models.BooleanField(default=False, verbose_name="skip authorization")),
                        ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                        ("updated", models.DateTimeField(auto_now=True, verbose_name="updated")),
                        (
                            "algorithm",
                            models.CharField(
                                blank=True,
                                choices=[("", "No OIDC support"), ("RS256", "RSA with SHA-2 256"), ("HS256", "HMAC with SHA-2 256")],
                                default="",
                                max_length=5,
                                verbose_name="algorithm",
                            ),
                        ),
                        (
                            "allowed_origins",
                            models.TextField(
                                blank=True,
                                default="",
                                help_text="Allowed origins list to enable CORS, space separated",
                                verbose_name="allowed origins",
                            ),
                        ),
                        (
                            "registration_source",
                            models.CharField(
                                choices=[("manual", "Manual"), ("dcr", "Dynamic Client Registration"), ("cimd", "Client ID Metadata Document")],
                                default="manual",
                                help_text="How this application was registered (manual, DCR per RFC 7591, or CIMD)",
                                max_length=32,
                                verbose_name="registration source",
                            ),
                        ),
                        (
                            "cimd_expires_at",
                            models.DateTimeField(
                                blank=True,
                                default=None,
                                help_text="When the cached Client ID Metadata Document should be re-fetched",
                                null=True,
                                verbose_name="CIMD expires at",
                            ),
                        ),
                        ("client_secret", models.CharField(blank=True, editable=False, max_length=64)),
                        (
                            "tenant",
                            models.ForeignKey(
                                blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant"
                            ),
                        ),
                        (
                            "scopes",
                            models.JSONField(
                                blank=True, default=list, help_text="What it may ask for. Empty: everything that clients may ask for at all."
                            ),
                        ),
                        ("hash_client_secret", models.BooleanField(default=False, editable=False)),
                        ("withdrawn_at", models.DateTimeField(blank=True, editable=False, null=True)),
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
                    ],
                    options={
                        "verbose_name": "OAuth client",
                        "ordering": ("-created",),
                    },
                ),
                migrations.CreateModel(
                    name="Code",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="%(app_label)s_%(class)s",
                                to=settings.AUTH_USER_MODEL,
                                verbose_name="user",
                            ),
                        ),
                        ("code", models.CharField(max_length=255, unique=True, verbose_name="code")),
                        (
                            "application",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL, verbose_name="application"
                            ),
                        ),
                        ("expires", models.DateTimeField(verbose_name="expires")),
                        ("redirect_uri", models.TextField(verbose_name="redirect URI")),
                        ("scope", models.TextField(blank=True, verbose_name="scope")),
                        ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                        ("updated", models.DateTimeField(auto_now=True, verbose_name="updated")),
                        ("code_challenge", models.CharField(blank=True, default="", max_length=128, verbose_name="code challenge")),
                        (
                            "code_challenge_method",
                            models.CharField(
                                blank=True,
                                choices=[("plain", "plain"), ("S256", "S256")],
                                default="",
                                max_length=10,
                                verbose_name="code challenge method",
                            ),
                        ),
                        ("nonce", models.CharField(blank=True, default="", max_length=255, verbose_name="nonce")),
                        ("claims", models.TextField(blank=True, verbose_name="claims")),
                        ("resource", oauth2_provider.models.ResourceJSONField(blank=True, default=list, verbose_name="resource")),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="RefreshToken",
                    fields=[
                        ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenancy.tenant")),
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="%(app_label)s_%(class)s",
                                to=settings.AUTH_USER_MODEL,
                                verbose_name="user",
                            ),
                        ),
                        ("token", models.TextField(verbose_name="token")),
                        ("token_checksum", oauth2_provider.models.TokenChecksumField(max_length=64, verbose_name="token checksum")),
                        (
                            "application",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL, verbose_name="application"
                            ),
                        ),
                        (
                            "access_token",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="refresh_token",
                                to=settings.OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL,
                                verbose_name="access token",
                            ),
                        ),
                        ("token_family", models.UUIDField(blank=True, editable=False, null=True, verbose_name="token family")),
                        ("resource", oauth2_provider.models.ResourceJSONField(blank=True, default=list, verbose_name="resource")),
                        ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                        ("updated", models.DateTimeField(auto_now=True, verbose_name="updated")),
                        ("revoked", models.DateTimeField(null=True, verbose_name="revoked")),
                        ("code_checksum", models.CharField(blank=True, db_index=True, max_length=64)),
                    ],
                    options={
                        "abstract": False,
                        "indexes": [models.Index(fields=["token_family"], name="oauth_refre_token_f_9588eb_idx")],
                        "unique_together": {("token_checksum", "revoked")},
                    },
                ),
            ],
        ),
        rls.enable("oauth_client", "oauth_authorization", "oauth_code", "oauth_accesstoken", "oauth_refreshtoken"),
    ]
