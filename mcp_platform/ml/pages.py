"""The registry's own pages in the admin: every key, versions side by side, drift, approval. A mixin, so that the page of one model stays short."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path

from mcp_platform.ml import drawing, queries, services, stages, versions
from mcp_platform.ml.core import comparison
from mcp_platform.ml.core.card import sections
from mcp_platform.ml.core.gates import APPROVAL
from mcp_platform.ml.models import Champion, ModelVersion
from mcp_platform.tenancy.pages import TenantPage, in_view, may, principal

LOOKS = {
    "candidate": "info",
    "shadow": "info",
    "challenger": "warning",
    "champion": "success",
    "archived": "",
    "rejected": "danger",
    "stable": "success",
    "moderate": "warning",
    "drifted": "danger",
}


class RegistryPages(TenantPage):
    """To be mixed into the page of models."""

    def registry_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"ml_modelversion_{name}")

        return [
            page("registry/", self.registry_page, "registry"),
            page("<uuid:pk>/versions/", self.versions_page, "versions"),
            page("<uuid:pk>/drift/", self.drift_page, "drift"),
            page("<uuid:pk>/shadow/", self.shadow_page, "shadow"),
            page("<uuid:pk>/shadow/<slug:verb>/", self.shadow_button, "shade"),
            page("<uuid:pk>/measure/", self.measure_button, "measure"),
            page("<uuid:pk>/approve/", self.approve_page, "approve"),
            page("<uuid:pk>/card/", self.card_file, "card"),
            page("<uuid:pk>/export/", self.export_button, "export"),
        ]

    def tabs(self, row: ModelVersion, tab: str) -> dict[str, Any]:
        """What templates/ml/head.html needs."""
        names = ("change", "versions", "drift", "shadow", "card", "approve", "measure", "export", "promote", "rollback", "reject")
        return {
            "object": row,
            "tab": tab,
            "variant": LOOKS.get(row.status, ""),
            "kind": services.KINDS.get(row.kind),
            "watched": versions.is_watched(row),
            "registry_url": self.to("registry"),
            "urls": {name: self.to(name, row.pk) for name in names},
        }

    def registry_page(self, request: HttpRequest) -> HttpResponse:
        """Every key with what serves, what waits and what has drifted."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = in_view(request, ModelVersion.objects.all(), self.permissions["view"])
        entries = versions.registry(rows)
        several = len({one.tenant_id for one in entries}) > 1
        return self.show(
            request,
            "ml/registry.html",
            title="Model registry",
            entries=[self._entry(request, one) for one in entries],
            several=several,
            list_url=self.to("changelist"),
            exporting=versions.is_exporting(),
        )

    def _entry(self, request: HttpRequest, one: versions.Entry) -> dict[str, Any]:
        serving, ready = one.champion, one.ready[0] if one.ready else None
        return {
            "it": one,
            "tenant": one.newest.tenant,
            "states": [{"name": name, "count": count, "look": LOOKS.get(name, "")} for name, count in one.states.items()],
            "look": LOOKS.get(one.worst.reading, "") if one.worst else "",
            "versions_url": self.to("versions", (serving or one.newest).pk),
            "champion_url": self.to("change", serving.pk) if serving else "",
            "drift_url": self.to("drift", serving.pk) if serving else "",
            "ready": ready,
            "ready_url": self.to("approve", ready.pk) if ready and may(request, self.permissions["write"], one.tenant_id) else "",
        }

    def versions_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """`beside`: ids of the versions beside this one."""
        row: ModelVersion = self.mine(request, pk)
        found = versions.compare(row.tenant, model_id=row.pk, beside=_ids(request.GET.getlist("beside")))
        shown = {one.pk for one in found.versions}
        others = queries.models(row.tenant_id).filter(kind=row.kind, subject=row.subject).defer("metrics", "card").order_by("-number")[:40]
        return self.show(
            request,
            "ml/versions.html",
            title=f"{row.subject}: versions",
            **self.tabs(row, "versions"),
            columns=[self._column(one, place == found.champion) for place, one in enumerate(found.versions)],
            lines=[_line(line) for line in found.lines],
            gates=found.gates,
            choices=[{"row": one, "look": LOOKS.get(one.status, ""), "shown": one.pk in shown} for one in others],
        )

    def _column(self, row: ModelVersion, serves: bool) -> dict[str, Any]:
        return {"row": row, "serves": serves, "look": LOOKS.get(row.status, ""), "url": self.to("change", row.pk)}

    def drift_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row: ModelVersion = self.mine(request, pk)
        found = versions.drift_of(row)
        first = {one.name: one for one in found.since_first}
        return self.show(
            request,
            "ml/drift.html",
            title=f"{row}: drift",
            **self.tabs(row, "drift"),
            picture=drawing.curves(found),
            newest=found.points[-1] if found.points else None,
            shifts=[
                {"it": one, "look": LOOKS[one.reading], "bars": drawing.bars(one), "first": first.get(one.name)}
                for one in sorted(found.shifts, key=lambda one: -one.index)
            ],
            own=services.KINDS[row.kind].drift is not None if row.kind in services.KINDS else False,
            may_write=may(request, self.permissions["write"], row.tenant_id),
        )

    def shadow_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """What it would have said beside what served."""
        row: ModelVersion = self.mine(request, pk)
        enter = row.status in (ModelVersion.Status.CANDIDATE, ModelVersion.Status.ARCHIVED)
        leave = row.status == ModelVersion.Status.SHADOW
        writes = may(request, self.permissions["write"], row.tenant_id)
        return self.show(
            request,
            "ml/shadow.html",
            title=f"{row}: in the shadow",
            **self.tabs(row, "shadow"),
            found=stages.agreement(row),
            enter_url=self.to("shade", row.pk, "enter") if enter and writes else "",
            leave_url=self.to("shade", row.pk, "leave") if leave and writes else "",
        )

    def shadow_button(self, request: HttpRequest, pk: Any, verb: str) -> HttpResponse:
        call, done = (stages.shadow, "It runs in the shadow.") if verb == "enter" else (stages.unshadow, "It runs no more.")
        return self.pressed(request, pk, "shadow", lambda row: call(row.tenant, model_id=row.pk, by=principal(request, row.tenant)), done)

    def measure_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return self.pressed(
            request, pk, "drift", lambda row: versions.start_measuring(row.tenant, model_id=row.pk), "A worker takes today's reading."
        )

    def _measured(self, row: ModelVersion) -> None:
        versions.start_measuring(row.tenant, model_id=row.pk)

    def export_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return self.pressed(request, pk, "change", lambda row: versions.start_export(row.tenant, model_id=row.pk), "A worker tells MLflow.")

    def pressed(self, request: HttpRequest, pk: Any, back: str, call: Callable[[ModelVersion], Any], done: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to(back, pk))
        row = self.mine(request, pk, "write")
        return self.perform(request, lambda: call(row), done=done, to=self.to(back, pk))

    def approve_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """What a promotion would change; the person reads it and says so."""
        row: ModelVersion = self.mine(request, pk, "write")
        pointer = Champion.objects.for_tenant(row.tenant_id).filter(kind=row.kind, subject=row.subject).select_related("model").first()
        if pointer is not None and pointer.model_id == row.pk:
            return HttpResponseRedirect(self.to("change", row.pk))
        beside = [pointer.model_id] if pointer is not None else []
        found = versions.compare(row.tenant, model_id=row.pk, beside=beside or [row.pk])
        gates = services.judge(row.tenant, row, actor=principal(request, row.tenant).actor)
        return self.show(
            request,
            "ml/approve.html",
            title=f"Let {row} serve",
            **self.tabs(row, ""),
            champion=pointer.model if pointer is not None else None,
            lines=[_line(line) for line in found.lines],
            gates=gates,
            closed=[gate for gate in gates if not gate.passed],
            blocked=[gate for gate in gates if not gate.passed and gate.name == APPROVAL],
            longest=services.LONGEST_REASON,
        )

    def card_file(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row: ModelVersion = self.mine(request, pk)
        name = f"{row.kind}-{row.subject.replace(':', '-')}-v{row.number}.md"
        disposition = f'attachment; filename="{name}"'
        return HttpResponse(versions.card(row), content_type="text/markdown; charset=utf-8", headers={"Content-Disposition": disposition})


def card_of(row: ModelVersion) -> list[dict[str, Any]]:
    """Sections for templates/ml/card.html: text, a list, or pairs."""
    return [{"title": title, **_shape(value)} for title, value in sections(row.card)]


def _shape(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"pairs": list(value.items())}
    if isinstance(value, list):
        return {"entries": [", ".join(f"{name} {one}" for name, one in item.items()) if isinstance(item, dict) else item for item in value]}
    return {"text": value}


def _line(line: comparison.Line) -> dict[str, Any]:
    style = line.measure.style
    cells = [
        {
            "value": comparison.shown(cell.value, style),
            "against": comparison.difference(cell.against, style),
            "look": {1: "success", -1: "danger"}.get(cell.verdict, ""),
            "best": cell.best,
        }
        for cell in line.cells
    ]
    return {"title": line.measure.title, "better": line.measure.better, "cells": cells}


def _ids(given: list[str]) -> list[UUID]:
    """What is no id is left out."""
    found = []
    for text in given:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
