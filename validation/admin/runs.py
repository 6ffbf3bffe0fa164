"""Checks: how the building has developed, one check with its numbers, two compared, and what another code would find."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.pages import TenantPage, may, principal, within
from validation.core.rules import CATEGORIES, Severity
from validation.models import Building, CodeEdition, Element, Jurisdiction, LiveSession, ValidationRun
from validation.pages import buildings
from validation.queries import live as live_queries
from validation.queries import runs as queries
from validation.queries.overview import actor_name, name_of
from validation.services import checking
from validation.services.checking import Question

READ, RUN = "validation:read", "validation:run"
STATES: Mapping[str, str] = {"done": "success", "failed": "danger", "cancelled": "warning", "running": "info", "queued": "info"}
MOST_NEAR = 20
WIDTH, HEIGHT, EDGE = 640, 160, 18  # of the trend's drawing


@admin.register(ValidationRun)
class RunPage(TenantPage):
    permissions: ClassVar = {"view": READ, "run": RUN}
    list_display = ("name", "state_shown", "standing", "failures", "trigger", "created_at")
    list_select_related = ("tenant", "building", "building__project", "revision")
    list_filter = ("state", "trigger", "is_what_if")
    search_fields = ("building__name", "requested_by", "result_sha256")
    ordering = ("-created_at",)
    change_form_template = "validation/runs/run.html"

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """`building` is no filter of the list, which would show the names of every tenant's buildings; addresses may name one."""
        return lookup == "building__id__exact" or super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("passes", "basis")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("start/<uuid:building_id>/", view(self.start), name="validation_validationrun_start"),
            path("what-if/<uuid:building_id>/", view(self.what_if), name="validation_validationrun_what_if"),
            path("<uuid:pk>/compare/", view(self.compare), name="validation_validationrun_compare"),
            *super().get_urls(),
        ]

    @admin.display(description="Check", ordering="building__name")
    def name(self, row: ValidationRun) -> SafeString:
        what = "what if" if row.is_what_if else f"revision {row.revision.number}" if row.revision else "live model"
        return format_html('<span class="mcp-title">{}</span><span class="mcp-below">{} · at {}</span>', row.building.name, what, row.at_seq)

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: ValidationRun) -> SafeString:
        return badge(row.state, STATES.get(row.state, ""))

    @admin.display(description="Score", ordering="score")
    def standing(self, row: ValidationRun) -> SafeString:
        if row.score is None:
            return format_html("–")
        return format_html('{} <span class="mcp-below">{} · coverage {} %</span>', f"{row.score:.1f}", row.status, round(100 * (row.coverage or 0)))

    @admin.display(description="Failures")
    def failures(self, row: ValidationRun) -> str:
        return ", ".join(f"{count} {name}" for name, count in row.counts.get("by_severity", {}).items() if count) or "–"

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404
        row = self.mine(request, object_id)
        operation = Operation.objects.for_tenant(row.tenant).filter(pk=row.operation_id).first() if row.operation_id else None
        others = queries.runs(row.tenant, row.building_id).filter(state="done").exclude(pk=row.pk)[:30]
        return self.show(
            request,
            self.change_form_template,
            title=f"Check of {row.building.name}",
            run=row,
            state=badge(row.state, STATES.get(row.state, "")),
            trend=drawn(queries.trend(row.tenant, row.building_id)),
            severities=[name.value for name in Severity],
            table=_severity_by_category(row),
            rules=_rules(row),
            basis=row.basis,
            missing=row.missing_facts,
            near=_near_misses(row),
            asker=actor_name(row.requested_by),
            comparison=row.score_breakdown.get("comparison"),
            sentence=row.score_breakdown.get("sentence", ""),
            others=others,
            progress_url=reverse("admin:operations_operation_progress", args=(operation.pk,)) if operation and operation.is_open else "",
            operation_url=reverse("admin:operations_operation_change", args=(operation.pk,)) if operation else "",
            building_url=reverse("admin:validation_building_change", args=(row.building_id,)),
            board_url=reverse("admin:validation_finding_board", args=(row.building_id,)),
            compare_url=self.to("compare", row.pk),
            start_url=self.to("start", row.building_id),
            deeds=buildings.deeds(request, row.building),
            may_run=may(request, RUN, row.tenant_id),
        )

    def compare(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """With any other check of the building; the older one is the one before."""
        row = self.mine(request, pk)
        rows = {str(one.pk): one for one in queries.runs(row.tenant, row.building_id).filter(state="done")[:200]}
        other = rows.get(request.GET.get("with", ""))
        if other is None or row.state != "done":
            return HttpResponseRedirect(self.to("change", row.pk))
        before, after = sorted((row, other), key=lambda one: one.created_at)
        found = checking.compare(row.tenant, building_id=row.building_id, before=before.pk, after=after.pk)
        return self.show(
            request,
            "validation/runs/compare.html",
            title=f"{row.building.name}: two checks",
            before=before,
            after=after,
            comparison=found,
            back=self.to("change", row.pk),
        )

    def start(self, request: HttpRequest, building_id: UUID) -> HttpResponse:
        building = _building(request, building_id)
        by = principal(request, building.tenant)
        if request.method == "POST":
            by.require(RUN)
            home = self.to("changelist")
            self.perform(request, lambda: checking.start(building.tenant, building_id=building.pk, by=by), done="The check has begun.", to=home)
        return HttpResponseRedirect(f"{self.to('changelist')}?building__id__exact={building.pk}")

    def what_if(self, request: HttpRequest, building_id: UUID) -> HttpResponse:
        building = _building(request, building_id)
        by = principal(request, building.tenant)
        by.require(RUN)
        if request.method == "POST":
            question = _question(request)
            self.perform(
                request,
                lambda: checking.start(building.tenant, building_id=building.pk, by=by, question=question),
                done=f"What if: {question}. The check has begun.",
                to=self.to("changelist"),
            )
            return HttpResponseRedirect(f"{self.to('changelist')}?building__id__exact={building.pk}&is_what_if__exact=1")
        return self.show(
            request,
            "validation/runs/what_if.html",
            title=f"What if: {building.name}",
            building=building,
            editions=CodeEdition.objects.for_tenant(building.tenant).order_by("title", "edition"),
            jurisdictions=Jurisdiction.objects.for_tenant(building.tenant).order_by("code"),
            back=reverse("admin:validation_finding_board", args=(building.pk,)),
        )


@admin.register(LiveSession)
class SessionPage(TenantPage):
    permissions: ClassVar = {"view": READ}
    list_display = ("what", "building", "who", "state_shown", "connected_at", "seen_at", "last_ack_seq")
    list_select_related = ("tenant", "building", "building__project", "user")
    list_before_template = "validation/runs/protocol.html"
    list_filter = ("state",)
    search_fields = ("actor", "client", "client_id")
    ordering = ("-connected_at",)
    change_form_template = "validation/runs/session.html"

    @admin.display(description="Client", ordering="client")
    def what(self, row: LiveSession) -> SafeString:
        return format_html('<span class="mcp-title">{} {}</span><span class="mcp-below">{}</span>', row.client, row.client_version, row.client_id)

    @admin.display(description="Who", ordering="actor")
    def who(self, row: LiveSession) -> str:
        return name_of(row.user) or row.actor

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: LiveSession) -> SafeString:
        return badge(row.state, "success" if row.state == "open" else "")

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404
        row = self.mine(request, object_id)
        batches = live_queries.batches(row.tenant, row.building_id, 0).filter(actor=row.actor, client_id=row.client_id).order_by("-seq")[:50]
        return self.show(
            request,
            self.change_form_template,
            title=f"{row.client} {row.client_version}",
            session=row,
            who=self.who(row),
            batches=batches,
            back=self.to("changelist"),
        )


def _building(request: HttpRequest, building_id: UUID) -> Building:
    found: Building | None = within(request, Building.objects.all(), READ).select_related("tenant", "project").filter(pk=building_id).first()
    if found is None:
        raise Http404("There is no such building.")
    return found


def _question(request: HttpRequest) -> Question:
    edition = CodeEdition.objects.filter(pk=request.POST["edition"]).first() if request.POST.get("edition") else None
    on = request.POST.get("on", "")
    return Question.of(
        {"on": on or None, "editions": {edition.title: edition.edition} if edition else {}, "jurisdiction": request.POST.get("jurisdiction", "")}
    )


def drawn(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The scores as points of a line in a drawing of WIDTH x HEIGHT; critical failures as bars below it."""
    scored = [point for point in points if point["score"] is not None]
    step = (WIDTH - 2 * EDGE) / max(1, len(scored) - 1)
    most = max((point["by_severity"].get("critical", 0) for point in scored), default=0) or 1
    dots = [
        {
            "x": round(EDGE + index * step, 1),
            "y": round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * point["score"] / 100, 1),
            "bar": round(30 * point["by_severity"].get("critical", 0) / most, 1),
            "bar_y": round(HEIGHT - EDGE - 30 * point["by_severity"].get("critical", 0) / most, 1),
            "score": point["score"],
            "at": point["at"],
            "critical": point["by_severity"].get("critical", 0),
            "url": reverse("admin:validation_validationrun_change", args=(point["run"],)),
        }
        for index, point in enumerate(scored)
    ]
    return {"dots": dots, "line": " ".join(f"{dot['x']},{dot['y']}" for dot in dots), "width": WIDTH, "height": HEIGHT}


def _severity_by_category(row: ValidationRun) -> list[dict[str, Any]]:
    """Failures: one line a category, one number a severity."""
    by_rule = {rule["key"]: rule for owner in row.basis.get("rule_sets", ()) for rule in owner["rules"]}
    found: dict[str, dict[str, int]] = {}
    for key, held in row.counts.get("rules", {}).items():
        rule = by_rule.get(key)
        if rule is not None and held.get("fail"):
            line = found.setdefault(rule["category"], {})
            line[rule["severity"]] = line.get(rule["severity"], 0) + held["fail"]
    most = max((number for line in found.values() for number in line.values()), default=1)
    return [
        {
            "category": category,
            "cells": [
                {"number": found[category].get(name.value, 0), "share": round(100 * found[category].get(name.value, 0) / most)} for name in Severity
            ],
        }
        for category in CATEGORIES
        if category in found
    ]


def _rules(row: ValidationRun) -> list[dict[str, Any]]:
    """By rule, the most failures first."""
    titles = _titles(row)
    rules = [{"key": key, "title": titles.get(key, key), **held} for key, held in row.counts.get("rules", {}).items() if any(held.values())]
    return sorted(rules, key=lambda one: (-one.get("fail", 0), -one.get("not_evaluable", 0), one["key"]))


def _titles(row: ValidationRun) -> dict[str, str]:
    return {rule["key"]: rule.get("title") or rule["key"] for owner in row.basis.get("rule_sets", ()) for rule in owner["rules"]}


def _near_misses(row: ValidationRun) -> list[dict[str, Any]]:
    """What passed by the least, with the names that people know."""
    near = row.score_breakdown.get("near_misses", [])[:MOST_NEAR]
    named = Element.objects.for_tenant(row.tenant_id).filter(building_id=row.building_id, global_id__in=[one["subject"] for one in near])
    names, titles = dict(named.order_by("valid_from_seq").values_list("global_id", "name")), _titles(row)
    return [{**one, "title": titles.get(one["rule"], one["rule"]), "name": names.get(one["subject"]) or one["subject"]} for one in near]
