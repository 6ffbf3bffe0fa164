"""Mounted at /api/v1/."""

from django.urls import path

from conversations.analytics import api

urlpatterns = [
    path("analytics/flows", api.FlowsAnalyticsView.as_view(), name="analytics-flows"),
    path("analytics/flows/<str:flow_id>", api.OverviewView.as_view(), name="analytics-overview"),
    path("analytics/flows/<str:flow_id>/funnel", api.FunnelView.as_view(), name="analytics-funnel"),
    path("analytics/flows/<str:flow_id>/days", api.DaysView.as_view(), name="analytics-days"),
    path("analytics/flows/<str:flow_id>/versions", api.VersionsView.as_view(), name="analytics-versions"),
]
