"""Experiments in the admin: the list with what the numbers say, and the addresses of the pages of one."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from experiments.admin import drawing
from experiments.admin.deciding import Deciding
from experiments.admin.frame import CALLS, COLOURS, DONE, NEEDS, PLANNED, press
from experiments.admin.live import Live
from experiments.admin.planning import Planning
from experiments.models import Experiment
from mcp_platform.admin_base import badge
from mcp_platform.tenancy.pages import in_view, may, principal

TONES = {"good": "success", "bad": "danger", "": ""}
SHARED = (("metric", "Metrics", "metricdefinition"), ("namespace", "Namespaces", "namespace"), ("holdout", "Holdouts", "holdout"))


@admin.register(Experiment)
class ExperimentPage(Planning, Live, Deciding):
    change_list_template = "experiments/list.html"
    list_display = ("what", "state_of", "where", "lift", "said", "exposed", "created_at")
    list_filter = ("state", "kind")
    search_fields = ("key", "name")
    ordering = ("-created_at",)
    list_select_related: ClassVar[Any] = ("tenant", "flow", "environment")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Experiment]:
        found: QuerySet[Experiment] = super().get_queryset(request)
        return found.select_related("flow", "environment", "base", "tenant")

    @admin.display(description="Experiment", ordering="name")
    def what(self, row: Experiment) -> SafeString:
        return format_html('<span class="mcp-title">{}</span><span class="mcp-below">{}</span>', row.name, row.key)

    @admin.display(description="State", ordering="state")
    def state_of(self, row: Experiment) -> SafeString:
        return badge(row.get_state_display(), COLOURS.get(row.state, ""), title=row.stop_reason)

    @admin.display(description="Where")
    def where(self, row: Experiment) -> SafeString:
        return format_html('{}<span class="mcp-below">{}</span>', row.flow.flow_id if row.flow else row.subject, row.environment.name)

    @admin.display(description="Lift")
    def lift(self, row: Experiment) -> SafeString | str:
        """Of the first primary metric, in the arm that does best."""
        primary = next((one for one in (row.findings or {}).get("metrics", ()) if one["role"] == "primary"), None)
        arms = [one for one in (primary or {}).get("arms", ()) if not one["control"] and one.get("lift")]
        if primary is None or not arms:
            return "–"
        up = 1 if primary["higher_is_better"] else -1
        best = max(arms, key=lambda one: one["lift"]["value"] * up)
        within = f"{drawing.percent(best['lift']['lower'], signed=True)} … {drawing.percent(best['lift']['upper'], signed=True)}"
        told = within if best["lift"]["lower"] is not None else "too early for an interval"
        value = badge(drawing.percent(best["lift"]["value"], signed=True), TONES[drawing.tone(primary, best)])
        return format_html('{}<span class="mcp-below">{}: {}</span>', value, primary["label"], told)

    @admin.display(description="The numbers say")
    def said(self, row: Experiment) -> str:
        return str((row.findings or {}).get("verdict", {}).get("sentence", "–"))

    @admin.display(description="Exposed")
    def exposed(self, row: Experiment) -> str:
        return f"{row.findings['exposed']:,}" if row.findings else "–"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        mine = in_view(request, Experiment.objects.all(), self.permissions["view"])
        shared = [{"title": title, "to": reverse(f"admin:experiments_{model}_changelist")} for _, title, model in SHARED]
        more = {
            "none": not mine.exists(),
            "shared": shared,
            "new_url": self.to("add") if may(request, self.permissions["write"]) else "",
        }
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        """What is planned is shown as its plan, what has started as it lives."""
        if object_id is None:
            raise Http404
        row = self.row(request, object_id)
        return self.plan_page(request, row.pk, "review") if row.state in PLANNED else self.live_page(request, row)

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"experiments_experiment_{name}")

        return [
            page("<uuid:pk>/plan/<slug:step>/", self.plan_page, "plan"),
            page("<uuid:pk>/state/", self.state_page, "state"),
            page("<uuid:pk>/live/", self.live_part, "live"),
            page("<uuid:pk>/decisions/", self.decisions_page, "decisions"),
            page("<uuid:pk>/press/<slug:verb>/", self.press, "press"),
            *super().get_urls(),
        ]

    def press(self, request: HttpRequest, pk: Any, verb: str) -> HttpResponse:
        """One button: one service call."""
        if request.method != "POST" or verb not in CALLS:
            return HttpResponseRedirect(self.to("change", pk))
        row = self.row(request, pk, NEEDS.get(verb, "run"))
        by = principal(request, row.tenant)
        to = self.to("changelist") if verb == "delete" else self.to("change", pk)
        return self.perform(request, lambda: press(row, verb, request.POST, by), done=DONE[verb], to=to)
