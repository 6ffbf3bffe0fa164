"""Who may get tokens, who has let them, and the tokens. The tables of django-oauth-toolkit, each row with its tenant.

A client that a tenant has registered belongs to it. One that names itself by the address of its metadata document belongs to nobody (`tenant` is
empty, so that row-level security hides it from every tenant): what it may do in a tenant is an Authorization there, which a person has given.
"""

from typing import Any, ClassVar

from django.db import models
from oauth2_provider.models import AbstractAccessToken, AbstractApplication, AbstractGrant, AbstractRefreshToken

from mcp_platform.tenancy.models import Tenant, TenantModel, TenantQuerySet, User


class Client(AbstractApplication):  # type: ignore[misc]  # django-oauth-toolkit is untyped
    """`client_secret` holds a SHA-256 of 256 random bits; it is empty for clients that prove themselves with PKCE alone."""

    user = None  # clients belong to tenants
    client_secret = models.CharField(max_length=64, blank=True, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    scopes = models.JSONField(default=list, blank=True, help_text="What it may ask for. Empty: everything that clients may ask for at all.")
    hash_client_secret = models.BooleanField(
        default=False, editable=False
    )  # it is a digest already; the library's slow one helps nobody with random bits
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False)

    objects: ClassVar[Any] = TenantQuerySet.as_manager()

    class Meta:
        ordering = ("-created",)
        verbose_name = "OAuth client"

    def __str__(self) -> str:
        return str(self.name or self.client_id)

    def clean(self) -> None:
        """The services look, with words of their own; a metadata document was looked at when it was read."""

    def is_usable(self, request: Any) -> bool:
        return self.withdrawn_at is None and (self.tenant_id is None or bool(self.tenant and self.tenant.is_active))

    def get_allowed_schemes(self) -> list[str]:
        """Of the addresses that were checked when the client was registered."""
        return sorted({uri.partition(":")[0].lower() for uri in self.redirect_uris.split()})


class Authorization(TenantModel):
    """A person has let a client act for them in a tenant: what for, until it is taken back."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="authorizations")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    renewed_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "client", "user"), name="oauth_authorization_once"),)
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.user}, {self.created_at:%Y-%m-%d}"  # not the client: a tenant does not see those that belong to nobody


class Code(TenantModel, AbstractGrant):  # type: ignore[misc]  # untyped
    """An authorization code, good for one minute and once."""

    objects: ClassVar[Any] = TenantQuerySet.as_manager()


class AccessToken(TenantModel, AbstractAccessToken):  # type: ignore[misc]  # untyped
    """Of the token itself only a SHA-256 is kept. `resource` is a list with the one address that it is for."""

    id_token = None  # OpenID Connect is not spoken here

    objects: ClassVar[Any] = TenantQuerySet.as_manager()


class RefreshToken(TenantModel, AbstractRefreshToken):  # type: ignore[misc]  # untyped
    """`code_checksum`: of the code that began its family; who brings that code a second time ends the family."""

    code_checksum = models.CharField(max_length=64, blank=True, db_index=True)

    objects: ClassVar[Any] = TenantQuerySet.as_manager()

    class Meta(AbstractRefreshToken.Meta):  # type: ignore[misc]  # untyped
        abstract = False
