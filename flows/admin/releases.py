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
from mcp_platform.admin_base import tell
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.pages import TenantPage, may, principal


class ReleasePages(TenantPage):
    """Mixed into the page of a flow."""

    def frame(self, request: HttpRequest, flow: Flow) -> dict[str, Any]:
        """What every page of a flow shows: its name, where it runs, and the tabs that this person may open."""
        tabs = [
            ("overview", "States", "account_tree", self.to("change", flow.pk)),
            ("publish", "Publish", "rocket_launch", self.to("publish", flow.pk)),
            ("versions", "Versions", "history", self.to("versions", flow.pk)),
            ("export", "Export", "data_object", self.to("export", flow.pk)),
        ]
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
                by=principal(request, flow.tenant),
            )
        except PlatformError as error:
            tell(request, error)
        else:
            done = f"Published. New conversations in {where or 'the default environment'} use this version at once; running ones keep theirs."
            messages.success(request, done)
            to = self.to("versions", flow.pk)
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
