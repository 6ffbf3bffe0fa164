"""The catalogue as clients see it, with a form to try a tool; and the log of calls."""

import json
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.utils.safestring import SafeString

from mcp_platform import toolkit
from mcp_platform.admin_base import JsonField, badge, mono, select
from mcp_platform.errors import PlatformError
from mcp_platform.mcp import catalog, services
from mcp_platform.mcp.models import Call
from mcp_platform.orchestrator import queries as orchestrator
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, principal, tenants
from mcp_platform.tenancy.scope import Principal

SEE = "servers:read"
OUTCOMES = {"ok": "success", "refused": "warning", "asked": "", "cancelled": "", "denied": "danger", "failed": "danger"}


class TrialForm(forms.Form):
    arguments = JsonField(required=False, label="Arguments", initial=dict)


class AddressForm(forms.Form):
    virtual = forms.ChoiceField(label="Address", required=False, widget=select())

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        servers = [(row.slug, f"/mcp/v/{row.slug} · {row.name}") for row in orchestrator.virtual_servers(tenant).filter(enabled=True)]
        self.fields["virtual"].choices = [("", "/mcp · the platform's own"), *servers]  # type: ignore[attr-defined]  # a ChoiceField


@admin.register(Call)
class CallPage(TenantPage):
    empty_icon = "call_received"
    empty_says = "No client has called yet. How to connect one is said above."
    permissions: ClassVar = {"view": SEE}
    list_display = ("at", "what", "ended", "took", "actor", "client", "correlation")
    list_display_links = ("at", "what")
    list_filter = ("outcome", "method", "virtual")
    search_fields = ("name", "actor", "correlation_id", "client")
    date_hierarchy = None
    list_before_template = "mcp/how.html"

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        return [field.name for field in Call._meta.fields if field.name not in ("id", "tenant")]

    @admin.display(description="What", ordering="name")
    def what(self, row: Call) -> SafeString:
        return mono(row.name[:80] or row.method)

    @admin.display(description="Outcome", ordering="outcome")
    def ended(self, row: Call) -> SafeString:
        return badge(row.get_outcome_display(), OUTCOMES[row.outcome], title=row.error_code)

    @admin.display(description="Took", ordering="duration_ms")
    def took(self, row: Call) -> str:
        return f"{row.duration_ms} ms"

    @admin.display(description="Correlation")
    def correlation(self, row: Call) -> SafeString:
        return mono(row.correlation_id[:24])

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("catalogue/", view(self.catalogue), name="mcp_call_catalogue"),
            path("catalogue/<str:name>/", view(self.trial), name="mcp_call_trial"),
        ]
        return [*own, *super().get_urls()]

    def catalogue(self, request: HttpRequest) -> HttpResponse:
        """Everything that a client of this person would list."""
        tenant = _tenant(request)
        if tenant is None:
            return self.show(
                request, "tenancy/choose_tenant.html", title="Tools for machines", tenants=tenants(request, SEE), next=request.get_full_path()
            )
        by = _allowed(request, tenant)
        form = AddressForm(tenant, request.GET or None)
        virtual = form.cleaned_data["virtual"] if form.is_bound and form.is_valid() else ""
        asked = catalog.asked_by(by, virtual=virtual)
        entries = catalog.tools(asked)
        return self.show(
            request,
            "mcp/catalogue.html",
            title="Tools for machines",
            form=form,
            virtual=virtual,
            tools=[(entry, self.to("trial", entry.name)) for entry in entries],
            hidden=len(toolkit.tools()) - sum(entry.source == "platform" for entry in entries) if not virtual else 0,
            resources=catalog.resources(asked),
            templates=catalog.templates(asked),
            prompts=catalog.prompts(asked),
            endpoint=f"/mcp/v/{virtual}" if virtual else "/mcp",
            calls_url=self.to("changelist"),
        )

    def trial(self, request: HttpRequest, name: str) -> HttpResponse:
        """One tool: what clients are told of it, and a real call."""
        tenant = _tenant(request)
        if tenant is None:
            raise Http404("Choose a tenant first.")
        by = _allowed(request, tenant)
        virtual = request.GET.get("virtual", "")[:63]
        entry = catalog.find(tenant, name, virtual)
        if entry is None:
            raise Http404("There is no such tool.")
        form = TrialForm(request.POST or None, initial={"arguments": _example(entry.input_schema)})
        told: services.Trial | None = None
        refused = ""
        if request.method == "POST" and form.is_valid():
            try:
                told = services.try_tool(by, name=name, arguments=_object(form), virtual=virtual)
            except PlatformError as error:
                refused = error.message
        return self.show(
            request,
            "mcp/trial.html",
            title=entry.title,
            entry=entry,
            form=form,
            told=told,
            refused=refused,
            answer=_pretty(told.data if told is not None and not told.problem else told.problem if told is not None else None),
            input_schema=_pretty(entry.input_schema),
            output_schema=_pretty(entry.output_schema) if entry.output_schema else "",
            may_call=by.may(entry.scope),
            up_url=self.to("catalogue") + (f"?virtual={virtual}" if virtual else ""),
        )


def _tenant(request: HttpRequest) -> Tenant | None:
    return chosen_tenant(request)


def _allowed(request: HttpRequest, tenant: Tenant) -> Principal:
    by = principal(request, tenant)
    by.require(SEE)
    return by


def _object(form: TrialForm) -> dict[str, Any]:
    given = form.cleaned_data["arguments"]
    return given if isinstance(given, dict) else {}


def _example(schema: Any) -> dict[str, Any]:
    """The required arguments, empty: something to begin with."""
    empty = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}
    properties = schema.get("properties", {})
    return {name: empty.get(str(properties.get(name, {}).get("type")), "") for name in schema.get("required", ())}


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
