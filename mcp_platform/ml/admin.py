"""Models: the list, and one with its card, its gates and what was measured. What is special about a kind is shown by its own template."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge, pretty
from mcp_platform.ml import queries, services, versions
from mcp_platform.ml.models import Champion, ModelVersion
from mcp_platform.ml.pages import LOOKS, RegistryPages, card_of
from mcp_platform.tenancy.pages import may, principal


@admin.register(ModelVersion)
class ModelPage(RegistryPages):
    permissions: ClassVar = {"view": "models:read", "write": "models:write"}
    change_form_template = "ml/model.html"
    list_display = ("what", "state_of", "measured", "gates_of", "created_by", "created_at")
    list_filter = ("status", "kind")
    search_fields = ("subject",)
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        found: QuerySet[ModelVersion] = super().get_queryset(request)
        return found

    @admin.display(description="Model", ordering="subject")
    def what(self, row: ModelVersion) -> SafeString:
        known = services.KINDS.get(row.kind)
        return format_html(
            '<span class="mcp-title">{} v{}</span><span class="mcp-below">{}</span>', row.subject, row.number, known.title if known else row.kind
        )

    @admin.display(description="Status", ordering="status")
    def state_of(self, row: ModelVersion) -> SafeString:
        return badge(row.get_status_display(), LOOKS.get(row.status, ""))

    @admin.display(description="Accuracy")
    def measured(self, row: ModelVersion) -> str:
        found = row.metrics.get("accuracy")
        return f"{found:.1%}" if isinstance(found, int | float) else "–"

    @admin.display(description="Gates")
    def gates_of(self, row: ModelVersion) -> SafeString:
        closed = [gate for gate in row.gates if not gate.get("passed")]
        return badge(f"{len(closed)} closed", "warning", title=", ".join(gate["name"] for gate in closed)) if closed else badge("open", "success")

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404
        row: ModelVersion = self.mine(request, object_id)
        known = services.KINDS.get(row.kind)
        pointer = Champion.objects.for_tenant(row.tenant_id).filter(kind=row.kind, subject=row.subject).select_related("previous", "model").first()
        serves = pointer is not None and pointer.model_id == row.pk
        return self.show(
            request,
            self.change_form_template,
            title=str(row),
            **self.tabs(row, "model"),
            gates=versions.gates_of(row.tenant, row, serves=serves),
            serves=serves,
            champion=pointer.model if pointer is not None and not serves else None,
            before=pointer.previous if pointer is not None and serves else None,
            others=queries.models(row.tenant_id).filter(kind=row.kind, subject=row.subject).exclude(pk=row.pk).order_by("-number")[:10],
            may_write=may(request, "models:write", row.tenant_id),
            special=known.template if known else "",
            sections=card_of(row),
            exported=versions.exported(row) if versions.is_exporting() else None,
            exporting=versions.is_exporting(),
            metrics=pretty({name: value for name, value in row.metrics.items() if not isinstance(value, list)}),
            **(known.context(row) if known and known.context else {}),
        )

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"ml_modelversion_{name}")

        return [
            *self.registry_urls(),
            page("<uuid:pk>/promote/", self.promote_button, "promote"),
            page("<uuid:pk>/rollback/", self.rollback_button, "rollback"),
            page("<uuid:pk>/reject/", self.reject_button, "reject"),
            *super().get_urls(),
        ]

    def promote_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return self._press(
            request,
            pk,
            lambda row, by: services.promote(
                row.tenant, model_id=row.pk, override=request.POST.get("override", ""), note=request.POST.get("note", ""), by=by
            ),
            "It serves now.",
        )

    def rollback_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return self._press(request, pk, lambda row, by: services.roll_back(row.tenant, model_id=row.pk, by=by), "The model before it serves again.")

    def reject_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return self._press(
            request,
            pk,
            lambda row, by: services.reject(row.tenant, model_id=row.pk, reason=request.POST.get("reason", ""), by=by),
            "It is rejected.",
        )

    def _press(self, request: HttpRequest, pk: Any, call: Callable[[ModelVersion, Any], Any], done: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "write")
        return self.perform(request, lambda: call(row, principal(request, row.tenant)), done=done, to=self.to("change", pk))
