"""Evaluations of an experiment before it starts: start one, and read what came of it."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from experiments import queries, services
from experiments.admin.evaluated import SAYS, SHOWN
from experiments.admin.frame import offer
from experiments.models import Evaluation, Experiment
from experiments.services.evaluating import CHOICES, LABELS
from mcp_platform.admin_base import badge, tell
from mcp_platform.errors import PlatformError
from mcp_platform.operations import pages as operation_pages
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.pages import TenantPage, may, principal, within

Json = dict[str, Any]


@admin.register(Evaluation)
class EvaluationPage(TenantPage):
    permissions: ClassVar = {"view": "experiments:read", "start": "experiments:write"}
    change_form_template = "experiments/evaluation.html"
    change_list_template = "experiments/evaluation_list.html"
    list_display = ("what", "says", "state_of", "created_by", "created_at")
    list_filter = ("kind",)
    list_select_related = ("tenant", "experiment")
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Evaluation]:
        found: QuerySet[Evaluation] = super().get_queryset(request)
        return found.select_related("experiment", "tenant").prefetch_related("experiment__variants")

    @admin.display(description="Evaluation")
    def what(self, row: Evaluation) -> SafeString:
        return format_html('<span class="mcp-title">{}</span><span class="mcp-below">{}</span>', row.get_kind_display(), row.experiment.name)

    @admin.display(description="Says")
    def says(self, row: Evaluation) -> str:
        return SAYS[row.kind](row.results) if row.finished_at else "–"

    @admin.display(description="State")
    def state_of(self, row: Evaluation) -> SafeString:
        if not row.finished_at:
            return badge("not finished", "info")
        return badge("of now", "success") if queries.is_current(row) else badge("of an earlier plan", "warning")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        wanted = _id(request.GET.get("experiment__id__exact", ""))
        row = within(request, Experiment.objects.exclude(state=Experiment.State.DRAFT), "experiments:write").filter(pk=wanted).first()
        more = {"title": "Evaluations", "start_url": self.to("start", row.pk) if row is not None else ""}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def get_urls(self) -> list[Any]:
        start: Callable[..., Any] = self.admin_site.admin_view(self.start_page)
        return [path("start/<uuid:pk>/", start, name="experiments_evaluation_start"), *super().get_urls()]

    def start_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self._experiment(request, pk)
        if request.method == "POST":
            by = principal(request, row.tenant)
            by.require("experiments:write")
            try:
                made = services.evaluate(row.tenant, key=row.pk, by=by, **_chosen(request))
                return HttpResponseRedirect(operation_pages.url(Operation.objects.get(pk=str(made.operation_id))))
            except PlatformError as error:
                tell(request, error)
        return self.show(
            request,
            "experiments/evaluation_start.html",
            title=f"Evaluate {row.name} before it starts",
            object=row,
            given=request.POST,
            choices=CHOICES,
            labels=LABELS,
            earlier=[{"row": one, "says": self.says(one), "state": self.state_of(one)} for one in _earlier(row)],
            may_start=may(request, "experiments:write", row.tenant_id),
            back_url=_page_of(row),
        )

    def _experiment(self, request: HttpRequest, pk: Any) -> Experiment:
        """One that the person may see; a stranger's is a 404."""
        mine = get_object_or_404(within(request, Experiment.objects.all(), "experiments:read"), pk=pk)
        return queries.experiment(mine.tenant_id, mine.pk)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            return HttpResponseRedirect(self.to("changelist"))
        found: Evaluation = self.mine(request, object_id)
        operation = Operation.objects.filter(pk=found.operation_id).first() if found.operation_id else None
        row = found.experiment
        shown = SHOWN[found.kind](found.results) if found.finished_at else {}
        return self.show(
            request,
            self.change_form_template,
            title=f"{found.get_kind_display()} of {row.name}",
            object=found,
            experiment=row,
            label=LABELS[found.kind],
            current=queries.is_current(found),
            operation=operation,
            operation_url=operation_pages.url(operation) if operation else "",
            back_url=_page_of(row),
            again_url=self.to("start", row.pk),
            may_start=may(request, "experiments:write", found.tenant_id),
            may_replay=may(request, "conversations:operate", found.tenant_id),
            **shown,
        )


@offer
def _tab(request: HttpRequest, row: Experiment) -> tuple[str, str, str] | None:
    """On every page of an experiment that can be evaluated."""
    address = reverse("admin:experiments_evaluation_start", args=(row.pk,))
    return ("Replay or simulate", "model_training", address) if row.kind != Experiment.Kind.RISK_MODEL else None


def _earlier(row: Experiment) -> QuerySet[Evaluation]:
    return queries.evaluations(row.tenant_id).filter(experiment=row)[:20]


def _id(given: str) -> UUID | None:
    try:
        return UUID(given)
    except ValueError:
        return None


def _page_of(row: Experiment) -> str:
    return reverse("admin:experiments_experiment_change", args=(row.pk,))


def _chosen(request: HttpRequest) -> Json:
    """What the form says; numbers as numbers, so that the service can tell what is out of range."""
    kind = request.POST.get("kind", "")
    found: Json = {"kind": kind}
    for name, allowed in CHOICES.get(kind, {}).items():
        given = request.POST.get(name, "").strip()
        if given:
            found[name] = given if len(allowed) == 2 else int(given) if given.isascii() and given.isdecimal() and len(given) < 11 else -1
    return found
