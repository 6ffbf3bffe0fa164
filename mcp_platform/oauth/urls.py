"""`urlpatterns` are mounted at /api/v1/, `public` at the root: their addresses are given by the standards, or told by the documents."""

from django.urls import path

from mcp_platform.oauth import api
from mcp_platform.oauth.core import documents
from mcp_platform.oauth.pages import consent, endpoints

urlpatterns = [
    path("oauth-clients", api.ClientsView.as_view(), name="oauth-clients"),
    path("oauth-clients/<int:client_pk>", api.ClientView.as_view(), name="oauth-client"),
    path("oauth-clients/<int:client_pk>/rotate-secret", api.ClientSecretView.as_view(), name="oauth-client-rotate-secret"),
    path("oauth-authorizations", api.AuthorizationsView.as_view(), name="oauth-authorizations"),
    path("oauth-authorizations/<int:authorization_pk>", api.AuthorizationView.as_view(), name="oauth-authorization"),
]
public = [
    path(".well-known/oauth-protected-resource", endpoints.resource_metadata, name="oauth-resource-metadata"),
    path(".well-known/oauth-protected-resource/<path:path>", endpoints.resource_metadata),
    path(".well-known/oauth-authorization-server", endpoints.server_metadata, name="oauth-server-metadata"),
    path(documents.AUTHORIZE.lstrip("/"), consent.authorize, name="oauth-authorize"),
    path(documents.TOKEN.lstrip("/"), endpoints.token, name="oauth-token"),
    path(documents.REVOKE.lstrip("/"), endpoints.revoke, name="oauth-revoke"),
    path(documents.REGISTER.lstrip("/"), endpoints.register, name="oauth-register"),
    path("oauth/programs", consent.mine, name="oauth-programs"),
]
