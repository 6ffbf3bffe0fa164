"""Servers of others: how they do right now, and the page of one with its tools, its checks and its latest calls."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge, mono, tell, text_area
from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator import queries, services
from mcp_platform.orchestrator.admin.forms import AUTH, ServerForm
from mcp_platform.orchestrator.models import RemoteServer, UpstreamTool
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, in_view, may, principal
from mcp_platform.vault import queries as vault

OUTCOMES = {"failed": "danger", "warning": "warning", "passed": "success", "skipped": ""}
STATES = {"connected": "success", "failed": "danger", "unknown": ""}


def needing_a_look(request: HttpRequest) -> int:
    """For the sidebar: tools that wait for approval, on servers that are switched on."""
    rows = UpstreamTool.objects.filter(status__in=queries.WAITING, missing_since=None, server__enabled=True)
    return int(in_view(request, rows, "servers:write").count())


class ConfigForm(forms.Form):
    text = forms.CharField(widget=text_area(rows=24, spellcheck="false", **{"class": "mcp-code"}), max_length=500_000, strip=False)
    replace = forms.BooleanField(required=False)


@admin.register(RemoteServer)
class RemoteServerPage(TenantPage):
    empty_icon = "lan"
    empty_says = "No server of others is connected yet. Connect one by its address; its tools and resources are listed at the first contact."
    permissions: ClassVar = {"view": "servers:read", "add": "servers:write", "change": "servers:write", "delete": "servers:write"}
    form = ServerForm
    change_list_template = "orchestrator/servers.html"
    change_form_template = "orchestrator/server.html"
    list_display = ("name", "key", "state_of", "latency", "how", "priority", "knows", "tools_of")
    list_filter = ("state", "transport", "enabled")
    search_fields = ("name", "slug", "url")
    fieldsets = (
        (None, {"fields": ("name", "slug", "description", "transport", "url", "priority", "timeout", "domains", "capabilities", "enabled")}),
        ("Who we are", {"fields": ("auth_type", *AUTH)}),
        ("What it may be used for", {"fields": ("trust", "allowed_tools", "denied_tools")}),
    )

    class Media:
        js = ("platform/integrations.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RemoteServer]:
        return queries.with_counts(super().get_queryset(request))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        tenant = obj.tenant if obj is not None else chosen_tenant(request)
        form.secrets = list(vault.secrets(tenant).values_list("name", flat=True)) if tenant else []
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("slug",) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look sees the definition as it is stored: the fields of the form are no fields of the row."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return ((None, {"fields": ("slug", *services.SERVER_DEFAULTS)}),)

    @admin.display(description="Short name", ordering="slug")
    def key(self, row: RemoteServer) -> SafeString:
        return mono(row.slug)

    @admin.display(description="State", ordering="state")
    def state_of(self, row: RemoteServer) -> SafeString:
        if not row.enabled:
            return badge("off")
        return badge(row.get_state_display().lower(), STATES.get(row.state, ""), title=row.last_error)

    @admin.display(description="Latency", ordering="latency_ms")
    def latency(self, row: RemoteServer) -> str:
        return f"{row.latency_ms} ms" if row.latency_ms is not None else "–"

    @admin.display(description="Address", ordering="transport")
    def how(self, row: RemoteServer) -> SafeString:
        return format_html("{} {}", badge(row.transport, "info"), mono(row.url[:48]))

    @admin.display(description="Domains")
    def knows(self, row: RemoteServer) -> str:
        return ", ".join(row.domains[:4]) or "–"

    @admin.display(description="Tools")
    def tools_of(self, row: Any) -> SafeString | str:
        if row.waiting_count:
            return format_html("{} {}", row.tool_count, badge(f"{row.waiting_count} waiting", "warning"))
        return str(row.tool_count) if row.tool_count else "–"

    def get_urls(self) -> list[Any]:
        guarded = self.admin_site.admin_view
        return [
            path("config/", guarded(self.config_page), name="orchestrator_remoteserver_config"),
            path("config/file/", guarded(self.config_file), name="orchestrator_remoteserver_file"),
            path("invalidate/", guarded(self.invalidate_button), name="orchestrator_remoteserver_invalidate"),
            path("<uuid:pk>/check/", guarded(self.check_button), name="orchestrator_remoteserver_check"),
            path("<uuid:pk>/conformity/", guarded(self.conformity_button), name="orchestrator_remoteserver_conformity"),
            path("<uuid:pk>/approve/", guarded(self.approve_button), name="orchestrator_remoteserver_approve"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        tenant = chosen_tenant(request)
        context = {**(extra_context or {}), "chosen": tenant, "may_write": bool(tenant and may(request, "servers:write", tenant.pk))}
        if tenant is not None and may(request, "servers:read", tenant.pk):
            context["status"] = services.status(tenant)
            context["config_url"], context["invalidate_url"] = self.to("config"), self.to("invalidate")
            context["calls_url"] = reverse("admin:orchestrator_servercall_changelist")
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        if obj is not None:
            context.update(_overview(request, obj))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: RemoteServer, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        saved = services.save_server(tenant, slug=obj.slug, fields=form.definition(), create=not change, by=principal(request, tenant))
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: RemoteServer) -> None:
        services.delete_server(obj.tenant, slug=obj.slug, by=principal(request, obj.tenant))

    def check_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        try:
            found = services.check(row.tenant, slug=row.slug)
        except PlatformError as error:
            tell(request, error)
        else:
            good = found.state == RemoteServer.State.CONNECTED
            message = f"Connected in {found.latency_ms} ms." if good else f"It does not answer: {found.last_error}"
            (messages.success if good else messages.error)(request, message)
        return HttpResponseRedirect(self.to("change", pk))

    def conformity_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Whether it keeps to the protocol, asked now: the answer is the page."""
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        try:
            found = services.conformity(row.tenant, slug=row.slug, by=principal(request, row.tenant))
        except PlatformError as error:
            tell(request, error)
            return HttpResponseRedirect(self.to("change", pk))
        counts = [(found.count(outcome), variant, outcome) for outcome, variant in OUTCOMES.items()]
        checks = [(one, OUTCOMES[one.outcome]) for one in found.checks]
        return self.show(
            request,
            "orchestrator/conformity.html",
            title=f"How {row.name} keeps to the protocol",
            object=row,
            found=found,
            counts=counts,
            checks=checks,
            back_url=self.to("change", pk),
            again_url=self.to("conformity", pk),
        )

    def approve_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        by = principal(request, row.tenant)
        return self.perform(
            request, lambda: services.approve_all(row.tenant, server=row.slug, by=by), done="Every tool is approved.", to=self.to("change", pk)
        )

    def invalidate_button(self, request: HttpRequest) -> HttpResponse:
        tenant = self._tenant(request, "servers:write")
        if request.method != "POST" or tenant is None:
            return HttpResponseRedirect(self.to("changelist"))
        by = principal(request, tenant)
        return self.perform(request, lambda: services.invalidate(tenant, by=by), done="Nothing is cached any more.", to=self.to("changelist"))

    def config_page(self, request: HttpRequest) -> HttpResponse:
        """The YAML file: to look at, to download, to change as a whole."""
        tenant = self._tenant(request, "servers:read")
        if tenant is None:
            return HttpResponseRedirect(self.to("changelist"))
        form = ConfigForm(request.POST or None, initial={"text": services.as_yaml(services.export(tenant))})
        if request.method == "POST" and form.is_valid():
            by = principal(request, tenant)
            by.require("servers:write")
            try:
                document = services.read_yaml(form.cleaned_data["text"])
                done = services.import_document(tenant, document=document, replace=form.cleaned_data["replace"], by=by)
            except PlatformError as error:
                tell(request, error)
            else:
                messages.success(request, _said(done))
                return HttpResponseRedirect(self.to("config"))
        writes = may(request, "servers:write", tenant.pk)
        return self.show(
            request, "orchestrator/config.html", title="Configuration as YAML", form=form, may_write=writes, file_url=self.to("file"), object=tenant
        )

    def config_file(self, request: HttpRequest) -> HttpResponse:
        tenant = self._tenant(request, "servers:read")
        if tenant is None:
            return HttpResponseRedirect(self.to("changelist"))
        headers = {"Content-Disposition": f'attachment; filename="{tenant.slug}-mcp-servers.yaml"'}
        return HttpResponse(services.as_yaml(services.export(tenant)), content_type="application/yaml; charset=utf-8", headers=headers)

    def _tenant(self, request: HttpRequest, permission: str) -> Tenant | None:
        """The tenant that is worked in. Raises Denied."""
        tenant = chosen_tenant(request)
        if tenant is not None:
            principal(request, tenant).require(permission)
        return tenant


def _said(done: services.Imported) -> str:
    parts = [f"{len(rows)} {name}" for name, rows in (("new", done.created), ("changed", done.changed), ("deleted", done.deleted)) if rows]
    parts += ["settings changed"] if done.settings_changed else []
    return f"Taken: {', '.join(parts)}." if parts else "Nothing has changed."


def _overview(request: HttpRequest, row: RemoteServer) -> dict[str, Any]:
    """What templates/orchestrator/server.html shows above the form."""
    tools = list(queries.tools(row.tenant_id).filter(server=row, missing_since=None)[:200])
    return {
        "row": row,
        "state_variant": STATES.get(row.state, ""),
        "tools": [(tool, services.is_callable(tool)) for tool in tools],
        "waiting": sum(tool.status in queries.WAITING for tool in tools),
        "recent": queries.calls(row.tenant_id).filter(server_id=row.pk)[:8],
        "users": services.users_of(row.tenant_id, row.slug),
        "may_write": may(request, "servers:write", row.tenant_id),
        "calls_url": f"{reverse('admin:orchestrator_servercall_changelist')}?server={row.slug}",
    }
