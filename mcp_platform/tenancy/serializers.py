"""The JSON of tenants, members, keys, issuers and audit entries, and how the OpenAPI document names our credentials."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import serializers

from mcp_platform.tenancy import authenticators, permissions, tokens
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Membership, Role, Tenant, TokenIssuer

MAX_OVERLAP_SECONDS = 30 * 24 * 3600


class TenantSerializer(serializers.ModelSerializer[Tenant]):
    class Meta:
        model = Tenant
        fields = ("id", "slug", "name", "settings", "created_at")
        read_only_fields = fields


class TenantChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, required=False)
    settings = serializers.DictField(required=False, help_text="Merged into the settings; null puts one back to its default.")


class MemberSerializer(serializers.ModelSerializer[Membership]):
    user_id = serializers.UUIDField(read_only=True)
    username = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = Membership
        fields = ("id", "user_id", "username", "role", "created_at")
        read_only_fields = fields


class MemberAddSerializer(serializers.Serializer[Any]):
    username = serializers.RegexField(r"^[\w.@+-]+\Z", max_length=150)
    email = serializers.EmailField(required=False, default="", allow_blank=True, help_text="Kept for a person who has no account yet.")
    role = serializers.ChoiceField(choices=Role.choices)


class RoleSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=Role.choices)


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)
    rotated_to = serializers.UUIDField(source="rotated_to_id", read_only=True, allow_null=True)

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = ("id", "name", "prefix", "scopes", "expires_at", "revoked_at", "rotated_to", "last_used_at", "created_at")
        read_only_fields: tuple[str, ...] = fields


class NewApiKeySerializer(ApiKeySerializer):
    """`token` is the whole key. This answer is the only place where it ever appears."""

    token = serializers.CharField(read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields = (*ApiKeySerializer.Meta.fields, "token")
        read_only_fields = fields


class ApiKeyCreateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=[(name, name) for name in permissions.PERMISSIONS]), allow_empty=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class RotationSerializer(serializers.Serializer[Any]):
    overlap_seconds = serializers.IntegerField(
        required=False, min_value=0, max_value=MAX_OVERLAP_SECONDS, default=24 * 3600, help_text="How long the old key still works."
    )


class TokenIssuerSerializer(serializers.ModelSerializer[TokenIssuer]):
    algorithms = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = TokenIssuer
        fields = ("id", "issuer", "audience", "jwks_url", "algorithms", "role_claim", "tenant_claim", "tenant_value", "is_active", "created_at")
        read_only_fields = fields


class TokenIssuerAddSerializer(serializers.Serializer[Any]):
    issuer = serializers.CharField(max_length=300, help_text="Equal to the `iss` claim, letter by letter.")
    audience = serializers.CharField(max_length=300)
    jwks_url = serializers.URLField(max_length=300)
    algorithms = serializers.ListField(
        child=serializers.ChoiceField(choices=[(name, name) for name in tokens.ASYMMETRIC]), allow_empty=False, default=["RS256"]
    )
    role_claim = serializers.CharField(max_length=100, default="roles")
    tenant_claim = serializers.CharField(max_length=100, default="", allow_blank=True, help_text="Tells apart the tenants that share an issuer.")
    tenant_value = serializers.CharField(max_length=300, default="", allow_blank=True, help_text="What it says in tokens for this tenant.")


class TokenIssuerChangeSerializer(serializers.Serializer[Any]):
    issuer = serializers.CharField(max_length=300, required=False)
    audience = serializers.CharField(max_length=300, required=False)
    jwks_url = serializers.URLField(max_length=300, required=False)
    algorithms = serializers.ListField(
        child=serializers.ChoiceField(choices=[(name, name) for name in tokens.ASYMMETRIC]), allow_empty=False, required=False
    )
    role_claim = serializers.CharField(max_length=100, required=False)
    tenant_claim = serializers.CharField(max_length=100, required=False, allow_blank=True)
    tenant_value = serializers.CharField(max_length=300, required=False, allow_blank=True)
    is_active = serializers.BooleanField(required=False)


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    changes = serializers.DictField(read_only=True)

    class Meta:
        model = AuditEntry
        fields = ("number", "at", "actor", "action", "target_type", "target_id", "changes", "previous_digest", "digest")
        read_only_fields = fields


class ChainFaultSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    fault = serializers.CharField()


class VerificationSerializer(serializers.Serializer[Any]):
    intact = serializers.BooleanField()
    faults = ChainFaultSerializer(many=True)


class TicketSerializer(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="Opens one WebSocket.")
    expires_in = serializers.IntegerField(help_text="Seconds")


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself, untyped
    target_class = authenticators.BearerAuthentication
    name = "bearer"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key (mcp_…), or a JWT of an issuer that the tenant trusts."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself, untyped
    target_class = authenticators.StaffSessionAuthentication
    name = "session"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "Staff session, with X-CSRFToken on changes and X-Tenant."}
