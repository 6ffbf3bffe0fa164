"""Tools of connected servers: what was approved, what has changed since, and a form to call one."""

import json
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.safestring import SafeString

from mcp_platform.admin_base import JsonField, badge, mono, pretty, tell
from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator import services
from mcp_platform.orchestrator.core import drift
from mcp_platform.orchestrator.core.answers import Answer
from mcp_platform.orchestrator.models import UpstreamTool
from mcp_platform.tenancy.pages import TenantPage, may, principal

STATUSES = {"new": "warning", "approved": "success", "changed": "warning", "rejected": "danger"}
HINTS = (("readOnlyHint", "only reads", "success"), ("idempotentHint", "may be repeated", "info"), ("destructiveHint", "destroys", "danger"))


class CallForm(forms.Form):
    arguments = JsonField(required=False, initial=dict)


@admin.register(UpstreamTool)
class UpstreamToolPage(TenantPage):
    empty_icon = "construction"
    empty_says = "No server has told of its tools yet. Connect one under MCP servers, and check it."
    permissions: ClassVar = {"view": "servers:read", "decide": "servers:write", "use": "servers:use"}
    list_display = ("name", "of_server", "called", "state", "seen")
    list_filter = ("status",)
    list_select_related = ("tenant", "server")
    search_fields = ("name", "offered_name", "server__slug")
    change_form_template = "orchestrator/tool.html"

    @admin.display(description="Server", ordering="server__slug")
    def of_server(self, row: UpstreamTool) -> SafeString:
        return mono(row.server.slug)

    @admin.display(description="Called here", ordering="offered_name")
    def called(self, row: UpstreamTool) -> SafeString | str:
        return mono(row.offered_name) if row.offered_name else "–"

    @admin.display(description="State", ordering="status")
    def state(self, row: UpstreamTool) -> SafeString:
        return badge("gone", "danger") if row.missing_since else badge(row.status, STATUSES.get(row.status, ""))

    @admin.display(description="Last seen", ordering="last_seen_at")
    def seen(self, row: UpstreamTool) -> str:
        return f"{row.last_seen_at:%Y-%m-%d %H:%M}"

    def get_urls(self) -> list[Any]:
        guarded = self.admin_site.admin_view
        return [
            path("<uuid:pk>/approve/", guarded(self.approve_button), name="orchestrator_upstreamtool_approve"),
            path("<uuid:pk>/reject/", guarded(self.reject_button), name="orchestrator_upstreamtool_reject"),
            path("<uuid:pk>/call/", guarded(self.call_button), name="orchestrator_upstreamtool_call"),
            *super().get_urls(),
        ]

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404("Tools are listed by their servers.")
        return self._page(request, self.mine(request, _uuid(object_id)), CallForm())

    def _page(self, request: HttpRequest, row: UpstreamTool, form: CallForm, answer: Answer | None = None) -> HttpResponse:
        shown = row.definition if row.approved_hash else row.seen_definition
        told = shown.get("annotations") or {}
        return self.show(
            request,
            self.change_form_template,
            title=row.name,
            object=row,
            row=row,
            variant=STATUSES.get(row.status, ""),
            usable=services.is_callable(row),
            description=shown.get("description", ""),
            hints=[(text, variant) for name, text, variant in HINTS if told.get(name) is True],
            schema=pretty(shown.get("inputSchema") or {}),
            output=pretty(shown["outputSchema"]) if shown.get("outputSchema") else "",
            changes=_changes(row),
            form=form,
            answer=_shown(answer) if answer is not None else None,
            may_decide=may(request, "servers:write", row.tenant_id),
            may_use=may(request, "servers:use", row.tenant_id),
        )

    def approve_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "decide")
        by, looked_at = principal(request, row.tenant), request.POST.get("seen_hash", "")
        return self.perform(
            request,
            lambda: services.approve(row.tenant, tool_id=row.pk, seen_hash=looked_at, by=by),
            done=f"{row.name} is approved as it is now.",
            to=self.to("change", pk),
        )

    def reject_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "decide")
        by = principal(request, row.tenant)
        return self.perform(
            request, lambda: services.reject(row.tenant, tool_id=row.pk, by=by), done=f"{row.name} is not called any more.", to=self.to("change", pk)
        )

    def call_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self.mine(request, pk, "use")
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        form = CallForm(request.POST)
        if not form.is_valid():
            return self._page(request, row, form)
        by = principal(request, row.tenant)
        try:
            arguments = form.cleaned_data["arguments"] or {}
            answer = services.use(row.tenant, server=row.server.slug, tool=row.name, arguments=arguments, actor=by.actor, via="admin")
        except PlatformError as error:
            tell(request, error)
            return self._page(request, row, form)
        return self._page(request, row, form, answer)


def _changes(row: UpstreamTool) -> list[dict[str, Any]]:
    if not row.approved_hash or row.approved_hash == row.seen_hash:
        return []
    found = drift.changes(row.definition, row.seen_definition)
    return [{"path": one["path"], "before": _text(one["before"]), "after": _text(one["after"])} for one in found]


def _text(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)


def _shown(answer: Answer) -> dict[str, Any]:
    return {
        "variant": "danger" if answer.is_error else "success",
        "word": "the tool failed" if answer.is_error else "done",
        "ms": answer.duration_ms,
        "data": pretty(answer.plain()),
        "blocks": [block for block in answer.content if block.get("type") != "text"],
    }


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as fault:
        raise Http404("There is no such tool.") from fault
