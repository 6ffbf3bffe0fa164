"""Every HTTP route, in one list."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from conversations import webchat
from mcp_platform import composition, health
from mcp_platform.oauth import urls as oauth
from reports import pages as report_pages
from validation.api import live

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(url="/admin/"), name="home"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("mcp_platform.tenancy.urls")),
    path("api/v1/", include("mcp_platform.operations.urls")),
    path("api/v1/", include("mcp_platform.vault.urls")),
    path("api/v1/", include("mcp_platform.ml.urls")),
    path("api/v1/", include("mcp_platform.metadata.urls")),
    path("api/v1/", include("mcp_platform.outbox.urls")),
    path("api/v1/", include("mcp_platform.oauth.urls")),
    path("api/v1/", include("mcp_platform.orchestrator.urls")),
    path("api/v1/", include("flows.urls")),
    path("api/v1/", include("experiments.urls")),
    path("api/v1/", include("conversations.urls")),
    path("api/v1/", include("conversations.analytics.urls")),
    path("api/v1/", include("validation.urls")),
    path("api/v1/", include("reports.urls")),
    *oauth.public,
    path("", include("mcp_platform.mcp.urls")),
    path("verify/<str:token>", report_pages.verify, name="reports-verify"),
    path("reports/file/<str:sealed>", report_pages.link, name="report-link"),
    path("api/schema", SpectacularAPIView.as_view(permission_classes=[], authentication_classes=[]), name="schema"),
    path("api/asyncapi/validation.yaml", live.asyncapi, name="validation-asyncapi"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema", permission_classes=[], authentication_classes=[]), name="docs"),
    path("chat/<slug:public_id>/", webchat.page, name="chat"),
    path("chat/<slug:public_id>/session", webchat.session, name="chat-session"),
    path("chat/<slug:public_id>/embed.js", webchat.embed, name="chat-embed"),
    path("livez", health.live),
    path("readyz", health.ready),
    path("health", health.health),
    path("health/detailed", health.detailed),
]
if settings.ENABLE_METRICS:
    urlpatterns.append(path("metrics", composition.metrics, name="metrics"))

handler400 = "mcp_platform.rest.bad_request"
handler403 = "mcp_platform.rest.forbidden"
handler404 = "mcp_platform.rest.not_found"
handler500 = "mcp_platform.rest.server_error"
