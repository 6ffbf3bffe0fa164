"""Mounted at /api/v1/."""

from django.urls import path

from mcp_platform.tenancy import api

urlpatterns = [
    path("tenant", api.TenantView.as_view(), name="tenant"),
    path("members", api.MembersView.as_view(), name="members"),
    path("members/<int:member_id>", api.MemberView.as_view(), name="member"),
    path("api-keys", api.ApiKeysView.as_view(), name="api-keys"),
    path("api-keys/<uuid:key_id>", api.ApiKeyView.as_view(), name="api-key"),
    path("api-keys/<uuid:key_id>/rotate", api.ApiKeyRotationView.as_view(), name="api-key-rotate"),
    path("api-keys/<uuid:key_id>/revoke", api.ApiKeyRevocationView.as_view(), name="api-key-revoke"),
    path("issuers", api.IssuersView.as_view(), name="issuers"),
    path("issuers/<int:issuer_id>", api.IssuerView.as_view(), name="issuer"),
    path("audit", api.AuditView.as_view(), name="audit"),
    path("audit/verification", api.AuditVerificationView.as_view(), name="audit-verification"),
    path("ws-tickets", api.TicketsView.as_view(), name="ws-tickets"),
]
