"""Where events go: pages of endpoints, with their buttons."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from mcp_platform.admin_base import JsonField, ServiceForm, badge, mono, text_input
from mcp_platform.outbox import queries, services
from mcp_platform.outbox.core.catalogue import TYPES
from mcp_platform.outbox.models import Delivery, Endpoint
from mcp_platform.tenancy.pages import TenantPage, in_view, may, principal

KIND_VARIANTS = {Endpoint.Kind.WEBHOOK: "info", Endpoint.Kind.REDIS: "warning", Endpoint.Kind.KAFKA: "primary", Endpoint.Kind.ANALYTICS: "success"}
HEADERS_HELP = 'Sent with every request, kept sealed and never shown: {"Authorization": "Bearer …"}. null keeps the value that is stored.'


def in_trouble(request: HttpRequest) -> int:
    """For the sidebar: endpoints that fail, or were switched off because of it."""
    rows = in_view(request, Endpoint.objects.filter(Q(enabled=True, failures__gte=5) | ~Q(disabled_reason="")), "events:read")
    return int(rows.count())


class EndpointForm(ServiceForm):
    headers = JsonField(required=False, initial=dict, help_text=HEADERS_HELP)

    class Meta:
        model = Endpoint
        fields = ("name", "kind", "url", "types", "enabled", "timeout_ms", "max_attempts", "stream_length")
        widgets: ClassVar = {"url": text_input(placeholder="https://crm.example.com/hooks/mcp")}
        help_texts: ClassVar = {
            "types": f'Empty: all. Else a list of types and of beginnings: ["turn.finished", "conversation.*"]. There are {", ".join(TYPES)}.',
            "timeout_ms": "Milliseconds for the whole request, 100 to 30000",
            "max_attempts": "Then the event is dead; 12 take about ten hours.",
            "stream_length": "Redis streams only: about how many events the stream keeps.",
            "enabled": "Off: new events are not collected for it; what waits goes on when it is on again.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            self.fields["kind"].choices = [choice for choice in Endpoint.Kind.choices if choice[0] != Endpoint.Kind.ANALYTICS]  # type: ignore[attr-defined]
        if "headers" in self.fields and not self.instance._state.adding:
            self.fields["headers"].initial = dict.fromkeys(self.instance.header_names)


@admin.register(Endpoint)
class EndpointPage(TenantPage):
    permissions: ClassVar = {"view": "events:read", "add": "events:manage", "change": "events:manage", "delete": "events:manage"}
    form = EndpointForm
    list_display = ("name", "kind_of", "where", "wanted", "state", "waiting_count", "dead_count")
    list_filter = ("kind", "enabled")
    search_fields = ("name", "url")
    change_form_template = "outbox/endpoint.html"
    fields = ("name", "kind", "url", "types", "headers", "enabled", "timeout_ms", "max_attempts", "stream_length")
    add_fieldsets = (
        (
            None,
            {
                "fields": ("name", "kind", "url", "types", "headers", "timeout_ms", "max_attempts", "stream_length"),
                "description": "Webhooks are signed as Standard Webhooks; the secret is shown once, on the next page.",
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        return queries.with_counts(super().get_queryset(request))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.add_fieldsets if obj is None else super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        return ("name", "kind", "url", "types", "timeout_ms", "max_attempts", "stream_length") if obj.is_managed else ("kind",)

    @admin.display(description="Kind", ordering="kind")
    def kind_of(self, row: Endpoint) -> SafeString:
        return badge(row.get_kind_display(), KIND_VARIANTS.get(Endpoint.Kind(row.kind), ""))

    @admin.display(description="Address")
    def where(self, row: Endpoint) -> SafeString | str:
        return mono(row.url[:60]) if row.url else "set by the platform"

    @admin.display(description="Events")
    def wanted(self, row: Endpoint) -> SafeString | str:
        return format_html_join(" ", "{}", ((badge(name),) for name in row.types[:4])) if row.types else "all"

    @admin.display(description="State")
    def state(self, row: Endpoint) -> SafeString:
        return badge(*state_of(row))

    @admin.display(description="Waiting")
    def waiting_count(self, row: Any) -> SafeString | str:
        return _linked(row, "pending", row.waiting)

    @admin.display(description="Dead")
    def dead_count(self, row: Any) -> SafeString | str:
        return _linked(row, "dead", row.dead)

    def get_urls(self) -> list[Any]:
        guarded = self.admin_site.admin_view
        own = [
            path("<uuid:pk>/test/", guarded(self.test_button), name="outbox_endpoint_test"),
            path("<uuid:pk>/rotate/", guarded(self.rotate_button), name="outbox_endpoint_rotate"),
            path("<uuid:pk>/redeliver/", guarded(self.redeliver_button), name="outbox_endpoint_redeliver"),
            path("<uuid:pk>/switch/", guarded(self.switch_button), name="outbox_endpoint_switch"),
        ]
        return [*own, *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = {**(extra_context or {}), **(_overview(request, row) if isinstance(row, Endpoint) else {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        by, fields = principal(request, tenant), {name: value for name, value in form.cleaned_data.items() if name in form.fields}
        if change:
            changed = {name: fields[name] for name in form.changed_data if name in fields}
            saved, secret = services.change_endpoint(tenant, endpoint_id=obj.pk, fields=changed, by=by), ""
        else:
            saved, secret = services.create_endpoint(tenant, fields={**fields, "enabled": True}, by=by)
        obj.__dict__.update(saved.__dict__)
        request._endpoint_secret = secret  # type: ignore[attr-defined]  # shown by the answer to this very request

    def response_add(self, request: HttpRequest, obj: Endpoint, post_url_continue: Any = None) -> HttpResponse:
        secret = getattr(request, "_endpoint_secret", "")
        if secret:
            return self._secret_page(request, obj, secret)
        return HttpResponseRedirect(self.to("change", obj.pk))

    def delete_model(self, request: HttpRequest, obj: Endpoint) -> None:
        services.delete_endpoint(obj.tenant, endpoint_id=obj.pk, by=principal(request, obj.tenant))

    def _secret_page(self, request: HttpRequest, row: Endpoint, secret: str) -> HttpResponse:
        answer = self.show(request, "outbox/secret.html", title=row.name, object=row, row=row, secret=secret, onward=self.to("change", row.pk))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def test_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        made = services.send_test(row.tenant, endpoint_id=row.pk, by=principal(request, row.tenant))
        return HttpResponseRedirect(reverse("admin:outbox_delivery_change", args=(made.pk,)))

    def rotate_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        hours = request.POST.get("overlap_hours", "24")
        overlap = timedelta(hours=int(hours) if hours.isdecimal() and len(hours) < 5 else 24)
        made: list[tuple[Endpoint, str]] = []

        def rotate() -> None:
            made.append(services.rotate_secret(row.tenant, endpoint_id=row.pk, overlap=overlap, by=principal(request, row.tenant)))

        answer = self.perform(request, rotate, done="The old secret signs too until the overlap ends.", to=self.to("change", pk))
        return self._secret_page(request, *made[0]) if made else answer

    def redeliver_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        by = principal(request, row.tenant)
        return self.perform(
            request,
            lambda: services.redeliver_failed(row.tenant, endpoint_id=row.pk, by=by),
            done="What was given up is on its way again.",
            to=self.to("change", pk),
        )

    def switch_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        by, enabled = principal(request, row.tenant), not row.enabled
        return self.perform(
            request,
            lambda: services.change_endpoint(row.tenant, endpoint_id=row.pk, fields={"enabled": enabled}, by=by),
            done="Switched on: what waits goes on now." if enabled else "Switched off.",
            to=self.to("change", pk),
        )


def state_of(row: Endpoint) -> tuple[str, str]:
    if not row.enabled:
        return ("off: failing", "danger") if row.disabled_reason else ("off", "")
    if row.failures >= 5:
        return "failing", "danger"
    return ("retrying", "warning") if row.failures else ("well", "success")


def _linked(row: Endpoint, status: str, count: int) -> SafeString | str:
    if not count:
        return "–"
    to = f"{reverse('admin:outbox_delivery_changelist')}?endpoint={row.pk}&status__exact={status}"
    return format_html('<a class="mcp-link" href="{}">{}</a>', to, f"{count:,}")


def _overview(request: HttpRequest, row: Endpoint) -> dict[str, Any]:
    """What templates/outbox/endpoint.html shows above the form."""
    recent = Delivery.objects.for_tenant(row.tenant_id).filter(endpoint=row).select_related("event").order_by("-created_at", "-event_id")[:8]
    return {
        "row": row,
        "state": state_of(row),
        "recent": recent,
        "log_url": f"{reverse('admin:outbox_delivery_changelist')}?endpoint={row.pk}",
        "may_manage": may(request, "events:manage", row.tenant_id),
    }
