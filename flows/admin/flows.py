"""A flow: the list, the page of one flow with its states, problems and picture, and what can be done with it as a whole."""

import json
from collections.abc import Callable
from typing import Any, ClassVar, Final

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from flows import queries, services
from flows.admin.graph import graph
from flows.admin.permits import AsksFirst
from flows.admin.problems import Review, on_fields
from flows.admin.testing import TestPages
from flows.errors import StateNotFound
from flows.models import Flow, Pointer
from flows.services.rows import FLOW_FIELDS
from mcp_platform.admin_base import JsonField, NameWidget, ServiceForm, badge, mark, text_area
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.pages import TenantPage, in_view, principal


def drafts_with_problems(request: HttpRequest) -> int:
    """The badge in the sidebar."""
    return in_view(request, Flow.objects.filter(archived_at=None, problem_count__gt=0), "flows:read").count()


ALWAYS: Final = {"condition": "expression", "expression": "true"}
OFFERED = "offer_as_tool"  # a member of the flow's metadata


class FlowForm(ServiceForm):
    offer_as_tool = forms.BooleanField(
        required=False,
        label="Offer as a tool",
        help_text="From the next publish on, clients with the permission conversations:write run it through the Model Context Protocol.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if OFFERED in self.fields:
            self.fields[OFFERED].initial = self.instance.metadata.get(OFFERED) is True

    class Meta:
        model = Flow
        fields = ("flow_id", "name", "version", "description", "initial_state", "slots", "intents", "variables", "global_handlers", "metadata")
        widgets: ClassVar = {"initial_state": NameWidget("state-names"), "description": text_area(rows=2)}


class ArchivedFilter(admin.SimpleListFilter):
    title = "archive"
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Archived"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": "In use"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Flow]) -> QuerySet[Flow]:
        if self.value() == "all":
            return queryset
        return queryset.filter(archived_at__isnull=self.value() != "yes")


class ProblemFilter(admin.SimpleListFilter):
    title = "problems"
    parameter_name = "problems"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "With problems"), ("no", "Without")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Flow]) -> QuerySet[Flow]:
        return (
            queryset.filter(problem_count__gt=0) if self.value() == "yes" else queryset.filter(problem_count=0) if self.value() == "no" else queryset
        )


class ImportForm(forms.Form):
    document = JsonField(
        required=False, label="Definition", help_text="The JSON of a flow, as docs/protocol/flow.md describes it and the export gives it."
    )
    file = forms.FileField(required=False, help_text="Or a .json file.")
    replace = forms.BooleanField(required=False, label="Overwrite the draft if there is a flow with this flow_id")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("file") and "document" not in self.errors:
            try:
                given["document"] = self.fields["document"].clean(given["file"].read(1024 * 1024 + 1).decode())
            except UnicodeDecodeError:
                self.add_error("file", "The file is not UTF-8 text.")
            except forms.ValidationError as fault:
                self.add_error("file", fault)
        if not given.get("document") and not self.errors:
            self.add_error("document", "Paste a definition or choose a file.")
        return given


@admin.register(Flow)
class FlowPage(AsksFirst, TestPages, TenantPage):
    permissions: ClassVar = {"view": "flows:read", "add": "flows:write", "change": "flows:write", "delete": "flows:write", "publish": "flows:publish"}
    form = FlowForm
    change_form_template = "flows/flow_page.html"
    change_list_template = "flows/flow_list.html"
    list_display = ("title", "live", "problems", "draft", "updated_at")
    list_filter = (ArchivedFilter, ProblemFilter)
    search_fields = ("name", "flow_id")
    ordering = ("name", "id")
    add_fieldsets = (
        (None, {"fields": ("flow_id", "name", "description"), "description": "States come next. To start from an existing definition, import it."}),
    )
    fieldsets = (
        ("Settings", {"fields": ("name", "version", "description", "initial_state", OFFERED)}),
        ("Slots, intents, variables", {"fields": ("slots", "intents", "variables"), "classes": ("collapse",)}),
        ("Handlers and notes", {"fields": ("global_handlers", "metadata"), "classes": ("collapse",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Flow]:
        return super().get_queryset(request).prefetch_related(Prefetch("pointers", Pointer.objects.select_related("environment", "version")))

    @admin.display(description="Flow", ordering="name")
    def title(self, flow: Flow) -> SafeString:
        return format_html('<span class="mcp-title">{}</span><code class="mcp-mono mcp-below">{}</code>', flow.name, flow.flow_id)

    @admin.display(description="Live")
    def live(self, flow: Flow) -> SafeString:
        if flow.archived_at:
            return badge("archived")
        running = sorted(flow.running.items())
        return (
            format_html_join(" ", "{}", ((badge(f"{name} v{number}", "success"),) for name, number in running)) if running else badge("not published")
        )

    @admin.display(description="Problems", ordering="problem_count")
    def problems(self, flow: Flow) -> SafeString:
        return badge(flow.problem_count, "danger", title="Errors in the draft") if flow.problem_count else badge("none", "success")

    @admin.display(description="Draft", ordering="rev")
    def draft(self, flow: Flow) -> str:
        return f"rev {flow.rev}"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {**(extra_context or {}), "title": "Flows", "import_url": self.to("import")})

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        if obj is not None and change:
            review = Review(obj)
            mark(context["adminform"].form, on_fields(found for found in review.found if not found.state))
            context.update(self.overview(request, review), tab="overview", show_save_and_add_another=False)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def overview(self, request: HttpRequest, review: Review) -> dict[str, Any]:
        flow = review.flow
        return {
            **self.frame(request, flow),
            "review": review,
            "graph": graph(review) if settings.ENABLE_VISUAL_DESIGNER else None,
            "connect_url": self.to("connect", flow.pk),
            "rows": [self.row(review, name, state) for name, state in review.document["states"].items()],
            "state_names": list(review.document["states"]),
            "state_add": f"{_state_page('add')}?flow={flow.pk}",
        }

    def row(self, review: Review, name: str, state: Any) -> dict[str, Any]:
        found = review.of_state(name)
        targets = list(dict.fromkeys(transition["target_state"] for transition in state["transitions"]))
        return {
            "name": name,
            "type": state["type"],
            "to": _state_page("change", review.ids[name]),
            "is_start": name == review.document["initial_state"],
            "transitions": len(state["transitions"]),
            "targets": [{"name": target, "known": target in review.ids} for target in targets],
            "errors": [one for one in found if one.is_error],
            "warnings": [one for one in found if not one.is_error],
            "says": _first_text(state["config"]),
        }

    deletion = "delete"

    def flow_of(self, request: HttpRequest, obj: Flow | None) -> Flow | None:
        return obj

    def save_model(self, request: HttpRequest, obj: Flow, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        fields = {name: form.cleaned_data[name] for name in form.cleaned_data if name in FLOW_FIELDS}
        by = principal(request, tenant)
        if change:
            changed = {name: fields[name] for name in form.changed_data if name in fields}
            if OFFERED in form.changed_data:
                kept = {name: value for name, value in fields.get("metadata", obj.metadata).items() if name != OFFERED}
                changed["metadata"] = {**kept, OFFERED: True} if form.cleaned_data[OFFERED] else kept
            saved = services.update_flow(tenant, flow_id=obj.pk, fields=changed, expected_rev=_rev(request), by=by)
        else:
            saved = services.create_flow(tenant, flow_id=form.cleaned_data["flow_id"], name=fields.pop("name"), fields=fields, by=by)
        obj.__dict__.update(saved.__dict__)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.archived_at is None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or not obj.versions.exists())

    def delete_model(self, request: HttpRequest, obj: Flow) -> None:
        services.delete_flow(obj.tenant, flow_id=obj.pk, by=principal(request, obj.tenant))

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"flows_flow_{name}")

        return [
            page("import/", self.import_page, "import"),
            page("<uuid:pk>/export/", self.export_page, "export"),
            page("<uuid:pk>/archive/", self.archive_button, "archive"),
            page("<uuid:pk>/connect/", self.connect_button, "connect"),
            page("<uuid:pk>/publish/", self.publish_page, "publish"),
            page("<uuid:pk>/versions/", self.versions_page, "versions"),
            page("<uuid:pk>/versions/<int:number>/", self.version_page, "version"),
            page("<uuid:pk>/versions/<int:number>/roll-back/", self.roll_back_button, "roll_back"),
            *self.test_urls(),
            *super().get_urls(),
        ]

    def import_page(self, request: HttpRequest) -> HttpResponse:
        tenant = self.tenant_of(request)
        principal(request, tenant).require("flows:write")
        form = ImportForm(request.POST or None, request.FILES or None)
        form.fields["file"].widget.attrs["class"] = "mcp-file"
        problems: list[dict[str, Any]] = []
        if form.is_valid():
            given = form.cleaned_data
            try:
                flow = services.import_flow(tenant, document=given["document"], replace=given["replace"], by=principal(request, tenant))
            except PlatformError as error:
                form.add_error(None, error.message)
                problems = [fault for fault in error.details.get("errors", ()) if isinstance(fault, dict)]
            else:
                messages.success(request, f"Imported “{flow.name}”.")
                return HttpResponseRedirect(self.to("change", flow.pk))
        return self.show(request, "flows/import.html", title="Import a flow", form=form, problems=problems, tenant=tenant)

    def export_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        flow = self.mine(request, pk)
        number = int(request.GET["version"]) if request.GET.get("version", "").isdecimal() else None
        text = services.export_flow(flow.tenant, flow_id=flow.pk, number=number)
        name = f"{flow.flow_id}.v{number}.json" if number else f"{flow.flow_id}.json"
        if "download" in request.GET:
            return HttpResponse(text, content_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'})
        shown = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        return self.show(
            request,
            "flows/export.html",
            title=flow.name,
            tab="export",
            text=shown,
            name=name,
            number=number,
            size=len(text),
            **self.frame(request, flow),
        )

    def archive_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        flow = self.mine(request, pk, "change")
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        verb, done = (
            (services.unarchive, "Back from the archive.")
            if flow.archived_at
            else (services.archive, "Archived: no new conversation starts with it.")
        )
        by = principal(request, flow.tenant)
        return self.perform(request, lambda: verb(flow.tenant, flow_id=flow.pk, by=by), done=done, to=self.to("change", pk))

    def connect_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """The arrow that was drawn in the picture, as a transition that is always taken: when it is taken is said on the state's page."""
        if not settings.ENABLE_VISUAL_DESIGNER:
            raise Http404
        flow = self.mine(request, pk, "change")
        here, given = self.to("change", pk), request.POST
        if request.method != "POST" or not given.get("state", "")[:19].isdecimal():
            return HttpResponseRedirect(here)
        by, source, target = principal(request, flow.tenant), int(given["state"][:19]), given.get("target", "")

        def connect() -> None:
            if queries.state(flow.tenant, source).flow_id != flow.pk:
                raise StateNotFound
            services.save_transition(flow.tenant, state_id=source, fields={**ALWAYS, "target_state": target}, expected_rev=_rev(request), by=by)

        done = format_html('Connected to {}, always. <a href="{}">Say when</a>.', target, _state_page("change", source))
        return self.perform(request, connect, done=done, to=here)


def _rev(request: HttpRequest) -> int | None:
    given = request.POST.get("rev", "")
    return int(given[:10]) if given.isdecimal() else None


def _state_page(page: str, *args: Any) -> str:
    return reverse(f"admin:flows_state_{page}", args=args)


def _first_text(config: Any) -> str:
    """What the state says, in one line: enough to recognise it in the table."""
    for name in ("response_templates", "prompt", "prompts"):
        texts = config.get(name) if isinstance(config, dict) else None
        while isinstance(texts, dict) and texts:
            texts = texts.get("en", texts.get("default", next(iter(texts.values()))))
        if isinstance(texts, str) and texts:
            return texts
    return ""
