"""What is ours in issuing tokens: each belongs to a tenant and is for one resource; nobody gets one for a tenant they have left."""

from typing import Any

from django.db import transaction
from oauth2_provider.models import set_token_value
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.oauth2.rfc6749 import errors

from mcp_platform.oauth import queries
from mcp_platform.oauth.core import addresses, scopes
from mcp_platform.oauth.models import AccessToken, Authorization, Client, Code, RefreshToken
from mcp_platform.oauth.services import families
from mcp_platform.tenancy import credentials

# Of oauthlib's request, read from its dictionary only: asked for as attributes, a client's parameters of these names would answer.
TENANT = "mcp_tenant"
RESOURCE = "mcp_resource"
CHECKSUM = "mcp_code_checksum"


class Validator(OAuth2Validator):  # type: ignore[misc]  # untyped
    def _check_secret(self, provided_secret: str, stored_secret: str) -> bool:
        return bool(stored_secret) and credentials.matches(provided_secret, stored_secret)

    def validate_scopes(self, client_id: str, asked: list[str], client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
        kept = [name for name in asked if name not in scopes.FOREIGN]
        asked[:] = kept or queries.default_scopes_of(client)
        return bool(super().validate_scopes(client_id, asked, client, request, *args, **kwargs))

    def validate_code(self, client_id: str, code: str, client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
        found = Code.objects.select_related("tenant", "user").filter(code=code, application=client).first()
        if found is None:
            families.end_of_code(client, code)  # used before: one of the two who have it has stolen it
            return False
        request.__dict__.update({TENANT: found.tenant, CHECKSUM: families.checksum(code)})
        return bool(super().validate_code(client_id, code, client, request)) and bool(queries.let(found.user, found.tenant, client))

    def _create_authorization_code(self, request: Any, code: dict[str, str], expires: Any = None) -> Code:
        if request.code_challenge_method != "S256":
            raise errors.InvalidRequestError(description="code_challenge_method must be S256.", request=request)
        made: Code = Code.objects.create(
            tenant=request.__dict__[TENANT],
            application=request.client,
            user=request.user,
            code=code["code"],
            expires=expires or queries.code_expiry(),
            redirect_uri=request.redirect_uri,
            scope=" ".join(request.scopes),
            code_challenge=request.code_challenge,
            code_challenge_method=request.code_challenge_method,
            resource=[request.__dict__[RESOURCE]],
        )
        return made

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
        families.note_reuse(client, refresh_token)
        if not super().validate_refresh_token(refresh_token, client, request):
            return False
        found: RefreshToken = request.refresh_token_instance
        request.__dict__[TENANT] = found.tenant
        return bool(self.get_original_scopes(refresh_token, request))

    def get_original_scopes(self, refresh_token: str, request: Any, *args: Any, **kwargs: Any) -> list[str]:
        """Those of the token that the person would still give."""
        found: RefreshToken = request.refresh_token_instance
        kept = queries.let(found.user, found.tenant, found.application)
        return [name for name in scopes.parse(super().get_original_scopes(refresh_token, request)) if name in kept]

    def save_bearer_token(self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any) -> Any:
        """No token for who takes it back at this moment: the authorization is held, before the rows that taking back ends."""
        with transaction.atomic():
            if request.grant_type != "client_credentials" and not self._held(request):
                raise errors.InvalidGrantError(request=request)
            return super().save_bearer_token(token, request, *args, **kwargs)

    def _held(self, request: Any) -> bool:
        rows = Authorization.objects.for_tenant(request.__dict__[TENANT]).select_for_update()
        return rows.filter(client=request.client, user=request.user, revoked_at=None).first() is not None

    def _check_and_set_request_resource(self, request: Any) -> None:
        """One resource for one token, and one of ours: its address must equal what the resource is asked under."""
        super()._check_and_set_request_resource(request)
        base = base_of(request)
        wanted = request.resource or [base + addresses.MCP]
        if len(wanted) != 1 or not addresses.is_resource(wanted[0], base):
            raise errors.CustomOAuth2Error(error="invalid_target", description=f"The resource must be {base + addresses.MCP}.", request=request)
        request.resource = wanted

    def _create_access_token(self, expires: Any, request: Any, token: dict[str, Any], source_refresh_token: Any = None) -> AccessToken:
        made = AccessToken(
            tenant=_tenant_of(request),
            user=request.user,
            scope=token["scope"],
            expires=expires,
            application=request.client,
            source_refresh_token=source_refresh_token,
            resource=request.resource,
        )
        set_token_value(made, token["access_token"])
        made.save()
        families.note_issued(made, grant_type=request.grant_type)
        return made

    def _create_refresh_token(self, request: Any, refresh_token_code: str, access_token: Any, previous_refresh_token: Any) -> RefreshToken:
        made = RefreshToken(
            tenant=access_token.tenant,
            user=request.user,
            application=request.client,
            access_token=access_token,
            token_family=previous_refresh_token.token_family if previous_refresh_token else families.new(),
            resource=request.resource,
            code_checksum=request.__dict__.get(CHECKSUM, ""),
        )
        set_token_value(made, refresh_token_code)
        made.save()
        return made


def base_of(request: Any) -> str:
    """Our address, of a request of oauthlib."""
    return queries.base_of(str(request.headers.get("HTTP_HOST", "")), secure="X_DJANGO_OAUTH_TOOLKIT_SECURE" in request.headers)


def _tenant_of(request: Any) -> Any:
    """Of the code or the refresh token; a client that comes for itself is in the tenant that has registered it."""
    client: Client = request.client
    return client.tenant if request.grant_type == "client_credentials" else request.__dict__[TENANT]
