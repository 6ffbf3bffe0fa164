"""What experiments share: metrics, namespaces and holdouts."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from experiments import services
from experiments.core.metrics import MEASURES
from experiments.models import Holdout, MetricDefinition, Namespace
from mcp_platform.admin_base import ServiceForm, mono, select
from mcp_platform.tenancy.pages import TenantPage, principal


class SharedPage(TenantPage):
    """`saves` and `deletes` are services; the key is what they are known by, and stays."""

    permissions: ClassVar = {
        "view": "experiments:read",
        "add": "experiments:write",
        "change": "experiments:write",
        "delete": "experiments:write",
    }
    form = ServiceForm
    search_fields = ("key", "name")
    saves: ClassVar[Callable[..., Any]]
    deletes: ClassVar[Callable[..., Any]]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("key",) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        fields = {name: form.cleaned_data[name] for name in form.cleaned_data if not change or name in form.changed_data}
        saved = type(self).saves(tenant, fields=fields, key=obj.key if change else "", by=principal(request, tenant))
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        type(self).deletes(obj.tenant, key=obj.key, by=principal(request, obj.tenant))

    @admin.display(description="Key", ordering="key")
    def known_as(self, row: Any) -> Any:
        return mono(row.key)


@admin.register(MetricDefinition)
class MetricPage(SharedPage):
    saves, deletes = services.save_metric, services.delete_metric
    fields = ("name", "key", "measure", "of", "cap", "higher_is_better", "cuped")
    list_display = ("name", "known_as", "measured", "better")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "measure":
            choices = [(name, f"{kind.label}{f' (of a {kind.takes})' if kind.takes else ''}") for name, kind in MEASURES.items()]
            return forms.ChoiceField(choices=choices, widget=select(), label="What is measured of a conversation")
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="Measure", ordering="measure")
    def measured(self, row: MetricDefinition) -> str:
        kind = MEASURES.get(row.measure)
        return f"{kind.label if kind else row.measure}{f': {row.of}' if row.of else ''}"

    @admin.display(description="Better")
    def better(self, row: MetricDefinition) -> str:
        kind = MEASURES.get(row.measure)
        up = row.higher_is_better if row.higher_is_better is not None else bool(kind and kind.higher_is_better)
        return "more" if up else "less"


@admin.register(Namespace)
class NamespacePage(SharedPage):
    saves, deletes = services.save_namespace, services.delete_namespace
    fields = ("name", "key")
    list_display = ("name", "known_as")


@admin.register(Holdout)
class HoldoutPage(SharedPage):
    saves, deletes = services.save_holdout, services.delete_holdout
    fields = ("name", "key", "share", "active")
    list_display = ("name", "known_as", "share", "active")
