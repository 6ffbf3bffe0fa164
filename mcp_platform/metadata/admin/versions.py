"""What was published: looked at, compared, made live again, taken back into the draft."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge
from mcp_platform.metadata import queries, services
from mcp_platform.metadata.admin.head import head, page, shown
from mcp_platform.metadata.admin.rows import MetadataPage
from mcp_platform.metadata.core.difference import changes
from mcp_platform.metadata.models import MetadataHead, MetadataVersion
from mcp_platform.tenancy.pages import may, principal


@admin.register(MetadataVersion)
class VersionPage(MetadataPage):
    permissions: ClassVar = {"view": "metadata:read", "publish": "metadata:write"}
    tab = "versions"
    list_display = ("title", "state", "product_count", "mapping_count", "note", "created_by", "created_at")
    list_display_links = ("title",)
    search_fields = ("version", "note")
    ordering = ("-number",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MetadataVersion]:
        return super().get_queryset(request).defer("document")

    @admin.display(description="Version", ordering="number")
    def title(self, row: MetadataVersion) -> str:
        return f"{row.number} · {row.version}"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        self_live = set(MetadataHead.objects.filter(live__in=self.get_queryset(request).values("pk")).values_list("live_id", flat=True))
        request.__dict__["_live_metadata"] = self_live
        return super().changelist_view(request, extra_context)

    def get_list_display(self, request: HttpRequest) -> Any:
        live = request.__dict__.get("_live_metadata", set())

        @admin.display(description="Status")
        def state(row: MetadataVersion) -> SafeString | str:
            return badge("live", "success") if row.pk in live else ""

        columns = super().get_list_display(request)
        return tuple(state if column == "state" else column for column in columns)

    def state(self, row: MetadataVersion) -> str:
        return ""  # `get_list_display` puts one in its place that knows what is live

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        row = self._row(request, object_id, "view")
        earlier = queries.versions(row.tenant).filter(number__lt=row.number).first()
        before = queries.metadata_of(queries.version(row.tenant, earlier.number) if earlier is not None else None)
        content = queries.metadata_of(queries.version(row.tenant, row.number))
        live = queries.head(row.tenant).live_id == row.pk
        return self.show(
            request,
            "metadata/version.html",
            title=f"Product metadata {row.version}",
            object=row,
            live=live,
            earlier=earlier,
            changes=shown(changes(before, content)),
            may_write=may(request, "metadata:write", row.tenant_id),
            export=f"{page('metadata_productalias_export')}?version={row.number}",
            **head(request, "versions"),
        )

    def _row(self, request: HttpRequest, pk: str, what: str) -> MetadataVersion:
        try:
            row: MetadataVersion = self.mine(request, pk, what)
        except (ValueError, TypeError) as garbage:
            raise Http404("There is no such version.") from garbage
        return row

    def get_urls(self) -> list[Any]:
        return [
            path("<uuid:pk>/roll-back/", self.admin_site.admin_view(self.roll_back_button), name="metadata_metadataversion_roll_back"),
            path("<uuid:pk>/restore/", self.admin_site.admin_view(self.restore_button), name="metadata_metadataversion_restore"),
            *super().get_urls(),
        ]

    def roll_back_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self._row(request, pk, "publish")
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        by = principal(request, row.tenant)
        done = f"Version {row.number} is live again. The draft is as it was."
        return self.perform(request, lambda: services.roll_back(row.tenant, number=row.number, by=by), done=done, to=self.to("change", pk))

    def restore_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self._row(request, pk, "publish")
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        by = principal(request, row.tenant)
        done = f"The draft is version {row.number} now."
        return self.perform(
            request, lambda: services.restore(row.tenant, number=row.number, by=by), done=done, to=page("metadata_productalias_publish")
        )
