"""The triage on one page: what ranks, how good it is against the baseline, whether findings still look like what was learnt from."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from mcp_platform.ml import queries as models
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, may, principal, tenants
from validation.core import ranking
from validation.core.risk import LEAST_DISPOSITIONS, MEANINGS
from validation.models import TriageReading
from validation.services import triage
from validation.triage import champions, monitoring

DAYS = 30


@admin.register(TriageReading)
class TriagePage(TenantPage):
    permissions: ClassVar = {"view": "validation:read", "write": "validation:run"}
    change_list_template = "validation/triage.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)  # which refuses
        tenant = chosen_tenant(request)
        if tenant is None:
            wanted = tenants(request, self.permissions["view"])
            return self.show(request, "tenancy/choose_tenant.html", title="Triage", tenants=wanted, next=request.get_full_path())
        principal(request, tenant).require(self.permissions["view"])
        found = triage.standing(tenant)
        readings = list(triage.readings(tenant)[:DAYS])
        return self.show(
            request,
            self.change_list_template,
            title="Triage",
            standing=found,
            least=LEAST_DISPOSITIONS,
            percent=min(100, round(100 * found.dispositions / LEAST_DISPOSITIONS)),
            champion_url=reverse("admin:ml_modelversion_change", args=(found.champion.pk,)) if found.champion else "",
            models=models.models(tenant).filter(kind=champions.KIND, subject=champions.SUBJECT).order_by("-number")[:10],
            drift=_drift(found.reading),
            readings=[_line(reading) for reading in readings],
            running=Operation.objects.for_tenant(tenant).filter(kind__in=(triage.TRAIN, triage.RESCORE), status__in=OPEN).order_by("-created_at"),
            drift_days=monitoring.DRIFT_DAYS,
            quality_days=monitoring.QUALITY_DAYS,
            may_run=may(request, "validation:run", tenant.pk),
            urls={name: reverse(f"admin:validation_triage_{name}") for name in ("train", "rescore", "measure")},
        )

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404
        self.mine(request, object_id)
        return HttpResponseRedirect(self.to("changelist"))

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"validation_triage_{name}")

        return [
            page("train/", self.train_button, "train"),
            page("rescore/", self.rescore_button, "rescore"),
            page("measure/", self.measure_button, "measure"),
            *super().get_urls(),
        ]

    def train_button(self, request: HttpRequest) -> HttpResponse:
        return self._press(request, lambda tenant, by: triage.start_training(tenant, by=by), "Learning has begun.")

    def rescore_button(self, request: HttpRequest) -> HttpResponse:
        return self._press(request, lambda tenant, by: triage.start_rescoring(tenant, by=by), "Open findings are being ranked again.")

    def measure_button(self, request: HttpRequest) -> HttpResponse:
        return self._press(request, lambda tenant, by: triage.measure(tenant), "Measured.")

    def _press(self, request: HttpRequest, call: Callable[[Tenant, Any], Any], done: str) -> HttpResponse:
        home = self.to("changelist")
        tenant = chosen_tenant(request)
        if request.method != "POST" or tenant is None:
            return HttpResponseRedirect(home)
        by = principal(request, tenant)
        by.require(self.permissions["write"])
        return self.perform(request, lambda: call(tenant, by), done=done, to=home)


def _drift(reading: TriageReading | None) -> list[dict[str, Any]]:
    found = reading.drift if reading is not None else {}
    worst = sorted(found.items(), key=lambda pair: -pair[1])[:12]
    return [
        {
            "name": name,
            "meaning": MEANINGS.get(name, name.replace("_", " ")),
            "index": value,
            "reading": ranking.reading(value),
            "width": min(100, round(100 * value / (2 * ranking.STRONG))),
        }
        for name, value in worst
    ]


def _line(reading: TriageReading) -> dict[str, Any]:
    feature, index = ranking.worst(reading.drift)
    return {
        "day": reading.day,
        "number": reading.model_number,
        "findings": reading.findings,
        "feature": feature,
        "index": index if feature else None,
        "reading": ranking.reading(index),
        "judged": reading.judged,
        "ours": reading.quality,
        "baseline": reading.baseline,
    }
