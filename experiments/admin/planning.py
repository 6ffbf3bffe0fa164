"""The steps in which an experiment is planned. The draft is an experiment already, so one may leave and come back at any step."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect

from experiments import services
from experiments.admin import drawing, variants
from experiments.admin.forms import QuestionForm, SizeForm, StepForm, WhoForm
from experiments.admin.frame import PLANNED, Framed, rev_of
from experiments.models import Experiment
from mcp_platform.admin_base import mark
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.pages import chosen_tenant, principal

STEPS: Final = (
    ("question", "Question", "What is tried out, on which flow"),
    ("differs", "What differs", "The variants, shown as the difference to what runs"),
    ("who", "Who takes part", "Coverage, targeting, ramp"),
    ("size", "How many", "Metrics, and how many units they need"),
    ("review", "Review", "Everything at a glance, then validate"),
)
FORMS: Final[Mapping[str, type[StepForm]]] = {"question": QuestionForm, "who": WhoForm, "size": SizeForm}
# Which step mends a fault, by the first name of its path.
MENDED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("variants",), "differs"),
    **dict.fromkeys(("metrics", "baseline", "minimum_effect", "alpha", "power", "stats_mode"), "size"),
    **dict.fromkeys(("flow", "environment", "name", "kind", "subject"), "question"),
}


class Planning(Framed):
    """The wizard."""

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        tenant = chosen_tenant(request)
        if tenant is None:
            return super().add_view(request, form_url, extra_context)  # which asks for one
        form = QuestionForm(request.POST or None, tenant=tenant)
        if request.method == "POST" and form.is_valid():
            try:
                made = services.create(tenant, fields=form.plan(), by=principal(request, tenant))
                return HttpResponseRedirect(self.to("plan", made.pk, "differs"))
            except PlatformError as error:
                form.refuse(error)
        none = not form.fields["flow"].choices  # type: ignore[attr-defined]  # of a choice field
        return self.show(request, "experiments/new.html", title="Plan an experiment", form=form, no_flow=none, steps=_steps(None, "question", {}))

    def plan_page(self, request: HttpRequest, pk: Any, step: str) -> HttpResponse:
        if step not in [name for name, _, _ in STEPS]:
            raise Http404("There is no such step.")
        row = self.row(request, pk, "write" if request.method == "POST" else "view")
        if row.state not in PLANNED and step != "review":
            return HttpResponseRedirect(self.to("plan", row.pk, "review"))
        if step == "review":
            return self._review(request, row)
        return variants.page(self, request, row) if step == "differs" else self._form_step(request, row, step)

    def _form_step(self, request: HttpRequest, row: Experiment, step: str) -> HttpResponse:
        form = self._form(request, row, step)
        if request.method == "POST" and form.is_valid():
            try:
                self._save(request, row, form)
                return HttpResponseRedirect(self.onward(request, row, step))
            except PlatformError as error:
                form.refuse(error)
        return self.step(request, row, step, form=form, **self._pictures(row, step))

    def _form(self, request: HttpRequest, row: Experiment, step: str) -> Any:
        data = request.POST if request.method == "POST" else None
        return QuestionForm(data, tenant=row.tenant, row=row) if step == "question" else FORMS[step](data, row=row)  # type: ignore[call-arg]  # both take it

    def _save(self, request: HttpRequest, row: Experiment, form: Any) -> None:
        by = principal(request, row.tenant)
        with transaction.atomic():  # a plan that is refused leaves no metrics behind
            for fields in form.new_metrics() if isinstance(form, SizeForm) else ():
                services.save_metric(row.tenant, fields=fields, by=by)
            services.change(row.tenant, key=row.pk, fields=form.plan(), expected_rev=rev_of(request), by=by)

    def _pictures(self, row: Experiment, step: str) -> dict[str, Any]:
        if step != "size":
            return {}
        basis = services.logged(row)
        sizing = services.sizing(row, basis=basis)
        return {"sizing": sizing, "basis": basis, "curve": drawing.power_curve(sizing), "shape": shape_of(row)}

    def onward(self, request: HttpRequest, row: Experiment, step: str) -> str:
        """The next step, or this one again for whoever wants to look first."""
        names = [name for name, _, _ in STEPS]
        return self.to("plan", row.pk, step if request.POST.get("stay") else names[names.index(step) + 1])

    def step(self, request: HttpRequest, row: Experiment, step: str, **context: Any) -> HttpResponse:
        """A step's page, with what is wrong in it."""
        sizing = context.get("sizing") or services.sizing(row)
        review = services.review(row, sizing)
        mine = [one for one in review["faults"] if step_of(one) == step]
        form = context.get("form")
        if isinstance(form, StepForm) and not form.is_bound:
            mark(form, {name: said for name, said in by_field(mine).items() if name in form.fields})
        return self.show(
            request,
            f"experiments/plan_{step}.html",
            title=row.name,
            faults=mine,
            advice=[one for one in review["advice"] if step_of(one) == step],
            steps=_steps(self, "differs" if step == "state" else step, review, row),
            **context,
            **self.frame(request, row, "plan"),
        )

    def _review(self, request: HttpRequest, row: Experiment) -> HttpResponse:
        basis = services.logged(row) if row.state in PLANNED else None
        sizing = services.sizing(row, basis=basis)
        review = services.review(row, sizing) if row.state in PLANNED else {"faults": [], "advice": []}
        return self.show(
            request,
            "experiments/plan_review.html",
            title=row.name,
            faults=[{**one, "to": self.to("plan", row.pk, step_of(one))} for one in review["faults"]],
            advice=[{**one, "to": self.to("plan", row.pk, step_of(one))} for one in review["advice"]],
            steps=_steps(self, "review", review, row) if row.state in PLANNED else [],
            variants=[{"row": one, "changes": variants.changes(row, one)} for one in row.variants.all()],
            metrics=list(row.metrics.all()),
            targeting=json.dumps(row.targeting, ensure_ascii=False) if row.targeting else "",
            sizing=sizing,
            shape=shape_of(row),
            curve=drawing.power_curve(sizing),
            validate_url=self.to("press", row.pk, "validate"),
            delete_url="" if services.has_run(row) else self.to("press", row.pk, "delete"),
            archive_url=self.to("press", row.pk, "archive"),
            planned=row.state in PLANNED,
            **self.frame(request, row, "plan"),
        )

    def state_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """One state of a variant, written anew: ?variant=…&state=…"""
        row = self.row(request, pk, "write")
        if row.state not in PLANNED:
            return HttpResponseRedirect(self.to("plan", row.pk, "review"))
        return variants.state_page(self, request, row)


def by_field(faults: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Messages by the field that they are about."""
    found: dict[str, list[str]] = {}
    for one in faults:
        expected = f" Expected: {one['expected']}." if one.get("expected") else ""
        found.setdefault(name_of(one), []).append(f"{one['message']}{expected}")
    return found


def step_of(fault: Mapping[str, Any]) -> str:
    """Where it is mended."""
    name = name_of(fault)
    return MENDED.get(name, "who" if name else "review")


def name_of(fault: Mapping[str, Any]) -> str:
    """The first name of its path."""
    return str(fault["path"]).removeprefix("$").removeprefix(".").split(".")[0].split("[")[0].split(":")[0]


def shape_of(row: Experiment) -> str:
    primary = services.primary_of(row)
    return services.shape_of(primary) if primary is not None else "share"


def _steps(page: Planning | None, here: str, review: Mapping[str, Any], row: Experiment | None = None) -> list[dict[str, Any]]:
    wrong = {step_of(one) for one in review.get("faults", ())}
    return [
        {
            "number": index,
            "name": name,
            "title": title,
            "says": says,
            "here": name == here,
            "wrong": name in wrong,
            "to": page.to("plan", row.pk, name) if page is not None and row is not None else "",
        }
        for index, (name, title, says) in enumerate(STEPS, start=1)
    ]
