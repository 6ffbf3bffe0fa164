"""Mounted at /api/v1/."""

from django.urls import path

from mcp_platform.vault import api

urlpatterns = [
    path("secrets", api.SecretsView.as_view(), name="secrets"),
    path("secrets/<str:secret_name>", api.SecretView.as_view(), name="secret"),
    path("secrets/<str:secret_name>/rotate", api.SecretRotationView.as_view(), name="secret-rotate"),
]
