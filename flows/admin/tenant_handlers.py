"""The tenant's own handlers: one page with one document, problems shown under it."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from flows import queries, services
from flows.models import TenantHandlers
from mcp_platform.admin_base import ServiceForm, badge
from mcp_platform.tenancy.pages import TenantPage, principal


class TenantHandlersForm(ServiceForm):
    class Meta:
        model = TenantHandlers
        fields = ("document",)
        help_texts: ClassVar = {
            "document": "global_handlers and intents as in a flow, and metadata.texts: your words for the engine's sentences (docs/protocol/flow.md)."
        }


@admin.register(TenantHandlers)
class TenantHandlersPage(TenantPage):
    permissions: ClassVar = {"view": "flows:read", "add": "flows:publish", "change": "flows:publish", "delete": "tenant:manage"}
    form = TenantHandlersForm
    list_display = ("title", "handlers", "updated_at")
    fields = ("document", "problems")
    readonly_fields = ("problems",)
    add_fieldsets = (
        (None, {"fields": ("document",), "description": "Handlers that work in every conversation of this tenant, whatever flow is running."}),
    )

    @admin.display(description="Handlers")
    def title(self, row: TenantHandlers) -> str:
        return str(row)

    @admin.display(description="Names")
    def handlers(self, row: TenantHandlers) -> SafeString | str:
        return format_html_join(" ", "{}", ((badge(name),) for name in list(row.document.get("global_handlers") or {})[:12])) or "none"

    @admin.display(description="Problems")
    def problems(self, row: TenantHandlers) -> SafeString | str:
        if not row.pk:
            return "—"
        found = queries.check_tenant_handlers(row.tenant_id, row.document).problems
        lines = format_html_join("", "<li><code>{}</code> {}</li>", ((one.path, one.message) for one in found))
        return format_html("<ul>{}</ul>", lines) if found else "None"

    def save_model(self, request: HttpRequest, obj: TenantHandlers, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        saved = services.save_tenant_handlers(tenant, document=form.cleaned_data["document"], by=principal(request, tenant))
        obj.__dict__.update(saved.__dict__)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Emptied, not deleted: the revision goes on."""
        return False
