"""Live versions: which conversations run which version of a flow, and the plans that bring them to another."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import is_naive, localtime, make_aware

from conversations import versions
from conversations.core import mapping as maps
from conversations.models import MigrationPlan
from flows import queries as flows
from flows.core.types import Program
from flows.models import Flow
from mcp_platform.admin_base import badge, tell
from mcp_platform.errors import PlatformError
from mcp_platform.operations import pages as operations
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.pages import TenantPage, may, principal

VARIANTS: Mapping[str, str] = {"draft": "", "active": "info", "stopped": "warning", "finished": "success", "reverted": "warning"}
HUES = 8  # colours of the states in the bars; the stylesheet knows them as h0 … h7


@admin.register(MigrationPlan)
class MigrationPlanPage(TenantPage):
    permissions: ClassVar = {"view": "flows:read", "change": "flows:publish"}
    list_display = ("title", "state_of", "how", "where", "created_by", "created_at")
    list_filter = ("status", "policy")
    list_select_related = ("tenant", "flow", "source", "target", "environment")
    search_fields = ("flow__flow_id", "note")
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MigrationPlan]:
        found: QuerySet[MigrationPlan] = super().get_queryset(request).defer("report", "source__definition", "target__definition")
        return found

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its own page edits it

    @admin.display(description="Plan")
    def title(self, row: MigrationPlan) -> SafeString:
        return format_html('<span class="mcp-title">{}</span><span class="mcp-below">{}</span>', str(row), row.note)

    @admin.display(description="Status", ordering="status")
    def state_of(self, row: MigrationPlan) -> SafeString:
        return badge(row.get_status_display(), VARIANTS[row.status])

    @admin.display(description="Policy", ordering="policy")
    def how(self, row: MigrationPlan) -> str:
        return row.get_policy_display()

    @admin.display(description="Environment", ordering="environment__name")
    def where(self, row: MigrationPlan) -> str:
        return row.environment.name

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {**(extra_context or {}), "title": "Migration plans"})

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"conversations_migrationplan_{name}")

        buttons = [page(f"<uuid:pk>/{name.replace('_', '-')}/", getattr(self, f"{name}_button"), name) for name in BUTTONS]
        return [page("flow/<uuid:flow_pk>/", self.live_page, "live"), *buttons, *super().get_urls()]

    def live_page(self, request: HttpRequest, flow_pk: Any) -> HttpResponse:
        flow = Flow.objects.select_related("tenant").filter(pk=flow_pk).first()
        if flow is None or not may(request, "flows:read", flow.tenant_id):
            raise Http404("There is no such flow.")
        if request.method == "POST":
            return self._create(request, flow)
        found = versions.live(flow.tenant, flow)
        plans = list(versions.plans(flow.tenant).filter(flow=flow)[:50])
        frame: Any = self.admin_site.get_model_admin(Flow)
        running = {one.environment: one.number for one in found if one.runs}
        return self.show(
            request,
            "conversations/live.html",
            title=flow.name,
            tab="live",
            rows=standing(found, plans, running),
            plans=[{"row": one, "variant": VARIANTS[one.status], "to": self.to("change", one.pk)} for one in plans],
            live_total=sum(one.total for one in found),
            **frame.frame(request, flow),
        )

    def _create(self, request: HttpRequest, flow: Flow) -> HttpResponse:
        by = principal(request, flow.tenant)
        by.require("flows:publish")
        source = request.POST.get("source", "")
        try:
            made = versions.create(
                flow.tenant, flow_id=flow.pk, source=int(source) if source.isdecimal() else 0, environment=request.POST.get("environment", ""), by=by
            )
        except PlatformError as error:
            tell(request, error)
            return HttpResponseRedirect(self.to("live", flow.pk))
        return HttpResponseRedirect(self.to("change", made.pk))

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404
        plan: MigrationPlan = self.mine(request, object_id)
        may_change = may(request, "flows:publish", plan.tenant_id)
        given = None
        if request.method == "POST":
            given = self._save(request, plan)
            if given is None:
                return HttpResponseRedirect(self.to("change", plan.pk))
        return self._plan_page(request, plan, given or written(plan), may_change)

    def _save(self, request: HttpRequest, plan: MigrationPlan) -> dict[str, Any] | None:
        """None when it is saved; else what was typed, to be shown again."""
        by = principal(request, plan.tenant)
        by.require("flows:publish")
        fields = fields_of(request.POST)
        try:
            versions.change(plan.tenant, plan_id=plan.pk, fields=fields, expected_rev=int(request.POST.get("rev") or 0), by=by)
        except PlatformError as error:
            tell(request, error)
            return fields
        messages.success(request, "Saved. Try it before you apply it.")
        return None

    def _plan_page(self, request: HttpRequest, plan: MigrationPlan, given: Mapping[str, Any], may_change: bool) -> HttpResponse:
        before, after = flows.program_for(plan.source_id), flows.program_for(plan.target_id)
        counts = versions.live_states(plan.tenant, plan)
        work = list(versions.work_of(plan.tenant, plan)[:8])
        return self.show(
            request,
            "conversations/plan.html",
            title=str(plan),
            object=plan,
            plan=plan,
            variant=VARIANTS[plan.status],
            given=given,
            ends_at=moment(given.get("ends_at")),
            editor=editor(given["mapping"], before, after, counts),
            waiting=counts.total(),
            waiting_states=maps.waiting_states(after),
            policies=MigrationPlan.Policy.choices,
            endings=MigrationPlan.AtEnd.choices,
            editable=may_change and plan.status != MigrationPlan.Status.ACTIVE,
            may_change=may_change,
            report=report(plan),
            work=[{"row": one, "variant": _variant(one), "to": operations.url(one)} for one in work],
            busy=any(one.is_open for one in work),
            live_url=self.to("live", plan.flow_id),
            buttons={name: self.to(name, plan.pk) for name in BUTTONS},
        )

    def dry_run_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return self._started(request, pk, lambda plan, by: versions.dry_run(plan.tenant, plan_id=plan.pk, by=by))

    def apply_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return self._started(request, pk, lambda plan, by: versions.apply(plan.tenant, plan_id=plan.pk, by=by)[1])

    def revert_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        inverse = request.POST.get("inverse") == "on"
        return self._started(request, pk, lambda plan, by: versions.revert(plan.tenant, plan_id=plan.pk, inverse=inverse, by=by)[1])

    def stop_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        def stop(plan: MigrationPlan, by: Any) -> None:
            versions.stop(plan.tenant, plan_id=plan.pk, by=by)

        return self._started(request, pk, stop)

    def delete_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        plan = self.mine(request, pk)
        by = principal(request, plan.tenant)
        by.require("flows:publish")
        to = self.to("live", plan.flow_id)
        return self.perform(request, lambda: versions.delete(plan.tenant, plan_id=plan.pk, by=by), done="The plan is deleted.", to=to)

    def _started(self, request: HttpRequest, pk: Any, call: Any) -> HttpResponse:
        """A button's work: to the page of its operation when it has one."""
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        plan = self.mine(request, pk)
        by = principal(request, plan.tenant)
        by.require("flows:publish")
        try:
            operation: Operation | None = call(plan, by)
        except PlatformError as error:
            tell(request, error)
            operation = None
        return HttpResponseRedirect(operations.url(operation) if operation is not None else self.to("change", pk))


BUTTONS = ("dry_run", "apply", "stop", "revert", "delete")


def _variant(row: Operation) -> str:
    return {"queued": "info", "running": "info", "succeeded": "success", "failed": "danger", "cancelled": "warning"}[row.status]


def standing(found: Iterable[versions.Live], plans: Iterable[MigrationPlan], running: Mapping[str, int]) -> list[dict[str, Any]]:
    """One row for each version and environment: its bar is as long as its share, and split by state."""
    rows = list(found)
    most = max((one.total for one in rows), default=0) or 1
    active = {(one.source_id, one.environment_id): one for one in plans if one.status == MigrationPlan.Status.ACTIVE}
    return [
        {
            "live": one,
            "share": round(100 * one.total / most, 1),
            "states": _parts(one.states),
            "plan": active.get((one.version_id, one.environment_id)),
            "may_plan": one.total > 0 and running.get(one.environment) not in (None, one.number),
        }
        for one in rows
    ]


def _parts(states: Counter[str]) -> list[dict[str, Any]]:
    total = states.total() or 1
    return [
        {"state": state or "–", "count": count, "share": round(100 * count / total, 2), "hue": index % HUES}
        for index, (state, count) in enumerate(states.most_common())
    ]


def report(plan: MigrationPlan) -> dict[str, Any] | None:
    """The last dry run for the page: with the address of each example."""
    if plan.report is None:
        return None
    found = dict(plan.report)
    for part in ("reasons", "slots_lost", "slots_converted", "variables_lost", "remarks"):
        found[part] = [{**one, "examples": [_example(pk) for pk in one["examples"]]} for one in found.get(part, ())]
    total = found["total"] or 1
    return {**found, "share": round(100 * found["movable"] / total, 1), "stale": plan.report_rev != plan.rev, "at": plan.report_at}


def _example(pk: str) -> dict[str, str]:
    return {"name": pk[:8], "to": reverse("admin:conversations_conversation_change", args=(pk,))}


def written(plan: MigrationPlan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in ("mapping", "policy", "ends_at", "at_end", "note")}


def moment(value: Any) -> str:
    """For an input of type datetime-local."""
    return localtime(value).strftime("%Y-%m-%dT%H:%M") if isinstance(value, datetime) else ""


def editor(mapping: Mapping[str, Any], before: Program, after: Program, counts: Counter[str]) -> dict[str, Any]:
    """What the template shows: a line for each state that conversations stand in or that the map names, for each slot and each variable."""
    states = [name for name in before.flow.states if counts[name] or name in mapping.get("states", {}) or maps.waits(before, name)]
    states += [name for name in counts if name not in states]
    chosen = mapping.get("states", {})
    return {
        "states": [
            {
                "name": name,
                "count": counts[name],
                "chosen": chosen.get(name, ""),
                "same": name in after.flow.states,
                "lost": _lost(name, chosen, after),
            }
            for name in sorted(states, key=lambda name: -counts[name])
        ],
        "slots": _lines(mapping.get("slots", {}), before.flow.slots, after.flow.slots),
        "variables": _lines(mapping.get("variables", {}), before.flow.variables, after.flow.variables),
        "new_slots": list(after.flow.slots),
        "new_variables": list(after.flow.variables),
        "missing": mapping.get("missing", "refuse"),
        "fallback": mapping.get("fallback", ""),
        "misfit": mapping.get("misfit", "drop"),
        "ask": mapping.get("ask", False),
    }


def _lost(name: str, chosen: Mapping[str, str], after: Program) -> bool:
    return not maps.waits(after, chosen.get(name, name))


def _lines(changes: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [*before, *(name for name in after if name not in before), *(name for name in changes if name not in before and name not in after)]
    return [
        {
            "name": name,
            "type": str(getattr(before.get(name, after.get(name)), "type", "")),
            "old": name in before,
            "same": name in after,
            "to": changes.get(name, {}).get("to", ""),
            "drop": changes.get(name, {}).get("drop", False),
            "convert": changes.get(name, {}).get("convert", ""),
            "default": "" if changes.get(name, {}).get("default") is None else json.dumps(changes[name]["default"], ensure_ascii=False),
        }
        for name in names
    ]


def fields_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The plan's fields from what the form has sent. What is wrong with them, the service says."""
    return {
        "mapping": {
            "states": {name: target for name, target in _prefixed(given, "state:") if target},
            "missing": given.get("missing", "refuse"),
            "fallback": given.get("fallback", ""),
            "misfit": given.get("misfit", "drop"),
            "ask": given.get("ask") == "on",
            "slots": _changes(given, "slot"),
            "variables": _changes(given, "variable"),
        },
        "policy": given.get("policy", ""),
        "ends_at": _moment_of(given.get("ends_at", "")),
        "at_end": given.get("at_end", ""),
        "note": given.get("note", "")[:500],
    }


def _prefixed(given: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    return [(name.removeprefix(prefix), str(given[name]).strip()) for name in given if name.startswith(prefix)]


def _moment_of(text: str) -> datetime | None:
    try:
        found = parse_datetime(text) if text else None
    except ValueError:
        return None
    return make_aware(found) if found is not None and is_naive(found) else found


def _changes(given: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, target in _prefixed(given, f"{kind}-to:"):
        if target == "-drop":
            found.setdefault(name, {})["drop"] = True
        elif target:
            found.setdefault(name, {})["to"] = target
    for name, source in _prefixed(given, f"{kind}-convert:"):
        if source:
            found.setdefault(name, {})["convert"] = source
    for name, text in _prefixed(given, f"{kind}-default:"):
        if text:
            found.setdefault(name, {})["default"] = _json_or_text(text)
    return found


def _json_or_text(text: str) -> Any:
    """3, true and "a text" as JSON; a bare word is a text."""
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text
