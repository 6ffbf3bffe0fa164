"""Stubs: answers that stand in for an integration in tests and dry runs."""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows import services
from flows.models import Integration, Stub
from mcp_platform.admin_base import JsonField, ServiceForm, badge, mono, number_input, text_input
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, principal


class StubForm(ServiceForm):
    success = forms.BooleanField(label="The call succeeds", required=False, initial=True)
    status_code = forms.IntegerField(label="Status", required=False, widget=number_input(), initial=200)
    answer = JsonField(label="Data", required=False, help_text="What the flow's response mapping reads as `response`.")
    error = forms.CharField(label="Error", required=False, widget=text_input(), help_text="For a call that fails.")
    code = forms.CharField(
        label="Error code", required=False, widget=text_input(placeholder="INTEGRATION_ERROR"), help_text="INTEGRATION_TIMEOUT, unknown_outcome …"
    )

    class Meta:
        model = Stub
        fields = ("integration", "name", "endpoint", "method", "request")
        help_texts: ClassVar = {
            "endpoint": "Equal to the call's, values filled in; empty fits any.",
            "method": "GET, POST …; empty fits any.",
            "request": "Members that the request of a fitting call has. The stub that names most of them answers.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            outcome = self.instance.outcome
            for name in ("success", "status_code", "error", "code"):
                self.initial.setdefault(name, outcome.get(name))
            self.initial.setdefault("answer", outcome.get("data"))

    def definition(self) -> dict[str, Any]:
        given = self.cleaned_data
        failed = {} if given["success"] else {"error": given["error"], "code": given["code"] or "INTEGRATION_ERROR"}
        outcome = {"success": given["success"], "status_code": given["status_code"] or 0, "data": given["answer"], **failed}
        return {**{name: given[name] for name in ("name", "endpoint", "method")}, "request": given["request"] or {}, "outcome": outcome}


class IntegrationFilter(admin.SimpleListFilter):
    """Integrations in view only: Django's own filter would offer those of every tenant."""

    title = "integration"
    parameter_name = "integration__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = model_admin.get_queryset(request).order_by().values_list("integration_id", "integration__integration_id").distinct()
        return [(str(pk), name) for pk, name in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Stub]) -> QuerySet[Stub]:
        try:
            return queryset.filter(integration_id=UUID(self.value() or "")) if self.value() else queryset
        except ValueError:
            return queryset.none()


@admin.register(Stub)
class StubPage(TenantPage):
    permissions: ClassVar = {"view": "integrations:read", "add": "integrations:write", "change": "integrations:write", "delete": "integrations:write"}
    form = StubForm
    list_display = ("name", "of", "fits", "answers", "source", "created_at")
    list_select_related = ("tenant", "integration")
    list_filter = (IntegrationFilter, "source")
    search_fields = ("name", "endpoint")
    fieldsets = (
        (None, {"fields": ("integration", "name")}),
        ("Fits", {"fields": ("endpoint", "method", "request")}),
        ("Answers", {"fields": ("success", "status_code", "answer", "code", "error")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("integration",) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return ((None, {"fields": ("integration", "name", "endpoint", "method", "request", "outcome", "source")}),)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        chosen = chosen_tenant(request)
        kwargs["queryset"] = Integration.objects.for_tenant(chosen) if chosen else Integration.objects.none()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description="Integration", ordering="integration__integration_id")
    def of(self, row: Stub) -> SafeString:
        return mono(row.integration.integration_id)

    @admin.display(description="Fits")
    def fits(self, row: Stub) -> SafeString:
        members = ", ".join(row.request) or "any request"
        return format_html('{} <span class="mcp-below">{}</span>', mono(f"{row.method or 'any'} {row.endpoint or 'any endpoint'}"[:80]), members[:80])

    @admin.display(description="Answers")
    def answers(self, row: Stub) -> SafeString:
        good = row.outcome.get("success")
        return badge(row.outcome.get("status_code") or "success" if good else row.outcome.get("code") or "failure", "success" if good else "danger")

    def save_model(self, request: HttpRequest, obj: Stub, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        saved = services.save_stub(
            tenant,
            integration_id=obj.integration.integration_id,
            stub_id=obj.pk if change else None,
            fields=form.definition(),
            by=principal(request, tenant),
        )
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Stub) -> None:
        services.delete_stub(obj.tenant, integration_id=obj.integration.integration_id, stub_id=obj.pk, by=principal(request, obj.tenant))
