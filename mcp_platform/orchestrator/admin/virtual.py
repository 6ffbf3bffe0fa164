"""Virtual servers: which tools of connected servers clients find at which address, and under which names."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge, mono
from mcp_platform.orchestrator import queries, services
from mcp_platform.orchestrator.admin.forms import VirtualForm
from mcp_platform.orchestrator.models import UpstreamTool, VirtualServer
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, principal


@admin.register(VirtualServer)
class VirtualServerPage(TenantPage):
    empty_icon = "widgets"
    empty_says = "Nothing of other servers is offered to clients yet. A virtual server gathers chosen tools at an address of its own."
    permissions: ClassVar = {"view": "servers:read", "add": "servers:write", "change": "servers:write", "delete": "servers:write"}
    form = VirtualForm
    change_form_template = "orchestrator/virtual.html"
    list_display = ("name", "address", "tools_of", "state", "main")
    search_fields = ("name", "slug")
    list_filter = ("enabled", "at_main")
    fieldsets = (
        (None, {"fields": ("name", "slug", "description", "enabled", "at_main")}),
        ("Tools", {"fields": ("chosen", "names")}),
    )

    class Media:
        js = ("orchestrator/virtual.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[VirtualServer]:
        rows: QuerySet[VirtualServer] = super().get_queryset(request)
        return rows.annotate(chosen_count=Count("tools"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        tenant = obj.tenant if obj is not None else chosen_tenant(request)
        approved = {"status": UpstreamTool.Status.APPROVED, "missing_since": None, "server__enabled": True}
        form.offered = [tool for tool in queries.tools(tenant).filter(**approved) if services.is_callable(tool)] if tenant else []
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("slug",) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return self.fieldsets[:1]

    @admin.display(description="Address", ordering="slug")
    def address(self, row: VirtualServer) -> SafeString:
        return mono(f"/mcp/v/{row.slug}")

    @admin.display(description="Tools", ordering="chosen_count")
    def tools_of(self, row: Any) -> int:
        return int(row.chosen_count)

    @admin.display(description="State", ordering="enabled")
    def state(self, row: VirtualServer) -> SafeString:
        return badge("on", "success") if row.enabled else badge("off")

    @admin.display(description="Also at /mcp", ordering="at_main")
    def main(self, row: VirtualServer) -> SafeString | str:
        return badge("yes", "info") if row.at_main else "–"

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        tenant = obj.tenant if obj is not None else chosen_tenant(request)
        context["tenant_slug"] = tenant.slug if tenant is not None else ""
        if obj is not None:
            rows = queries.virtual_tools(obj.tenant_id).filter(virtual=obj)
            context.update(row=obj, address=services.address_of(obj), tools=[(one, services.is_callable(one.tool)) for one in rows])
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: VirtualServer, form: Any, change: bool) -> None:
        tenant, given = self.tenant_of(request, obj), form.cleaned_data
        fields = {name: given[name] for name in ("name", "description", "enabled", "at_main")}
        saved = services.save_virtual_server(
            tenant, slug=obj.slug, fields=fields, chosen=form.choices(), create=not change, by=principal(request, tenant)
        )
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: VirtualServer) -> None:
        services.delete_virtual_server(obj.tenant, slug=obj.slug, by=principal(request, obj.tenant))
