"""Mounted at /api/v1/."""

from django.urls import path

from reports import api

urlpatterns = [
    path("reports", api.ReportsView.as_view(), name="reports"),
    path("reports/<uuid:report_id>", api.ReportView.as_view(), name="report"),
    path("reports/<uuid:report_id>/render", api.AgainView.as_view(), name="report-render"),
    path("reports/<uuid:report_id>/files/<slug:name>", api.FileView.as_view(), name="report-file"),
    path("reports/<uuid:report_id>/files/<slug:name>/link", api.LinkView.as_view(), name="report-file-link"),
    path("verify/<str:token>", api.VerifyView.as_view(), name="report-verify"),
]
