"""Who may do what: users, tenants, memberships, API keys, trusted token issuers and the audit chain."""

import uuid
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth.models import AbstractUser
from django.core.validators import URLValidator
from django.db import models

URL = URLValidator(schemes=("http", "https"))  # not a URLField: its form field warns about Django 6
M = TypeVar("M", bound=models.Model)


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    EDITOR = "editor", "Editor"
    ANALYST = "analyst", "Analyst"
    CODE_OFFICIAL = "code_official", "Code official"
    OPERATOR = "operator", "Operator"
    AGENT = "agent", "Agent"
    VIEWER = "viewer", "Viewer"


class User(AbstractUser):
    """A person. What they may do inside a tenant comes from their memberships; a superuser operates the whole platform."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField("email address", blank=True)


class Tenant(models.Model):
    """One customer. Everything else in the database belongs to exactly one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    is_active = models.BooleanField(default=True)
    settings = models.JSONField(default=dict, blank=True, help_text="ended_conversation: 'restart' or 'refuse'; default_flow: a flow id")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class TenantQuerySet(models.QuerySet[M]):
    def for_tenant(self, tenant: Tenant | uuid.UUID) -> Self:
        """The rows of one tenant: how every query starts."""
        return self.filter(tenant_id=tenant.pk if isinstance(tenant, Tenant) else tenant)


class TenantModel(models.Model):
    """Base of every row that belongs to a tenant."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")

    objects: ClassVar[Any] = TenantQuerySet.as_manager()

    class Meta:
        abstract = True


class Membership(TenantModel):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "user"), name="membership_once"),)
        ordering = ("tenant_id", "user_id")

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class ApiKey(TenantModel):
    """A key of a program. Only the prefix and a hash are kept; the secret is shown once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    secret_sha256 = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list, blank=True, help_text="Permissions of this key, such as conversations:write; see the permission matrix.")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    rotated_to = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="rotated_from", editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class TokenIssuer(TenantModel):
    """An external issuer whose bearer JWTs this tenant trusts: all for the audience, or those with `tenant_value` in `tenant_claim`.

    All rows of one issuer and audience name the same claim, so that no row can take tokens away from another.
    """

    issuer = models.CharField(max_length=300, validators=(URL,))
    audience = models.CharField(max_length=300)
    jwks_url = models.CharField(max_length=300, validators=(URL,))
    algorithms = models.JSONField(default=list, help_text="Allow-list, such as RS256, ES256. Never a symmetric algorithm.")
    role_claim = models.CharField(max_length=100, default="roles", help_text="Claim with the roles of this platform")
    tenant_claim = models.CharField(
        max_length=100, blank=True, help_text="Where several tenants share issuer and audience: the claim that tells them apart"
    )
    tenant_value = models.CharField(max_length=300, blank=True, help_text="What that claim says in tokens for this tenant")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("issuer", "audience", "tenant_claim", "tenant_value"), name="issuer_audience_value_once"),)
        ordering = ("issuer",)

    def __str__(self) -> str:
        return self.issuer


class AuditHead(models.Model):
    """The end of a tenant's audit chain. Appending locks this row; a chain whose last rows were cut off no longer ends here."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="+")
    number = models.PositiveBigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.tenant_id}: {self.number}"


class AuditEntry(TenantModel):
    """Append-only. Every row's `digest` covers the row and the digest before it in the same tenant."""

    number = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=200, help_text="user:<id>, key:<prefix>, client:<id>, jwt:<digest of the issuer>:<subject> or system")
    action = models.CharField(max_length=80)
    target_type = models.CharField(max_length=80)
    target_id = models.CharField(max_length=80)
    changes = models.JSONField(default=dict)
    previous_digest = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "number"), name="audit_number_once"),)
        ordering = ("tenant_id", "-number")
        indexes = (models.Index(fields=("tenant", "target_type", "target_id"), name="audit_target"),)
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.number} {self.action} {self.target_type}"
