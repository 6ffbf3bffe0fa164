"""Mounted at /api/v1/."""

from django.urls import path

from mcp_platform.operations import api

urlpatterns = [
    path("operations", api.OperationsView.as_view(), name="operations"),
    path("operations/<uuid:operation_id>", api.OperationView.as_view(), name="operation"),
    path("operations/<uuid:operation_id>/cancel", api.OperationCancelView.as_view(), name="operation-cancel"),
]
