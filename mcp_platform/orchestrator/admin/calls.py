"""Every request that was made to a server: to look at, never to change."""

from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge, mono
from mcp_platform.orchestrator.models import ServerCall
from mcp_platform.tenancy.pages import TenantPage

OUTCOMES = {"ok": "success", "tool_error": "warning", "cancelled": "", "refused": "warning"}


@admin.register(ServerCall)
class ServerCallPage(TenantPage):
    empty_icon = "call_made"
    empty_says = "No other server was asked for anything yet. Every call is listed here: who, which tool, how it ended; never what was said."
    permissions: ClassVar = {"view": "servers:read"}
    list_display = ("at", "server", "what", "ended", "took", "actor", "via", "correlation")
    list_display_links = ("at", "what")
    list_filter = ("outcome", "kind", "server")
    search_fields = ("name", "actor", "correlation_id", "server")

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        return [field.name for field in ServerCall._meta.fields if field.name not in ("id", "tenant")]

    @admin.display(description="What", ordering="name")
    def what(self, row: ServerCall) -> SafeString:
        return mono(row.name[:80])

    @admin.display(description="Outcome", ordering="outcome")
    def ended(self, row: ServerCall) -> SafeString:
        return badge(row.get_outcome_display(), OUTCOMES.get(row.outcome, "danger"), title=row.error)

    @admin.display(description="Took", ordering="duration_ms")
    def took(self, row: ServerCall) -> str:
        return f"{row.duration_ms} ms"

    @admin.display(description="Correlation")
    def correlation(self, row: ServerCall) -> SafeString:
        return mono(row.correlation_id[:24])
