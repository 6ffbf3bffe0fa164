"""Turns that were given up: the list, and two buttons for the chosen ones."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conversations import dead
from conversations.models import DeadTurn, Turn
from mcp_platform.admin_base import badge, mono, tell
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.pages import TenantPage, in_view, principal


def unresolved(request: HttpRequest) -> int:
    """The badge in the sidebar."""
    return in_view(request, Turn.objects.filter(status=Turn.Status.DEAD, dead_turn=None), "conversations:operate").count()


class LookedAt(admin.SimpleListFilter):
    title = "decision"
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("none", "Nobody has looked yet"), *DeadTurn.Action.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Turn]) -> QuerySet[Turn]:
        if self.value() is None:
            return queryset
        return queryset.filter(dead_turn=None) if self.value() == "none" else queryset.filter(dead_turn__action=self.value())


@admin.register(Turn)
class DeadTurnsPage(TenantPage):
    permissions: ClassVar = {"view": "conversations:operate", "operate": "conversations:operate"}
    list_display = ("what", "kind", "fault", "attempts", "finished_at", "decision")
    list_filter = (LookedAt, "kind")
    list_select_related = ("tenant", "conversation", "dead_turn")
    search_fields = ("conversation__flow_key", "client_message_id")
    ordering = ("-finished_at",)
    actions = ("say_again", "bury")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Turn]:
        rows: QuerySet[Turn] = super().get_queryset(request)
        return rows.filter(status=Turn.Status.DEAD).defer("request", "reply", "trace", "conversation__snapshot")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        shown: HttpResponse = super().changelist_view(request, {**(extra_context or {}), "title": "Dead turns"})
        return shown

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        """A turn is read in its conversation."""
        found = self.mine(request, object_id)
        return HttpResponseRedirect(reverse("admin:conversations_conversation_change", args=(found.conversation_id,)) + f"#turn-{found.number}")

    @admin.display(description="Turn", ordering="conversation__flow_key")
    def what(self, row: Turn) -> SafeString:
        return format_html(
            '<span class="mcp-title">{}</span><span class="mcp-below">turn {} of {}</span>',
            row.conversation.flow_key,
            row.number,
            str(row.conversation_id)[:8],
        )

    @admin.display(description="Fault")
    def fault(self, row: Turn) -> SafeString:
        return mono((row.error or {}).get("error_code", "–"))

    @admin.display(description="Decision")
    def decision(self, row: Turn) -> SafeString:
        done = getattr(row, "dead_turn", None)
        if done is None:
            return badge("open", "danger")
        again = f" as turn {done.retried_as}" if done.retried_as else ""
        return badge(f"{done.action}{again}", "info", title=f"{done.by}, {done.at:%Y-%m-%d %H:%M}")

    @admin.action(description="Say again, in a worker")
    def say_again(self, request: HttpRequest, queryset: QuerySet[Turn]) -> None:
        self._decide(request, queryset, dead.retry, "are said again")

    @admin.action(description="Bury: nothing is to be done")
    def bury(self, request: HttpRequest, queryset: QuerySet[Turn]) -> None:
        self._decide(request, queryset, dead.bury, "are buried")

    def _decide(self, request: HttpRequest, queryset: QuerySet[Turn], decide: Callable[..., Any], done: str) -> None:
        count = 0
        for row in queryset.select_related("tenant"):
            tenant: Tenant = row.tenant
            by = principal(request, tenant)
            by.require("conversations:operate")
            try:
                decide(tenant, turn_id=row.pk, by=by.actor)
            except PlatformError as error:
                tell(request, error)
            else:
                count += 1
        if count:
            messages.success(request, f"{count} {done}.")
