"""Mounted at /api/v1/."""

from django.urls import path

from mcp_platform.ml import api

urlpatterns = [
    path("models", api.ModelsView.as_view(), name="models"),
    path("models/registry", api.ModelRegistryView.as_view(), name="model-registry"),
    path("models/<uuid:model_id>", api.ModelView.as_view(), name="model"),
    path("models/<uuid:model_id>/promote", api.ModelPromotionView.as_view(), name="model-promote"),
    path("models/<uuid:model_id>/rollback", api.ModelRollbackView.as_view(), name="model-rollback"),
    path("models/<uuid:model_id>/reject", api.ModelRejectionView.as_view(), name="model-reject"),
    path("models/<uuid:model_id>/shadow", api.ModelShadowView.as_view(), name="model-shadow"),
    path("models/<uuid:model_id>/comparison", api.ModelComparisonView.as_view(), name="model-comparison"),
    path("models/<uuid:model_id>/drift", api.ModelDriftView.as_view(), name="model-drift"),
    path("models/<uuid:model_id>/card", api.ModelCardView.as_view(), name="model-card"),
    path("models/<uuid:model_id>/export", api.ModelExportView.as_view(), name="model-export"),
]
