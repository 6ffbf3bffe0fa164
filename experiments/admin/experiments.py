"""Experiments: the list, and one with its plan, what its variants change, its numbers and its decisions."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from experiments import queries, services
from experiments.models import Experiment
from experiments.services.planning import differences
from mcp_platform.admin_base import badge
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.pages import TenantPage, may, principal

COLOURS: Mapping[str, str] = {"running": "success", "paused": "warning", "stopped": "danger", "decided": "info"}
# What may be pressed in which state: (verb, label, icon, look, asks for words).
BUTTONS: Mapping[str, tuple[tuple[str, str, str, str, bool], ...]] = {
    "draft": (("validate", "Validate and freeze", "rule", "main", False),),
    "validated": (("start", "Start", "play_arrow", "main", False),),
    "running": (("pause", "Pause", "pause", "", False), ("stop", "Stop for everybody", "dangerous", "bad", True)),
    "paused": (("resume", "Go on", "play_arrow", "main", False), ("stop", "Stop for everybody", "dangerous", "bad", True)),
    "stopped": (("rebase", "Another phase on what runs now", "restart_alt", "", False),),
    "decided": (("archive", "Put away", "archive", "", False),),
}
NEEDS: Mapping[str, str] = {"validate": "write", "rebase": "write", "archive": "write"}
STATE = re.compile(r"\$\.states\.\w+")
DECIDABLE = ("running", "paused", "stopped")


@admin.register(Experiment)
class ExperimentPage(TenantPage):
    permissions: ClassVar = {"view": "experiments:read", "write": "experiments:write", "run": "experiments:run"}
    change_form_template = "experiments/experiment.html"
    list_display = ("what", "state_of", "where", "said", "created_at")
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
        return badge(row.get_state_display(), COLOURS.get(row.state, ""))

    @admin.display(description="Where")
    def where(self, row: Experiment) -> str:
        return f"{row.flow.flow_id if row.flow else row.subject} in {row.environment.name}"

    @admin.display(description="The numbers say")
    def said(self, row: Experiment) -> str:
        return str((row.findings or {}).get("verdict", {}).get("sentence", "–"))

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404
        row: Experiment = queries.experiment(self.mine(request, object_id).tenant_id, self.mine(request, object_id).pk)
        held = {what: may(request, needed, row.tenant_id) for what, needed in self.permissions.items()}
        buttons = [
            {"verb": verb, "label": label, "icon": icon, "look": look, "asks": asks, "to": self.to("press", row.pk, verb)}
            for verb, label, icon, look, asks in BUTTONS.get(row.state, ())
            if held[NEEDS.get(verb, "run")]
        ]
        return self.show(
            request,
            self.change_form_template,
            title=row.name,
            object=row,
            colour=COLOURS.get(row.state, ""),
            variants=[{"row": one, "changes": _changes(row, one)} for one in row.variants.all()],
            findings=row.findings,
            sizing=services.sizing(row),
            trend=queries.trend(row),
            decisions=queries.decisions(row),
            broken=services.verify_decisions(row),
            buttons=buttons,
            decidable=row.state in DECIDABLE and held["run"],
            decide_url=self.to("press", row.pk, "decide"),
        )

    def get_urls(self) -> list[Any]:
        press: Callable[..., Any] = self.admin_site.admin_view(self.press)
        return [path("<uuid:pk>/press/<slug:verb>/", press, name="experiments_experiment_press"), *super().get_urls()]

    def press(self, request: HttpRequest, pk: Any, verb: str) -> HttpResponse:
        """One button: one service call."""
        if request.method != "POST" or verb not in CALLS:
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, NEEDS.get(verb, "run"))
        by = principal(request, row.tenant)
        return self.perform(request, lambda: CALLS[verb](row, request.POST, by), done=DONE.get(verb, "Done."), to=self.to("change", pk))


def _changes(row: Experiment, variant: Any) -> dict[str, Any]:
    """Context of templates/flows/diff.html: what a variant changes, by state."""
    if variant.is_control or row.flow is None:
        return {"refused": "", "groups": []}
    try:
        found = differences(row, variant)
    except PlatformError as error:
        return {"refused": error.message, "groups": []}
    groups: dict[str, list[dict[str, str]]] = {}
    for change in found:
        state = (STATE.match(change.path) or [""])[0]
        told = {
            "kind": change.kind.value,
            "label": change.path.removeprefix(state) or "$",
            "before": _text(change.before),
            "after": _text(change.after),
        }
        groups.setdefault(state.removeprefix("$.states."), []).append(told)
    listed = [{"state": state, "changes": changes} for state, changes in groups.items()]
    return {"refused": "", "groups": listed, "before": "the base", "after": variant.key}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, indent=1)


def _decide(row: Experiment, given: Any, by: Any) -> Any:
    verdict, reason = given.get("verdict", ""), given.get("reason", "")
    if verdict.startswith("promote:"):
        return services.promote(row.tenant, key=row.pk, variant=verdict.removeprefix("promote:"), reason=reason, by=by)
    return services.decide(row.tenant, key=row.pk, verdict="keep" if verdict == "keep" else "inconclusive", reason=reason, by=by)


CALLS: Mapping[str, Callable[[Experiment, Any, Any], Any]] = {
    "validate": lambda row, _, by: services.validate(row.tenant, key=row.pk, by=by),
    "start": lambda row, _, by: services.start(row.tenant, key=row.pk, by=by),
    "pause": lambda row, _, by: services.pause(row.tenant, key=row.pk, by=by),
    "resume": lambda row, _, by: services.resume(row.tenant, key=row.pk, by=by),
    "stop": lambda row, given, by: services.stop(row.tenant, key=row.pk, reason=given.get("reason", ""), by=by),
    "rebase": lambda row, _, by: services.rebase(row.tenant, key=row.pk, by=by),
    "archive": lambda row, _, by: services.archive(row.tenant, key=row.pk, by=by),
    "decide": _decide,
}
DONE: Mapping[str, str] = {
    "validate": "Its variants are frozen as versions.",
    "start": "It runs.",
    "stop": "It is stopped: every flow begins in its current version again.",
    "decide": "It is decided, and the decision is kept.",
}
