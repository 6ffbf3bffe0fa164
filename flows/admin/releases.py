"""Publishing, versions and what differs between them: pages of one flow."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from flows import queries, services
from flows.admin.problems import Review, steps
from flows.core.diff import Change
from flows.core.types import Json
from flows.models import Environment, Flow
from flows.services import testing
from mcp_platform.admin_base import tell
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.pages import TenantPage, may, principal


class ReleasePages(TenantPage):
    """Mixed into the page of a flow."""

    def frame(self, request: HttpRequest, flow: Flow) -> dict[str, Any]:
        """What every page of a flow shows: its name, where it runs, and the tabs that this person may open."""
        tabs = [
            ("overview", "States", "account_tree", self.to("change", flow.pk)),
            ("tests", "Tests", "science", self.to("tests", flow.pk)),
            ("publish", "Publish", "rocket_launch", self.to("publish", flow.pk)),
            ("versions", "Versions", "history", self.to("versions", flow.pk)),
            ("live", "Live versions", "stacked_bar_chart", reverse("admin:conversations_migrationplan_live", args=(flow.pk,))),
            ("export", "Export", "data_object", self.to("export", flow.pk)),
        ]
        if may(request, "metrics:read", flow.tenant_id):
            tabs.append(("analytics", "Analytics", "monitoring", reverse("admin:analytics_flowanalytics_change", args=(flow.pk,))))
        if flow.running and may(request, "conversations:write", flow.tenant_id):
            tabs.append(("try", "Try it", "chat", f"{reverse('admin:conversations_conversation_try')}?flow={flow.flow_id}&tenant={flow.tenant.slug}"))
        return {
            "flow": flow,
            "object": flow,
            "flow_tabs": [{"key": key, "title": title, "icon": icon, "to": to} for key, title, icon, to in tabs],
            "running": sorted(flow.running.items()),
            "archive_url": self.to("archive", flow.pk),
            "may_change": may(request, "flows:write", flow.tenant_id),
            "may_publish": may(request, "flows:publish", flow.tenant_id),
        }

    def publish_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        flow = self.mine(request, pk)
        if request.method == "POST":
            return self._publish(request, self.mine(request, pk, "publish"))
        review = Review(flow)
        environments = list(Environment.objects.for_tenant(flow.tenant_id))
        wanted = request.GET.get("environment", "")
        chosen = next((one for one in environments if one.name == wanted), None) or next((one for one in environments if one.is_default), None)
        live = flow.running.get(chosen.name) if chosen else None
        return self.show(
            request,
            "flows/publish.html",
            title=flow.name,
            tab="publish",
            review=review,
            environments=environments,
            where=chosen,
            live=live,
            failing=_failing(review),
            waiting_states=_waiting_states(review),
            changes=self._changes(flow, live, None) if live else None,
            **self.frame(request, flow),
        )

    def _publish(self, request: HttpRequest, flow: Flow) -> HttpResponse:
        where, rev = request.POST.get("environment", ""), request.POST.get("rev", "")

        to = self.to("publish", flow.pk)
        try:
            services.publish(
                flow.tenant,
                flow_id=flow.pk,
                environment=where,
                note=request.POST.get("note", ""),
                expected_rev=int(rev) if rev.isdecimal() else None,
                live=_live(request),
                override_tests=request.POST.get("override_tests", ""),
                by=principal(request, flow.tenant),
            )
        except PlatformError as error:
            tell(request, error)
        else:
            policy = _live(request)["policy"]
            messages.success(request, f"Published. New conversations in {where or 'the default environment'} use this version at once; {LED[policy]}")
            to = self.to("versions", flow.pk) if policy == "pin" else reverse("admin:conversations_migrationplan_live", args=(flow.pk,))
        return HttpResponseRedirect(to)

    def versions_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        flow = self.mine(request, pk)
        versions = list(queries.versions(flow.tenant_id, flow.pk).defer("definition")[:200])
        environments = list(Environment.objects.for_tenant(flow.tenant_id))
        running = flow.running
        rows = [{"version": one, "runs_in": [name for name, number in running.items() if number == one.number]} for one in versions]
        return self.show(
            request, "flows/versions.html", title=flow.name, tab="versions", rows=rows, environments=environments, **self.frame(request, flow)
        )

    def version_page(self, request: HttpRequest, pk: Any, number: int) -> HttpResponse:
        """One version against another (`?against=3`), the one before it, or the draft (`?against=draft`)."""
        flow = self.mine(request, pk)
        version = queries.version(flow.tenant_id, flow.pk, number)
        others = [other for other in flow.versions.order_by("-number").values_list("number", flat=True) if other != number]
        given = request.GET.get("against", "")
        before = int(given) if given.isdecimal() and int(given) in others else max((other for other in others if other < number), default=None)
        changes = self._changes(flow, number, None) if given == "draft" else self._changes(flow, before, number) if before else None
        return self.show(
            request,
            "flows/version.html",
            title=flow.name,
            tab="versions",
            version=version,
            others=others,
            against="draft" if given == "draft" else before,
            changes=changes,
            definition=json.dumps(json.loads(version.definition), indent=2, ensure_ascii=False),
            **self.frame(request, flow),
        )

    def roll_back_button(self, request: HttpRequest, pk: Any, number: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("versions", pk))
        flow, where = self.mine(request, pk, "publish"), request.POST.get("environment", "")
        by = principal(request, flow.tenant)
        return self.perform(
            request,
            lambda: services.roll_back(flow.tenant, flow_id=flow.pk, number=number, environment=where, by=by),
            done=f"{where or 'The default environment'} runs version {number} now.",
            to=self.to("versions", flow.pk),
        )

    def _changes(self, flow: Flow, before: int | None, after: int | None) -> dict[str, Any]:
        """Context of templates/flows/diff.html."""
        try:
            found = services.diff(flow.tenant, flow_id=flow.pk, before=before or 0, after=after)
        except PlatformError as error:
            return {"refused": error.message, "groups": []}
        return {
            "refused": "",
            "groups": grouped(found),
            "count": len(found),
            "before": f"version {before}",
            "after": f"version {after}" if after else "the draft",
        }


# What becomes of the conversations that run another version: docs/live_versions.md.
LED: Mapping[str, str] = {
    "pin": "running ones keep theirs.",
    "migrate_at_wait": "running ones move while they wait.",
    "drain": "running ones go on until the drain ends.",
    "force": "running ones are moved by force.",
}


def _live(request: HttpRequest) -> dict[str, Any]:
    """The form's choice; what cannot be meant falls back to pinning."""
    policy, days = request.POST.get("live", "pin"), request.POST.get("days", "")
    if policy not in LED:
        return {"policy": "pin"}
    given = {"fallback": request.POST.get("fallback", ""), "at_end": request.POST.get("at_end", "")}
    return {"policy": policy, **given, **({"days": int(days)} if days.isdecimal() and 0 < int(days) <= 3650 else {})}


def _failing(review: Review) -> list[testing.Ran]:
    """The enabled tests that the draft does not pass; a draft with errors cannot be asked."""
    if review.errors or review.flow.archived_at is not None:
        return []
    report = testing.judge_draft(review.flow.tenant, flow_id=review.flow.pk, keep=False).report
    return list(report.failed) if report is not None else []


def _waiting_states(review: Review) -> list[str]:
    """States of the draft that wait for their user: where a conversation may be led whose own state is gone."""
    return [name for name, state in review.document["states"].items() if state.get("type") in ("response", "intent", "slot_filling", "wait")]


def grouped(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Changes side by side, by state; what is not of a state comes first."""
    groups: dict[str, list[Mapping[str, Json]]] = {}
    for change in changes:
        where = steps(change.path)
        of_state = len(where) > 1 and where[0] == "states"
        name = str(where[1]) if of_state else ""
        rest = where[2:] if of_state else where
        label = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest).removeprefix(".")
        groups.setdefault(name, []).append(
            {"label": label or "the whole state", "kind": change.kind.value, "before": _text(change.before), "after": _text(change.after)}
        )
    return [{"state": name, "changes": groups[name]} for name in sorted(groups)]


def _text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)
