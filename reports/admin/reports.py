"""Reports in the admin: the list with its states, a page with preview, files, history and problem; branding and templates."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.clickjacking import xframe_options_sameorigin

from mcp_platform.admin_base import ServiceForm, badge
from mcp_platform.errors import PlatformError
from mcp_platform.operations import pages as operations
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, in_view, principal, tenants
from reports import queries
from reports.admin.asking import Asking
from reports.core.sections import FORMATS_OF
from reports.gathering.subjects import READS
from reports.models import Branding, Report, ReportTemplate
from reports.pages import sent
from reports.render.html import as_html
from reports.services import handing_out, looks, making, reading
from validation.models import Building, ValidationRun
from validation.queries.overview import actor_name

VARIANTS = {"ready": "success", "failed": "danger", "queued": "", "rendering": "warning", "expired": ""}


@admin.register(Report)
class ReportPage(Asking):
    empty_icon = "description"
    empty_says = "No report has been asked for yet. There are some of checks, projects, periods, conversations and experiments, in six formats."
    permissions: ClassVar = {"view": "reports:read"}
    list_display = ("what", "state_shown", "made", "downloads")
    list_select_related = ("tenant", "building", "building__project")
    list_filter = ("kind", "state")
    search_fields = ("number", "title")
    ordering = ("-created_at",)
    list_before_template = "reports/how.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(deleted_at=None).filter(self._readable(request)).defer("document").prefetch_related("files")

    def _readable(self, request: HttpRequest) -> Q:
        """Of each kind, those of the tenants where the person may see what it is about."""
        found = ~Q(kind__in=READS)
        for kind, permission in READS.items():
            found |= Q(kind=kind, tenant__in=tenants(request, permission))
        return found

    @admin.display(description="Report")
    def what(self, row: Report) -> SafeString:
        return format_html(
            '<span class="mcp-title">{}</span><span class="mcp-below">{} · {} · revision {}</span>',
            row.title,
            row.get_kind_display(),
            row.number,
            row.revision,
        )

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: Report) -> SafeString:
        return badge(row.state, VARIANTS[row.state], title=row.problem.get("detail", ""))

    @admin.display(description="Made", ordering="created_at")
    def made(self, row: Report) -> SafeString:
        return format_html('{}<span class="mcp-below">{}</span>', f"{row.created_at:%-d %b %Y %H:%M}", actor_name(row.requested_by))

    @admin.display(description="Files")
    def downloads(self, row: Report) -> SafeString:
        links = [format_html('<a href="{}">{}</a>', self.to("file", row.pk, one.format), one.format.upper()) for one in row.files.all()]
        return format_html_join(" ", "{}", ((link,) for link in links)) if links else SafeString("–")

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"reports_report_{name}")

        return [
            page("of/<uuid:building_id>/", self.ask, "ask"),
            page("new/", self.new, "new"),
            page("<uuid:pk>/preview/", xframe_options_sameorigin(self.preview), "preview"),
            page("<uuid:pk>/progress/", self.progress, "progress"),
            page("<uuid:pk>/again/", self.again, "again"),
            page("<uuid:pk>/revise/", self.revise, "revise"),
            page("<uuid:pk>/remove/", self.remove, "remove"),
            page("<uuid:pk>/files/<slug:name>/", self.download, "file"),
            *super().get_urls(),
        ]

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        found = self._one(request, object_id)
        by = principal(request, found.tenant)
        return self.show(
            request,
            "reports/report.html",
            title=str(found),
            object=found,
            variant=VARIANTS[found.state],
            asker=actor_name(found.requested_by),
            files=[{"row": one, "url": self.to("file", found.pk, one.format)} for one in found.files.all()],
            preview_url=self.to("preview", found.pk),
            again_url=self.to("again", found.pk),
            revise_url=self.to("revise", found.pk),
            remove_url=self.to("remove", found.pk),
            progress=self._progress(found),
            verify_url=reading.verify_url(found),
            revisions=queries.revisions(found.tenant, found.number).filter(deleted_at=None),
            is_kept=found.state != Report.State.EXPIRED,
            board_url=reverse("admin:validation_finding_board", args=(found.building_id,)) if found.building_id else "",
            may_write=by.may("reports:write"),
            may_manage=by.may("reports:manage"),
        )

    def _one(self, request: HttpRequest, pk: Any, method: str = "") -> Report:
        """With `method`, a request of another one finds nothing."""
        try:
            found: Report = self.mine(request, UUID(str(pk)))
        except ValueError as fault:
            raise Http404("There is no such report.") from fault
        if method and request.method != method:
            raise Http404("This address is asked in another way.")
        if found.kind not in reading.readable(principal(request, found.tenant)):
            raise Http404("There is no such report.")
        return found

    def ask(self, request: HttpRequest, building_id: UUID) -> HttpResponse:
        """A report of the building's last check."""
        building = in_view(request, Building.objects.filter(pk=building_id).select_related("tenant"), "reports:write").first()
        if building is None or request.method != "POST":
            raise Http404("There is no such building.")
        by = principal(request, building.tenant)
        rows = ValidationRun.objects.for_tenant(building.tenant).filter(building=building, state="done", is_what_if=False)
        last = rows.order_by("-created_at").first()
        by.require("reports:write")
        if last is None:
            messages.error(request, "There is nothing to report yet: the building has not been checked.")
            return HttpResponseRedirect(reverse("admin:validation_finding_board", args=(building_id,)))
        try:
            made = making.request(building.tenant, run_id=last.pk, formats=FORMATS_OF["run"], by=by)
        except PlatformError as fault:
            messages.error(request, fault.message)
            return HttpResponseRedirect(reverse("admin:validation_finding_board", args=(building_id,)))
        return self.done(request, made)

    def preview(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        found = self._one(request, pk, "GET")
        if found.state == Report.State.EXPIRED or not found.is_frozen:
            raise Http404("There is nothing to show: what it says is not kept any more, or has not been gathered yet.")
        text = as_html(reading.document_of(found), content_sha256=found.content_sha256, verify_url=reading.verify_url(found), brand=found.look)
        return HttpResponse(text, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"})

    def progress(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """What the page asks for while its files are being made."""
        operation = _operation(self._one(request, pk, "GET"))
        if operation is None:
            raise Http404("Nothing is being made.")
        return operations.told(operation)

    def _progress(self, found: Report) -> dict[str, Any]:
        operation = _operation(found)
        if operation is None or not operation.is_open:
            return {}
        return {"live": operations.live(operation), "asked": self.to("progress", found.pk)}

    def again(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        found = self._one(request, pk, "POST")
        by = principal(request, found.tenant)
        by.require("reports:write")
        return self.perform(
            request, lambda: making.render_again(found.tenant, report_id=pk, by=by), done="Its files are being made again.", to=self.to("change", pk)
        )

    def revise(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The next revision, about the same as it is now."""
        found = self._one(request, pk, "POST")
        by = principal(request, found.tenant)
        by.require("reports:write")
        try:
            made = making.ask_again(found.tenant, report_id=found.pk, by=by)
        except PlatformError as fault:
            messages.error(request, fault.message)
            return HttpResponseRedirect(self.to("change", found.pk))
        return self.done(request, made)

    def remove(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        found = self._one(request, pk, "POST")
        by = principal(request, found.tenant)
        by.require("reports:manage")
        return self.perform(
            request, lambda: making.delete(found.tenant, report_id=pk, by=by), done="The report is deleted.", to=self.to("changelist")
        )

    def download(self, request: HttpRequest, pk: UUID, name: str) -> FileResponse:
        found = self._one(request, pk, "GET")
        return sent(handing_out.download(found.tenant, report_id=pk, name=name, by=principal(request, found.tenant)))


def _operation(found: Report) -> Operation | None:
    rows = Operation.objects.for_tenant(found.tenant)
    operation: Operation | None = rows.filter(pk=found.operation_id).first() if found.operation_id else None
    return operation


class LookPage(TenantPage):
    """`saves` and `deletes` are services of reports.services.looks."""

    permissions: ClassVar = {"view": "reports:read", "add": "reports:write", "change": "reports:write", "delete": "reports:write"}
    form = ServiceForm
    saves: ClassVar[Callable[..., Any]]
    deletes: ClassVar[Callable[..., Any]]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        saved = type(self).saves(tenant, pk=obj.pk if change else None, fields=dict(form.cleaned_data), by=principal(request, tenant))
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        type(self).deletes(obj.tenant, pk=obj.pk, by=principal(request, obj.tenant))


@admin.register(Branding)
class BrandingPage(LookPage):
    empty_icon = "palette"
    empty_says = "Reports look plain until they have a name, a colour and a logo of yours."
    saves, deletes = looks.save_branding, looks.delete_branding
    fields = looks.BRANDING_FIELDS
    list_display = ("name", "is_default", "locale", "paper")
    search_fields = ("name",)


@admin.register(ReportTemplate)
class TemplatePage(LookPage):
    empty_icon = "dashboard_customize"
    empty_says = "Reports have all sections of their kind until a template chooses among them."
    saves, deletes = looks.save_template, looks.delete_template
    fields = looks.TEMPLATE_FIELDS
    list_display = ("name", "branding", "updated_at")
    list_select_related = ("tenant", "branding")
    search_fields = ("name",)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        match = request.resolver_match
        pk = match.kwargs.get("object_id") if match else None
        row = self.get_queryset(request).filter(pk=pk).first() if pk else None
        tenant = row.tenant if row is not None else chosen_tenant(request)
        kwargs["queryset"] = Branding.objects.for_tenant(tenant) if tenant else Branding.objects.none()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
