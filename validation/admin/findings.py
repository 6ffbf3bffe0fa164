"""The people's side of checks: all buildings, the board, one finding, the plan, the model."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from mcp_platform.tenancy.pages import TenantPage, in_view
from validation.models import Finding
from validation.pages import buildings, findings


def critical(request: HttpRequest) -> int:
    """The badge in the sidebar: critical failures that nobody has looked at."""
    rows = Finding.objects.filter(severity="critical", outcome="fail", resolved_seq=None, state__in=("open", "reopened"))
    return in_view(request, rows, "validation:read").count()


@admin.register(Finding)
class FindingPage(TenantPage):
    permissions: ClassVar = {"view": "validation:read"}

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"validation_finding_{name}")

        return [
            page("buildings/<uuid:building>/", self.board_page, "board"),
            page("buildings/<uuid:building>/plan/", self.plan_page, "plan"),
            page("buildings/<uuid:building>/model/", self.model_page, "model"),
            page("<uuid:pk>/panel/", self.panel_page, "panel"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """All buildings."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        return self.show(request, "validation/portfolio.html", title="Buildings", **buildings.portfolio(request))

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        found = self._finding(request, object_id)
        context = {**buildings.frame(request, found.building, ""), **findings.panel(request, found)}
        context["title"] = context["finding"]["rule_title"] or found.rule_key
        return self.show(request, "validation/finding.html", object=found, **context)

    def panel_page(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        found = self._finding(request, pk)
        return self.show(request, "validation/finding_panel.html", in_panel=True, **findings.panel(request, found))

    def _finding(self, request: HttpRequest, pk: Any) -> Finding:
        try:
            found: Finding = self.mine(request, UUID(str(pk)))
        except ValueError as fault:
            raise Http404("There is no such finding.") from fault
        return found

    def board_page(self, request: HttpRequest, building: UUID) -> HttpResponse:
        return self._of_building(request, building, "board")

    def plan_page(self, request: HttpRequest, building: UUID) -> HttpResponse:
        return self._of_building(request, building, "plan")

    def model_page(self, request: HttpRequest, building: UUID) -> HttpResponse:
        return self._of_building(request, building, "model")

    def _of_building(self, request: HttpRequest, building: UUID, tab: str) -> HttpResponse:
        found = buildings.of_request(request, building)
        return self.show(request, f"validation/{tab}.html", **buildings.frame(request, found, tab))
