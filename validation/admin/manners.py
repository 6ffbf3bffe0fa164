"""What the pages of authored rows do the same way: references within the tenant, a save and a delete that are service calls."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from mcp_platform.admin_base import ServiceForm, badge
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, principal

PROVENANCE: dict[str, tuple[str, str, str]] = {
    "V": ("verified", "success", "Seen in the text of the code or on a page of the authority"),
    "S": ("secondary source", "warning", "Seen in a secondary source only: a guide, a forum, a vendor"),
    "M": ("from memory", "danger", "Written from memory: a person has to compare it with the code"),
    "": ("own", "", "Written in this tenant"),
}
SEVERITY: dict[str, str] = {"critical": "danger", "major": "warning", "minor": "info", "info": ""}
STATE: dict[str, str] = {"draft": "info", "in_review": "warning", "published": "success", "retired": ""}


def provenance(status: str, confirmed_by: Any = None) -> SafeString:
    if confirmed_by is not None:
        return badge("confirmed", "success", title=f"Compared with the code by {confirmed_by}")
    text, variant, title = PROVENANCE[status if status in PROVENANCE else ""]
    return badge(text, variant, title=title)


class LawForm(ServiceForm):
    """All checks are the service's: what the model itself would say comes from there, too."""

    def validate_unique(self) -> None:
        """Within the tenant: the service says it."""

    def validate_constraints(self) -> None:
        """The service says it."""


class LawPage(TenantPage):
    """`saves` and `deletes` are services with the arguments of validation/services/jurisdictions.py."""

    permissions: ClassVar = {"view": "rules:read", "add": "rules:write", "change": "rules:write", "delete": "rules:write"}
    form = LawForm
    saves: ClassVar[Callable[..., Any]]
    deletes: ClassVar[Callable[..., Any]]
    exclude = ("tenant",)

    def tenant_in(self, request: HttpRequest) -> Tenant | None:
        """Of the row on the page, else the chosen one: references are offered from it alone."""
        known: dict[str, Any] = request.__dict__
        if "_tenant_in" not in known:
            match = request.resolver_match
            pk = match.kwargs.get("object_id") if match else None
            row = self.get_queryset(request).filter(pk=pk).first() if pk else None
            known["_tenant_in"] = row.tenant if row is not None else chosen_tenant(request)
        found: Tenant | None = known["_tenant_in"]
        return found

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        tenant = self.tenant_in(request)
        rows: Any = db_field.related_model.objects
        kwargs["queryset"] = rows.for_tenant(tenant) if tenant else rows.none()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        fields = self.fields_of(form)
        saved = type(self).saves(tenant, pk=obj.pk if change else None, fields=fields, by=principal(request, tenant))
        obj.__dict__.update(saved.__dict__)

    def fields_of(self, form: Any) -> dict[str, Any]:
        return dict(form.cleaned_data)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        type(self).deletes(obj.tenant, pk=obj.pk, by=principal(request, obj.tenant))


class RelatedFilter(admin.SimpleListFilter):
    """Values of a reference among the rows in view: Django's own filter would offer those of every tenant."""

    field: ClassVar[str]
    shown: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = model_admin.get_queryset(request).order_by(f"{self.field}__{self.shown}")
        return [(str(pk), str(name)) for pk, name in found.values_list(f"{self.field}_id", f"{self.field}__{self.shown}").distinct()[:200] if pk]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = {pk for pk, _ in self.lookup_choices}
        return queryset.filter(**{f"{self.field}_id": self.value()}) if self.value() in known else queryset


def related_filter(name: str, shown: str, title: str) -> type[RelatedFilter]:
    return type(f"{name}Filter", (RelatedFilter,), {"field": name, "shown": shown, "title": title, "parameter_name": name})


class InForceFilter(admin.SimpleListFilter):
    title = "in force"
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("today", "Today"), ("later", "Later"), ("past", "No more")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        from validation.queries import rulebook as queries

        today = timezone.localdate()
        chosen = {
            "today": lambda: queryset.filter(queries.in_force(today)),
            "later": lambda: queryset.filter(effective_from__gt=today),
            "past": lambda: queryset.filter(effective_to__lt=today),
        }
        return chosen[str(self.value())]() if self.value() in chosen else queryset


def in_force_badge(row: Any) -> SafeString:
    today = timezone.localdate()
    if row.effective_from > today:
        return badge(f"from {row.effective_from}", "info")
    if row.effective_to is not None and row.effective_to < today:
        return badge(f"until {row.effective_to}")
    return badge("in force", "success")
