"""Mounted at /api/v1/."""

from django.urls import path

from mcp_platform.ml import api

urlpatterns = [
    path("models", api.ModelsView.as_view(), name="models"),
    path("models/<uuid:model_id>", api.ModelView.as_view(), name="model"),
    path("models/<uuid:model_id>/promote", api.ModelPromotionView.as_view(), name="model-promote"),
    path("models/<uuid:model_id>/rollback", api.ModelRollbackView.as_view(), name="model-rollback"),
    path("models/<uuid:model_id>/reject", api.ModelRejectionView.as_view(), name="model-reject"),
]
