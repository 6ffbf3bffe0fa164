"""Where flows run: environments."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from flows import services
from flows.models import Environment, Pointer
from mcp_platform.admin_base import badge
from mcp_platform.tenancy.pages import TenantPage, principal


@admin.register(Environment)
class EnvironmentPage(TenantPage):
    permissions: ClassVar = {"view": "flows:read", "add": "flows:publish", "change": "flows:publish", "delete": "flows:publish"}
    list_display = ("name", "default", "runs")
    search_fields = ("name",)
    fields = ("name", "is_default")
    add_fieldsets = ((None, {"fields": ("name", "is_default"), "description": "A place where flows run, such as staging. Publishing chooses one."}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Environment]:
        pointers = Pointer.objects.filter(flow__archived_at=None).select_related("flow", "version")
        return super().get_queryset(request).prefetch_related(Prefetch("pointers", pointers))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name",) if obj else ()

    @admin.display(description="Default")
    def default(self, row: Environment) -> SafeString | str:
        return badge("default", "info") if row.is_default else ""

    @admin.display(description="Runs")
    def runs(self, row: Environment) -> SafeString | str:
        return (
            format_html_join(" ", "{}", ((badge(f"{one.flow.flow_id} v{one.version.number}"),) for one in list(row.pointers.all())[:8]))
            or "nothing yet"
        )

    def save_model(self, request: HttpRequest, obj: Environment, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        by, is_default = principal(request, tenant), form.cleaned_data["is_default"]
        if change:
            saved = services.update_environment(tenant, name=obj.name, is_default=is_default, by=by)
        else:
            saved = services.create_environment(tenant, name=form.cleaned_data["name"], is_default=is_default, by=by)
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Environment) -> None:
        services.delete_environment(obj.tenant, name=obj.name, by=principal(request, obj.tenant))
