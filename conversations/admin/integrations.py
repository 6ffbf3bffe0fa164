"""How integrations are doing, and the form to try one out: pages beside the definition."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.safestring import SafeString

from conversations import integrations as services
from conversations.models import IntegrationHealth
from flows import queries as flows
from flows.models import INTEGRATION_TYPES
from mcp_platform.admin_base import JsonField, badge, mono, tell
from mcp_platform.errors import PlatformError
from mcp_platform.outbound import breaker
from mcp_platform.tenancy.pages import TenantPage, may, principal

BREAKERS = {breaker.CLOSED: ("closed", "success"), breaker.OPEN: ("open", "danger"), breaker.HALF_OPEN: ("half-open", "warning")}
PERIODS = ((1, "hour"), (24, "24 hours"), (168, "7 days"), (720, "30 days"))


class TrialForm(forms.Form):
    endpoint = forms.CharField(required=False, max_length=2_000)
    method = forms.ChoiceField(choices=[(name, name) for name in services.METHODS], required=False)
    request = JsonField(required=False)
    record_as = forms.CharField(required=False, max_length=100)


@admin.register(IntegrationHealth)
class IntegrationHealthPage(TenantPage):
    permissions: ClassVar = {"view": "integrations:read", "try": "integrations:try"}
    list_display = ("name", "key", "kind", "calls_of", "rate", "state")
    search_fields = ("name", "integration_id")
    list_filter = ("type",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[IntegrationHealth]:
        match = request.resolver_match
        rows = super().get_queryset(request)
        listing = match is not None and (match.url_name or "").endswith("_changelist")
        counted: QuerySet[IntegrationHealth] = services.with_counts(rows) if listing else rows
        return counted

    @admin.display(description="Integration id", ordering="integration_id")
    def key(self, row: IntegrationHealth) -> SafeString:
        return mono(row.integration_id)

    @admin.display(description="Type", ordering="type")
    def kind(self, row: IntegrationHealth) -> SafeString:
        return badge(dict(INTEGRATION_TYPES)[row.type], "info")

    @admin.display(description="Calls, 24 h", ordering="calls")
    def calls_of(self, row: Any) -> int:
        return row.calls or 0

    @admin.display(description="Success")
    def rate(self, row: Any) -> SafeString | str:
        return badge(f"{(row.good or 0) / row.calls:.1%}", variant_of((row.good or 0) / row.calls)) if row.calls else "–"

    @admin.display(description="Breaker")
    def state(self, row: IntegrationHealth) -> SafeString:
        return badge(*BREAKERS[breaker.read(f"{row.tenant_id}:{row.integration_id}").state])

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404("Integrations are made on the page of their definitions.")
        return self._page(request, self.mine(request, _uuid(object_id)), TrialForm(initial={"request": {}, "method": "GET"}))

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"conversations_integrationhealth_{name}")

        return [
            page("<uuid:pk>/try/", self.try_button, "try"),
            page("<uuid:pk>/close-breaker/", self.close_button, "close"),
            page("<uuid:pk>/record/", self.record_button, "record"),
            *super().get_urls(),
        ]

    def _page(self, request: HttpRequest, row: IntegrationHealth, form: TrialForm, trial: services.Trial | None = None) -> HttpResponse:
        asked = request.GET.get("hours", "24")
        hours = int(asked) if asked in [str(known) for known, _ in PERIODS] else 24
        health = services.health(row.tenant, integration_id=row.integration_id, hours=hours)
        integration = flows.integration(row.tenant, row.integration_id)
        return self.show(
            request,
            "conversations/integration.html",
            title=row.name,
            object=row,
            row=row,
            tabs=tabs(row),
            tab="health",
            hours=hours,
            periods=PERIODS,
            health=health,
            rate=f"{health.success_rate:.1%}" if health.success_rate is not None else "–",
            rate_variant=variant_of(health.success_rate),
            breaker=BREAKERS[health.breaker.state],
            problems=flows.integration_problems([integration]).get(integration.pk, []),
            form=form,
            trial=shown(trial) if trial is not None else None,
            may_try=may(request, "integrations:try", row.tenant_id),
            may_write=may(request, "integrations:write", row.tenant_id),
            endpoint_hint=HINTS[row.type],
        )

    def try_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self.mine(request, pk, "try")
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        form = TrialForm(request.POST)
        if not form.is_valid():
            return self._page(request, row, form)
        said = form.cleaned_data
        given: dict[str, Any] = {"endpoint": said["endpoint"], "record_as": said["record_as"]}
        given.update(method=said["method"] or "GET", request=said["request"] or {})
        by = principal(request, row.tenant)
        try:
            if given["record_as"]:
                by.require("integrations:write")
            trial = services.try_out(row.tenant, integration_id=row.integration_id, **given, by=by)
        except PlatformError as error:
            tell(request, error)
            return self._page(request, row, form)
        if trial.stub is not None:
            messages.success(request, f"Kept as the stub {trial.stub.name}.")
        return self._page(request, row, form, trial)

    def close_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self.mine(request, pk, "try")
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        by = principal(request, row.tenant)
        return self.perform(
            request,
            lambda: services.close_breaker(row.tenant, integration_id=row.integration_id, by=by),
            done="Calls go through again.",
            to=self.to("change", pk),
        )

    def record_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self.mine(request, pk)
        by = principal(request, row.tenant)
        by.require("integrations:write")
        by.require("conversations:read")
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        effect_id, name = _uuid(request.POST.get("effect_id", "")), request.POST.get("name", "")
        return self.perform(
            request,
            lambda: services.record_effect(row.tenant, integration_id=row.integration_id, effect_id=effect_id, name=name, by=by),
            done=f"Kept as the stub {name}.",
            to=self.to("change", pk),
        )


HINTS = {
    "rest": "parcels/{id}, below the base URL",
    "graphql": "the name of an operation, or a document",
    "grpc": "package.Service/Method",
    "tool": "the name of a tool",
    "mcp": "the name of a tool, as its server calls it",
}


def variant_of(rate: float | None) -> str:
    return "" if rate is None else "success" if rate >= 0.99 else "warning" if rate >= 0.9 else "danger"


def tabs(row: IntegrationHealth) -> list[dict[str, str]]:
    """As on the pages of the definition."""
    stubs = f"{reverse('admin:flows_stub_changelist')}?integration__id__exact={row.pk}"
    pages = (
        ("definition", "Definition", "tune", reverse("admin:flows_integration_change", args=(row.pk,))),
        ("health", "Health and trials", "monitoring", reverse("admin:conversations_integrationhealth_change", args=(row.pk,))),
        ("stubs", "Stubs", "science", stubs),
    )
    return [dict(zip(("key", "title", "icon", "to"), page, strict=True)) for page in pages]


def shown(trial: services.Trial) -> dict[str, Any]:
    outcome = trial.outcome
    return {
        "outcome": outcome,
        "variant": "success" if outcome.success else "danger",
        "data": json.dumps(outcome.data, indent=2, ensure_ascii=False),
        "sent": asdict(trial.sent) if trial.sent else None,
        "body": json.dumps(trial.sent.body, indent=2, ensure_ascii=False) if trial.sent and trial.sent.body is not None else "",
    }


def _uuid(text: Any) -> UUID:
    try:
        return text if isinstance(text, UUID) else UUID(str(text))
    except ValueError as fault:
        raise Http404("There is no such thing.") from fault
