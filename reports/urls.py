"""Mounted at /api/v1/."""

from django.urls import path

from reports.api import certificates, looks, schedules
from reports.api import reports as api

urlpatterns = [
    path("reports", api.ReportsView.as_view(), name="reports"),
    path("reports/<uuid:report_id>", api.ReportView.as_view(), name="report"),
    path("reports/<uuid:report_id>/render", api.AgainView.as_view(), name="report-render"),
    path("reports/<uuid:report_id>/revisions", api.RevisionView.as_view(), name="report-revise"),
    path("reports/<uuid:report_id>/files/<slug:name>", api.FileView.as_view(), name="report-file"),
    path("reports/<uuid:report_id>/files/<slug:name>/link", api.LinkView.as_view(), name="report-file-link"),
    path("reports/branding", looks.BrandingsView.as_view(), name="report-brandings"),
    path("reports/branding/<uuid:branding_id>", looks.BrandingView.as_view(), name="report-branding"),
    path("reports/branding/<uuid:branding_id>/logo", looks.LogoView.as_view(), name="report-branding-logo"),
    path("reports/templates", looks.TemplatesView.as_view(), name="report-templates"),
    path("reports/templates/<uuid:report_template_id>", looks.TemplateView.as_view(), name="report-template"),
    path("reports/schedules", schedules.SchedulesView.as_view(), name="report-schedules"),
    path("reports/schedules/<uuid:schedule_id>", schedules.ScheduleView.as_view(), name="report-schedule"),
    path("reports/schedules/<uuid:schedule_id>/run", schedules.RunNowView.as_view(), name="report-schedule-run"),
    path("reports/schedules/<uuid:schedule_id>/occasions", schedules.OccasionsView.as_view(), name="report-schedule-occasions"),
    path("reports/certificates", certificates.CertificatesView.as_view(), name="report-certificates"),
    path("reports/certificates/<uuid:certificate_id>", certificates.CertificateView.as_view(), name="report-certificate"),
    path("reports/policy", certificates.PolicyView.as_view(), name="report-policy"),
    path("verify/<str:token>", api.VerifyView.as_view(), name="report-verify"),
]
