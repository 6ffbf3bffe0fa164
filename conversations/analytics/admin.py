"""Numbers of flows: the list, and one flow with its funnel, days, latency, slots, intents and integrations."""

from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conversations.analytics import drawing, queries
from conversations.analytics.looking import view_of
from conversations.analytics.models import FlowAnalytics
from conversations.analytics.queries import View, last_days
from mcp_platform.admin_base import tell
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.pages import TenantPage, may

RANGES = (7, 28, 90)


@admin.register(FlowAnalytics)
class AnalyticsPage(TenantPage):
    permissions: ClassVar = {"view": "metrics:read"}
    change_form_template = "analytics/flow.html"
    list_display = ("name", "key", "starts", "completed", "rate", "handed_over")
    search_fields = ("name", "flow_id")
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[FlowAnalytics]:
        return super().get_queryset(request).filter(archived_at=None)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        more = {"title": "Analytics", "subtitle": f"The last {queries.DAYS} days"}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        rows = list(found.result_list)
        view = last_days(timezone.now().date())
        totals = queries.flow_totals({row.tenant_id for row in rows}, {row.pk for row in rows}, view)
        for row in rows:
            row.totals = totals.get(row.pk, {})
        found.result_list = rows
        return found

    @admin.display(description="Flow id", ordering="flow_id")
    def key(self, row: Any) -> SafeString:
        return format_html('<code class="mcp-mono">{}</code>', row.flow_id)

    @admin.display(description="Begun")
    def starts(self, row: Any) -> str:
        return f"{row.totals.get('starts', 0):,}"

    @admin.display(description="Completed")
    def completed(self, row: Any) -> str:
        return f"{row.totals.get('completed', 0):,}"

    @admin.display(description="Completion rate")
    def rate(self, row: Any) -> str:
        return drawing.percent(row.totals.get("completion_rate"))

    @admin.display(description="Handed over")
    def handed_over(self, row: Any) -> str:
        return f"{row.totals.get('handoffs', 0):,}"

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None or not _is_id(object_id):
            return super().changeform_view(request, object_id, form_url, extra_context)
        flow = self.mine(request, object_id)
        today = timezone.now().date()
        try:
            view = view_of(request.GET.dict(), today)
        except PlatformError as error:
            tell(request, error)
            view = last_days(today)
        return self._numbers(request, flow, view)

    def _numbers(self, request: HttpRequest, flow: Any, view: View) -> HttpResponse:
        tenant_id = flow.tenant_id
        found, rows = queries.overview(tenant_id, flow, view), queries.by_day(tenant_id, flow, view)
        version, numbers = queries.drawn_version(flow, view), queries.funnel(tenant_id, flow, view)
        offered = queries.choices(tenant_id, flow)
        seen = bool(found["starts"] or found["called_as_sub_flow"] or found["migrated_in"] or found["latency_ms"]["count"])
        return self.show(
            request,
            self.change_form_template,
            title=flow.name,
            object=flow,
            flow=flow,
            view=view,
            seen=seen,
            ever=bool(offered["versions"]),
            counted_at=queries.counted_at(tenant_id),
            choices=offered,
            ranges=[{"days": days, "to": "?" + self._query(view, days), "chosen": (view.until - view.since).days + 1 == days} for days in RANGES],
            cards=cards(found),
            found=found,
            days=drawing.days(rows),
            spent=drawing.line(rows, ("p95_ms", "p50_ms")),
            version=version,
            graph=drawing.funnel(queries.definition_of(version), numbers) if version is not None else None,
            funnel=numbers,
            worst=[row for row in sorted(numbers["states"], key=lambda row: -row["stopped"]) if row["stopped"]][:5],
            latency=drawing.histogram([(_bound(one["up_to"]), one["count"]) for one in found["latency_ms"]["buckets"]]),
            confidence=drawing.histogram([(one["lower"], one["count"]) for one in found["confidence"]]),
            scores=drawing.histogram([(f"{one['score']:g}/{one['scale']}", one["count"]) for one in found["satisfaction"]["scores"]]),
            versions=queries.by_version(tenant_id, flow, view),
            flow_url=reverse("admin:flows_flow_change", args=(flow.pk,)) if may(request, "flows:read", tenant_id) else "",
            try_url=self._try_url(request, flow),
        )

    def _query(self, view: View, days: int) -> str:
        since = last_days(timezone.now().date(), days).since
        chosen = {"since": since.isoformat(), "version": view.version or "", "environment": view.environment, "channel": view.channel}
        return urlencode({name: value for name, value in chosen.items() if value})

    def _try_url(self, request: HttpRequest, flow: Any) -> str:
        if not may(request, "conversations:write", flow.tenant_id):
            return ""
        return f"{reverse('admin:conversations_conversation_try')}?{urlencode({'flow': flow.flow_id, 'tenant': flow.tenant.slug})}"


def cards(found: dict[str, Any]) -> list[dict[str, Any]]:
    spent, rated = found["latency_ms"], found["satisfaction"]
    return [
        {"title": "Begun", "value": f"{found['starts']:,}", "note": f"{found['not_ended']:,} not ended"},
        {"title": "Completed", "value": drawing.percent(found["completion_rate"]), "note": f"{found['completed']:,} sessions"},
        {"title": "Handed over", "value": drawing.percent(found["handoff_rate"]), "note": f"{found['handoffs']:,} to a person"},
        {"title": "Not understood", "value": f"{found['missed']:,}", "note": f"{found['escalated']:,} escalated"},
        {"title": "95th percentile", "value": drawing.milliseconds(spent["p95"]), "note": f"median {drawing.milliseconds(spent['p50'])}"},
        {
            "title": "Satisfaction",
            "value": f"{rated['mean']:g}" if rated["mean"] is not None else drawing.percent(rated["mean_share"]),
            "note": f"{rated['answers']:,} answers" if rated["answers"] else "nobody has answered yet",
        },
    ]


def _bound(up_to: int | None) -> str:
    return "more" if up_to is None else f"{up_to}" if up_to < 1000 else f"{up_to / 1000:g}s"


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
