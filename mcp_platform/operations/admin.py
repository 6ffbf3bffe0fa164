"""Running work: a list with bars that move, and a page for each operation that tells how far it is and what came of it."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge, pretty
from mcp_platform.operations import services
from mcp_platform.operations.models import Operation
from mcp_platform.operations.pages import VARIANTS, bar, live, told
from mcp_platform.tenancy.pages import TenantPage, may, principal


@admin.register(Operation)
class OperationPage(TenantPage):
    permissions: ClassVar = {"view": "tenants:read"}
    change_form_template = "operations/operation.html"
    list_display = ("title", "state_of", "progress", "created_by", "created_at", "finished_at")
    list_filter = ("status", "kind")
    search_fields = ("title", "subject")
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operation]:
        """Only kinds that this person may see in at least one tenant; `_shown` looks at the row's own."""
        kinds = [name for name, one in services.KINDS.items() if may(request, one.reads)]
        found: QuerySet[Operation] = super().get_queryset(request).filter(kind__in=kinds).defer("arguments", "result")
        return found

    @admin.display(description="Status", ordering="status")
    def state_of(self, row: Operation) -> SafeString:
        return badge(row.get_status_display(), VARIANTS[row.status])

    @admin.display(description="Progress")
    def progress(self, row: Operation) -> SafeString:
        return bar(row)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404
        row = self._shown(request, object_id)
        known = services.KINDS.get(row.kind)
        opens = known.opens(row) if known and known.opens and row.status == Operation.Status.SUCCEEDED else ""
        return self.show(
            request,
            self.change_form_template,
            title=row.title,
            object=row,
            variant=VARIANTS[row.status],
            live=live(row),
            result=pretty(row.result) if row.result is not None else "",
            opens=opens,
            may_cancel=row.is_open and not row.cancel_asked and may(request, "operations:cancel", row.tenant_id),
            progress_url=self.to("progress", row.pk),
            cancel_url=self.to("cancel", row.pk),
        )

    def get_urls(self) -> list[Any]:
        return [
            path("<uuid:pk>/progress/", self.admin_site.admin_view(self.progress_json), name="operations_operation_progress"),
            path("<uuid:pk>/cancel/", self.admin_site.admin_view(self.cancel_button), name="operations_operation_cancel"),
            *super().get_urls(),
        ]

    def progress_json(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self._shown(request, pk)
        return told(row)

    def cancel_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self._shown(request, pk)
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        by = principal(request, row.tenant)
        return self.perform(
            request, lambda: services.cancel(row.tenant, operation_id=row.pk, by=by), done="It stops at its next step.", to=self.to("change", pk)
        )

    def _shown(self, request: HttpRequest, pk: Any) -> Operation:
        row: Operation = self.mine(request, pk)
        known = services.KINDS.get(row.kind)
        if known is None or not may(request, known.reads, row.tenant_id):
            raise Http404("There is no such operation.")
        return row
