"""The page of schedules: what is reported on, when and to whom; what came of each time, and a button to run it now."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows.models import Flow
from mcp_platform.admin_base import ServiceForm, badge, checkboxes, select, text_area
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.pages import chosen_tenant, principal
from reports import queries
from reports.admin.reports import LookPage
from reports.core.sections import FORMATS
from reports.models import Occasion, ReportSchedule, ReportTemplate
from reports.services import scheduling
from validation.models import Building, Project

VARIANTS = {"done": "success", "failed": "danger", "nothing": "warning", "queued": ""}
DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


class SubjectField(forms.ChoiceField):
    """Chosen by name; kept as {"project": "<id>"}."""

    def prepare_value(self, value: Any) -> Any:
        return ":".join(next(iter(value.items()))) if isinstance(value, dict) and value else value

    def to_python(self, value: Any) -> Any:
        name, _, pk = str(value or "").partition(":")
        return {name: pk} if pk else {}

    def valid_value(self, value: Any) -> bool:
        return bool(super().valid_value(self.prepare_value(value)))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != data)


class LinesField(forms.CharField):
    """One in each line; kept as a list."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, list) else [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))


def subjects(tenant: Tenant | None) -> list[Any]:
    """What can be reported on, in groups."""
    if tenant is None:
        return []
    projects = [(f"project:{row.pk}", row.name) for row in Project.objects.for_tenant(tenant).filter(archived_at=None).order_by("name")[:500]]
    rows = Building.objects.for_tenant(tenant).filter(archived_at=None).select_related("project").order_by("project__name", "name")
    buildings = [(f"building:{row.pk}", f"{row.project.name}, {row.name}") for row in rows[:1000]]
    flows = [(f"flow:{row.flow_id}", row.name) for row in Flow.objects.for_tenant(tenant).order_by("name")[:500]]
    return [("", "---------"), ("Projects", projects), ("Buildings", buildings), ("Flows", flows)]


@admin.register(ReportSchedule)
class SchedulePage(LookPage):
    empty_icon = "event_repeat"
    empty_says = "Nothing is reported by itself yet. A schedule makes the same report every week or month and writes to its readers."
    saves, deletes = scheduling.save_schedule, scheduling.delete_schedule
    form = ServiceForm
    fields = scheduling.FIELDS
    change_form_template = "reports/schedule.html"
    list_display = ("name", "rhythm", "next_at", "last", "enabled")
    list_filter = ("enabled", "kind")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReportSchedule]:
        newest = Occasion.objects.filter(schedule=OuterRef("pk")).order_by("-due_at").values("state")[:1]
        rows: QuerySet[ReportSchedule] = super().get_queryset(request).annotate(last_state=Subquery(newest))
        return rows

    @admin.display(description="When")
    def rhythm(self, row: ReportSchedule) -> SafeString:
        days = DAYS[row.weekday] if row.cadence == row.Cadence.WEEKLY else f"Day {row.day} of the month"
        return format_html('{}<span class="mcp-below">{} {}</span>', days, f"{row.at:%H:%M}", row.time_zone)

    @admin.display(description="Last time")
    def last(self, row: Any) -> SafeString:
        return badge(row.last_state, VARIANTS[row.last_state]) if row.last_state else SafeString("–")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        tenant = self._tenant(request)
        if db_field.name == "about":
            return SubjectField(
                choices=subjects(tenant), widget=select(), label="About", help_text="Of a project, each of its buildings is reported on"
            )
        if db_field.name == "recipients":
            return LinesField(required=False, widget=text_area(rows=3), label="Letters to", help_text="One address in each line")
        if db_field.name == "formats":
            choices = [(name, name.upper()) for name in FORMATS]
            return forms.MultipleChoiceField(choices=choices, required=False, widget=checkboxes(), help_text=db_field.help_text)
        if db_field.name == "template":
            kwargs["queryset"] = ReportTemplate.objects.for_tenant(tenant) if tenant else ReportTemplate.objects.none()
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def _tenant(self, request: HttpRequest) -> Tenant | None:
        match = request.resolver_match
        pk = match.kwargs.get("object_id") if match else None
        row = self.get_queryset(request).filter(pk=pk).select_related("tenant").first() if pk and _is_id(pk) else None
        return row.tenant if row is not None else chosen_tenant(request)

    def get_urls(self) -> list[Any]:
        run = path("<uuid:pk>/run/", self.admin_site.admin_view(self.run), name="reports_reportschedule_run")
        return [run, *super().get_urls()]

    def run(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        by = principal(request, row.tenant)
        return self.perform(
            request, lambda: scheduling.run_now(row.tenant, pk=pk, by=by), done=f"{row.name} is being made.", to=self.to("change", pk)
        )

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        if obj is not None:
            occasions = [{"row": one, "variant": VARIANTS[one.state]} for one in queries.occasions(obj.tenant, obj.pk)[:12]]
            context.update(schedule=obj, occasions=occasions, may_run=self.has_change_permission(request, obj))
        return super().render_change_form(request, context, add, change, form_url, obj)


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(str(text)))
    except ValueError as fault:
        raise Http404("There is no such schedule.") from fault
