"""What became of each event at each endpoint; the dead ones are the dead letter."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge, mono, pretty
from mcp_platform.outbox import services
from mcp_platform.outbox.models import Delivery, Endpoint
from mcp_platform.outbox.serializers import event_of
from mcp_platform.tenancy.pages import TenantPage, in_view, may, principal

VARIANTS = {"pending": "info", "sending": "info", "delivered": "success", "dead": "danger"}


class EndpointFilter(admin.SimpleListFilter):
    """Names of the person's own tenants only."""

    title = "endpoint"
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in in_view(request, Endpoint.objects.all(), "events:read").values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        wanted = self.value() or ""
        return queryset.filter(endpoint_id=wanted) if _is_id(wanted) else queryset


@admin.register(Delivery)
class DeliveryPage(TenantPage):
    permissions: ClassVar = {"view": "events:read", "send": "events:manage"}
    list_display = ("created_at", "what", "endpoint", "state", "attempts", "answer", "subject")
    list_display_links = ("created_at", "what")
    list_filter = ("status", "type", EndpointFilter)
    list_select_related = ("tenant", "endpoint", "event")
    search_fields = ("key", "event__event_id", "event__subject")
    change_form_template = "outbox/delivery.html"

    @admin.display(description="Event", ordering="type")
    def what(self, row: Delivery) -> SafeString:
        return mono(row.type)

    @admin.display(description="State", ordering="status")
    def state(self, row: Delivery) -> SafeString:
        return badge(row.status, VARIANTS.get(row.status, ""), title=row.last_error)

    @admin.display(description="Last answer", ordering="last_status")
    def answer(self, row: Delivery) -> SafeString | str:
        return str(row.last_status) if row.last_status else (row.last_error[:40] or "–")

    @admin.display(description="Subject")
    def subject(self, row: Delivery) -> SafeString:
        return format_html('<span class="mcp-faint">{}</span>', row.event.subject)

    def get_urls(self) -> list[Any]:
        again = path("<uuid:pk>/redeliver/", self.admin_site.admin_view(self.redeliver_button), name="outbox_delivery_redeliver")
        return [again, *super().get_urls()]

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None or not _is_id(object_id):
            return super().changeform_view(request, object_id, form_url, extra_context)
        row = self.mine(request, object_id)
        return self.show(
            request,
            self.change_form_template,
            title=row.type,
            object=row,
            row=row,
            variant=VARIANTS.get(row.status, ""),
            event=pretty(event_of(row)),
            tries=list(reversed(row.tries)),
            is_open=row.status in Delivery.OPEN,
            may_manage=may(request, "events:manage", row.tenant_id),
            endpoint_url=reverse("admin:outbox_endpoint_change", args=(row.endpoint_id,)),
            redeliver_url=self.to("redeliver", row.pk),
        )

    def redeliver_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "send")
        by = principal(request, row.tenant)
        return self.perform(
            request,
            lambda: services.redeliver(row.tenant, delivery_id=row.pk, by=by),
            done="It is on its way again.",
            to=self.to("change", pk),
        )


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
