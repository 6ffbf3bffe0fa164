"""The page of secrets: a value is typed in and never shown."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from mcp_platform.admin_base import ServiceForm, badge, mono, text_area, text_input
from mcp_platform.tenancy.pages import TenantPage, principal
from mcp_platform.vault import services
from mcp_platform.vault.models import NAME_RULE, Secret


class SecretForm(ServiceForm):
    name = forms.CharField(max_length=63, widget=text_input(spellcheck="false", autocomplete="off"), help_text=NAME_RULE)
    value = forms.CharField(
        max_length=services.LONGEST_VALUE,
        strip=False,
        widget=text_area(rows=3, spellcheck="false", autocomplete="off", **{"class": "mcp-code"}),
        help_text="Sealed when it is saved; nobody can show it again.",
    )

    class Meta:
        model = Secret
        fields = ("name", "value", "description")


@admin.register(Secret)
class SecretPage(TenantPage):
    permissions: ClassVar = {"view": "secrets:read", "add": "secrets:write", "change": "secrets:write", "delete": "secrets:write"}
    form = SecretForm
    change_form_template = "vault/secret.html"
    list_display = ("key", "description", "version", "state", "users", "last_used_at")
    search_fields = ("name", "description")
    add_fieldsets = ((None, {"fields": ("name", "value", "description")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Secret]:
        return super().get_queryset(request).defer("sealed", "previous").select_related("tenant", "created_by")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("name", "value", "description")
        return ("key", "description", "version", "state", "users", "last_used_at", "rotated_at", "created_by", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for name in self.get_fields(request, obj) if name != "description"] if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({**kwargs, "form": ServiceForm} if obj is not None else kwargs))

    @admin.display(description="Name", ordering="name")
    def key(self, row: Secret) -> SafeString:
        return mono(row.name)

    @admin.display(description="Status")
    def state(self, row: Secret) -> SafeString:
        if row.previous_until and row.previous_until > timezone.now():
            return badge(f"overlap until {row.previous_until:%d %b %H:%M}", "warning", title="The value before the rotation is still good")
        return badge("sealed", "success")

    @admin.display(description="Used by")
    def users(self, row: Secret) -> SafeString | str:
        found = services.users_of(row.tenant_id, row.name)
        return format_html_join(" ", "{}", ((badge(user),) for user in found[:6])) or "nothing yet"

    def get_urls(self) -> list[Any]:
        rotate = path("<uuid:pk>/rotate/", self.admin_site.admin_view(self.rotate_button), name="vault_secret_rotate")
        return [rotate, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        context.update(secret=obj, may_rotate=obj is not None and self.has_change_permission(request, obj))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def rotate_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        by, hours = principal(request, row.tenant), request.POST.get("overlap_hours", "24")
        overlap = timedelta(hours=int(hours) if hours.isdecimal() and len(hours) < 5 else 24)
        return self.perform(
            request,
            lambda: services.rotate_secret(row.tenant, name=row.name, value=request.POST.get("value", ""), overlap=overlap, by=by),
            done=f"{row.name} has a new value.",
            to=self.to("change", pk),
        )

    def save_model(self, request: HttpRequest, obj: Secret, form: Any, change: bool) -> None:
        tenant, given = self.tenant_of(request, obj), form.cleaned_data
        by = principal(request, tenant)
        if change:
            saved = services.describe_secret(tenant, name=obj.name, description=given["description"], by=by)
        else:
            saved = services.create_secret(tenant, name=given["name"], value=given["value"], description=given["description"], by=by)
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Secret) -> None:
        services.delete_secret(obj.tenant, name=obj.name, by=principal(request, obj.tenant))
