"""Products and column mappings: what is edited here is live with the next publish."""

import json
from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from mcp_platform.admin_base import JsonField, ServiceForm, badge, mono, select, text_area, text_input
from mcp_platform.errors import PlatformError
from mcp_platform.metadata import queries, services
from mcp_platform.metadata.admin.fields import LinesField
from mcp_platform.metadata.admin.head import head, shown
from mcp_platform.metadata.core import document, sql
from mcp_platform.metadata.core.vocabulary import resolved
from mcp_platform.metadata.models import ColumnMapping, ProductAlias
from mcp_platform.metadata.services.rows import MAPPING, PRODUCT
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, principal, tenants

ALIASES_SHOWN = 6
PERMISSIONS = {"view": "metadata:read", "add": "metadata:write", "change": "metadata:write", "delete": "metadata:write"}


class ProductForm(ServiceForm):
    aliases = LinesField(help_text="What people say for it, one on each line.")
    categories = LinesField(help_text="One on each line. Slots of flows may take only products of some categories.")

    class Meta:
        model = ProductAlias
        fields = ("key", *PRODUCT)


class ImportForm(forms.Form):
    document = JsonField(required=False)
    file = forms.FileField(required=False, widget=forms.FileInput(attrs={"class": "mcp-file", "accept": "application/json,.json"}))
    mode = forms.ChoiceField(choices=(("replace", "Replace the draft"), ("merge", "Lay it over the draft")), widget=select())
    publish = forms.BooleanField(required=False, label="Publish it at once")
    note = forms.CharField(required=False, max_length=300, widget=text_input())

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("file") and "document" not in self.errors:
            try:
                given["document"] = self.fields["document"].clean(given["file"].read(16 * 1024 * 1024 + 1).decode())
            except UnicodeDecodeError:
                self.add_error("file", "The file is not UTF-8 text.")
            except forms.ValidationError as fault:
                self.add_error("file", fault)
        if not given.get("document") and not self.errors:
            self.add_error("document", "Paste a document or choose a file.")
        return given


class MetadataPage(TenantPage):
    """What the lists of rows have in common."""

    change_list_template = "metadata/list.html"
    tab = ""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {**(extra_context or {}), "title": title, **head(request, self.tab)})


@admin.register(ProductAlias)
class ProductPage(MetadataPage):
    permissions: ClassVar = PERMISSIONS
    form = ProductForm
    tab = "products"
    list_display = ("name", "called", "kinds", "references", "updated_at")
    search_fields = ("key", "canonical_id", "canonical_name", "aliases", "categories")
    fieldsets = (
        (None, {"fields": ("key", "canonical_id", "canonical_name", "aliases", "categories")}),
        ("In the database", {"fields": ("database_references",)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("key",) if obj is not None else ()

    @admin.display(description="Product", ordering="canonical_name")
    def name(self, row: ProductAlias) -> SafeString:
        return format_html('<span class="mcp-title">{}</span><code class="mcp-mono mcp-below">{}</code>', row.canonical_name, row.canonical_id)

    @admin.display(description="Also called")
    def called(self, row: ProductAlias) -> SafeString:
        more = len(row.aliases) - ALIASES_SHOWN
        listed = format_html_join(" ", "{}", ((badge(alias),) for alias in row.aliases[:ALIASES_SHOWN]))
        return format_html('{} <span class="mcp-faint">+{}</span>', listed, more) if more > 0 else listed

    @admin.display(description="Categories")
    def kinds(self, row: ProductAlias) -> str:
        return ", ".join(row.categories)

    @admin.display(description="In the database")
    def references(self, row: ProductAlias) -> SafeString | str:
        return format_html_join(SafeString("<br>"), "{}", ((mono(f"{name} = {value}"),) for name, value in list(row.database_references.items())[:3]))

    def save_model(self, request: HttpRequest, obj: ProductAlias, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        given = {name: form.cleaned_data[name] for name in PRODUCT if name in form.cleaned_data}
        key = obj.key if change else form.cleaned_data["key"]
        saved = services.save_product(tenant, key=key, fields=given, create=not change, by=principal(request, tenant))
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: ProductAlias) -> None:
        services.delete_product(obj.tenant, key=obj.key, by=principal(request, obj.tenant))

    def get_urls(self) -> list[Any]:
        def route(address: str, view: Callable[..., Any], name: str) -> Any:
            return path(address, self.admin_site.admin_view(self.in_one_tenant(view)), name=f"metadata_productalias_{name}")

        return [
            route("import/", self.import_page, "import"),
            route("publish/", self.publish_page, "publish"),
            route("export/", self.export_file, "export"),
            route("try/", self.try_page, "try"),
            *super().get_urls(),
        ]

    def in_one_tenant(self, view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
        """These pages are about a tenant, not about a row: who works in all of them chooses one first."""

        def shown_or_chosen(request: HttpRequest) -> HttpResponse:
            if chosen_tenant(request) is not None:
                return view(request)
            mine = tenants(request, "metadata:read")
            return self.show(request, "tenancy/choose_tenant.html", title="Product metadata", tenants=mine, next=request.get_full_path())

        return shown_or_chosen

    def import_page(self, request: HttpRequest) -> HttpResponse:
        tenant = self.tenant_of(request)
        principal(request, tenant).require("metadata:write")
        form = ImportForm(request.POST or None, request.FILES or None, initial={"publish": True, "mode": "replace"})
        problems: list[Any] = []
        if form.is_valid():
            given = form.cleaned_data
            try:
                done = services.import_document(
                    tenant,
                    document_=given["document"],
                    mode=given["mode"],
                    go_live=given["publish"],
                    note=given["note"],
                    by=principal(request, tenant),
                )
            except PlatformError as error:
                form.add_error(None, error.message)
                problems = list(error.details.get("errors", ()))
            else:
                live = f" Version {done.version.number} is live." if done.version is not None else ""
                messages.success(request, f"{len(done.changes)} changes taken.{live}")
                return HttpResponseRedirect(self.to("changelist"))
        return self.show(
            request, "metadata/import.html", title="Import product metadata", form=form, problems=problems, tenant=tenant, **head(request, "")
        )

    def publish_page(self, request: HttpRequest) -> HttpResponse:
        tenant = self.tenant_of(request)
        by = principal(request, tenant)
        by.require("metadata:read")
        if request.method == "POST":
            by.require("metadata:write")
            rev = request.POST.get("rev", "")
            return self.perform(
                request,
                lambda: services.publish(tenant, note=request.POST.get("note", ""), expected_rev=int(rev) if rev.isdecimal() else None, by=by),
                done="Published: everybody who asks gets it from now on.",
                to=self.to("publish"),
            )
        _, faults = document.read(document.written(queries.draft(tenant)))
        return self.show(
            request,
            "metadata/publish.html",
            title="Publish product metadata",
            changes=shown(queries.unpublished(tenant)),
            faults=faults,
            refused=any(one["severity"] == "error" for one in faults),
            rev=queries.head(tenant).draft_rev,
            **head(request, "publish"),
        )

    def export_file(self, request: HttpRequest) -> HttpResponse:
        tenant = self.tenant_of(request)
        principal(request, tenant).require("metadata:read")
        number = request.GET.get("version", "")
        found = queries.written(tenant, int(number) if number.isdecimal() else None, of_draft="draft" in request.GET)
        name = f"product_metadata.{'draft' if 'draft' in request.GET else found.get('version', 'empty')}.json"
        text = json.dumps(found, indent=2, ensure_ascii=False)
        return HttpResponse(text, content_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'})

    def try_page(self, request: HttpRequest) -> HttpResponse:
        tenant = self.tenant_of(request)
        principal(request, tenant).require("metadata:read")
        text = request.GET.get("text", "")[:2000]
        found = resolved(queries.live(tenant), text) if text else None
        return self.show(request, "metadata/try.html", title="Look up names", text=text, found=found, **head(request, "try"))


@admin.register(ColumnMapping)
class ColumnPage(MetadataPage):
    permissions: ClassVar = PERMISSIONS
    tab = "columns"
    list_display = ("user_term", "means", "fill_in", "description", "updated_at")
    search_fields = ("user_term", "sql_expression", "description")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if "sql_expression" in form.base_fields:
            form.base_fields["sql_expression"].widget = text_area(rows=4, spellcheck="false", **{"class": "mcp-code"})
        return form

    @admin.display(description="Means", ordering="sql_expression")
    def means(self, row: ColumnMapping) -> SafeString:
        return mono(row.sql_expression)

    @admin.display(description="Blanks")
    def fill_in(self, row: ColumnMapping) -> SafeString:
        return format_html_join(" ", "{}", ((badge(name, "info"),) for name in sql.blanks(row.sql_expression)))

    def save_model(self, request: HttpRequest, obj: ColumnMapping, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        given = {name: form.cleaned_data[name] for name in MAPPING if name in form.cleaned_data}
        saved = services.save_mapping(tenant, fields=given, mapping_id=obj.pk if change else None, by=principal(request, tenant))
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: ColumnMapping) -> None:
        services.delete_mapping(obj.tenant, mapping_id=obj.pk, by=principal(request, obj.tenant))


def unpublished(request: HttpRequest) -> int:
    """For the sidebar: changes that wait to be published."""
    tenant = chosen_tenant(request)
    if tenant is None or not queries.head(tenant).is_dirty:
        return 0
    return len(queries.unpublished(tenant))
