"""Ask for a report of any kind in the admin: one form, whose fields are those of the chosen kind."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from experiments import queries as experiments
from flows import queries as flows
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, principal
from reports.core.sections import FORMATS_OF, KINDS
from reports.models import LOCALES, ReportTemplate
from reports.services import making, reading
from validation.models import Project, ValidationRun

MOST_RUNS: Final = 200
FIELDS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("run",),
    "project": ("project",),
    "period": ("project", "since", "until"),
    "comparison": ("base", "run"),
    "analytics": ("flow", "since", "until"),
    "experiment": ("experiment",),
}
SAYS: Final = {
    "run": "What one check found, with plans, waivers and sign-off.",
    "project": "The last check of each building side by side, everything open, and who has to do it.",
    "period": "What was found and what was put right between two days, and what people did.",
    "comparison": "Two checks of a building: findings, numbers and rules that changed.",
    "analytics": "How many conversations of a flow were completed, where they stopped, how fast they were answered.",
    "experiment": "The plan, the numbers with their intervals, guardrails and decisions.",
}
Choices = list[tuple[str, str]]


def _runs(tenant: Tenant) -> Choices:
    rows = ValidationRun.objects.for_tenant(tenant).filter(state="done", is_what_if=False).select_related("building__project")
    newest = rows.defer("passes", "results", "basis").order_by("-created_at")[:MOST_RUNS]
    return [(str(row.pk), f"{row.building.project.name}, {row.building.name} · {row.created_at:%-d %b %Y %H:%M} UTC") for row in newest]


def _projects(tenant: Tenant) -> Choices:
    return [(str(row.pk), row.name) for row in Project.objects.for_tenant(tenant).filter(archived_at=None).order_by("name")]


def _flows(tenant: Tenant) -> Choices:
    return [(row.flow_id, row.name or row.flow_id) for row in flows.flows(tenant)]


def _experiments(tenant: Tenant) -> Choices:
    return [(row.key, row.name or row.key) for row in experiments.experiments(tenant)]


CHOICES: Final[Mapping[str, Callable[[Tenant], Choices]]] = {
    "run": _runs,
    "base": _runs,
    "project": _projects,
    "flow": _flows,
    "experiment": _experiments,
}


class WishForm(forms.Form):
    """`kind` decides which fields there are; what is asked is for the service to judge."""

    def __init__(self, data: Any, *, tenant: Tenant, kind: str) -> None:
        super().__init__(data)
        self.kind = kind
        for name in FIELDS_OF[kind]:
            self.fields[name] = self._field(name, tenant)
        templates = ReportTemplate.objects.for_tenant(tenant).filter(kind=kind)
        self.fields["template"] = _choice([("", "All sections"), *((str(row.pk), row.name) for row in templates)], required=False)
        self.fields["locale"] = _choice([("", "As the branding says"), *LOCALES], required=False)
        formats = [(name, name.upper()) for name in FORMATS_OF[kind]]
        initial = [name for name in FORMATS_OF[kind] if name != "bcf"]
        self.fields["formats"] = forms.MultipleChoiceField(choices=formats, widget=forms.CheckboxSelectMultiple, initial=initial)
        self.fields["notify"] = forms.CharField(label="Letters to (an address a line)", widget=_lines(), required=False)
        self.fields["password"] = forms.CharField(
            label="Password that opens the PDF (empty: none)", min_length=8, max_length=100, widget=_secret(), required=False, strip=False
        )

    def _field(self, name: str, tenant: Tenant) -> forms.Field:
        if name in CHOICES:
            label = {"base": "Earlier check", "run": "Later check" if self.kind == "comparison" else "Check"}.get(name, name.capitalize())
            return _choice(CHOICES[name](tenant), label=label)
        today = timezone.localdate()
        initial = today if name == "until" else today - timedelta(days=6)
        label = "First day" if name == "since" else "Last day"
        return forms.DateField(label=label, initial=initial, widget=forms.DateInput(attrs={"type": "date", "class": "mcp-input"}))

    def about(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in FIELDS_OF[self.kind]}


def _lines() -> forms.Widget:
    return forms.Textarea(attrs={"class": "mcp-input", "rows": 3})


def _secret() -> forms.Widget:
    return forms.PasswordInput(attrs={"class": "mcp-input", "autocomplete": "new-password"})


def _choice(choices: Iterable[tuple[str, str]], **more: Any) -> forms.ChoiceField:
    return forms.ChoiceField(choices=list(choices), widget=forms.Select(attrs={"class": "mcp-input"}), **more)


class Asking(TenantPage):
    """The page of the reports' admin that asks for one."""

    def new(self, request: HttpRequest) -> HttpResponse:
        """?kind= chooses the form; posted, the report is asked for."""
        tenant = chosen_tenant(request)
        if tenant is None:
            raise Http404("Choose a tenant first.")
        by = principal(request, tenant)
        by.require("reports:write")
        kind = request.GET.get("kind", "run")
        offered = reading.readable(by)
        if kind not in offered:
            raise Http404("There is no such kind of report.")
        form = WishForm(request.POST if request.method == "POST" else None, tenant=tenant, kind=kind)
        if request.method == "POST" and form.is_valid():
            try:
                made = self._asked(tenant, form, by)
            except PlatformError as fault:
                form.add_error(None, _said(fault))
            else:
                return self.done(request, made)
        kinds = [{"name": name, "title": title, "url": f"{self.to('new')}?kind={name}"} for name, title in KINDS.items() if name in offered]
        return self.show(request, "reports/new.html", title="New report", form=form, kind=kind, kinds=kinds, says=SAYS[kind])

    def _asked(self, tenant: Tenant, form: WishForm, by: Any) -> Any:
        given = form.cleaned_data
        return making.request(
            tenant,
            by=by,
            kind=form.kind,
            about=form.about(),
            template_id=given["template"] or None,
            formats=given["formats"],
            locale=given["locale"],
            notify=given["notify"].split(),
            password=given["password"],
        )

    def done(self, request: HttpRequest, made: Any) -> HttpResponse:
        return self.perform(request, lambda: None, done=f"{made} is being made.", to=self.to("change", made.pk))


def _said(fault: PlatformError) -> str:
    errors = fault.details.get("errors") or ()
    return "; ".join(f"{one['path'].removeprefix('$.')}: {one['message']}, expected {one['expected']}" for one in errors) or fault.message
