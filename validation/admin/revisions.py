"""Revisions: whether the file is whole, what is in it, what it changed; any two compared; and which function each space has."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from mcp_platform.admin_base import badge, mono
from mcp_platform.errors import PlatformError
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, may, principal, tenants, within
from validation.core import functions
from validation.models import Building, ModelRevision
from validation.queries import revisions as queries
from validation.services import revisions, spaces

STATES: Mapping[str, str] = {"ready": "success", "partial": "warning", "rejected": "danger", "parsing": "info", "uploaded": "info"}
MOST_SHOWN = 300
READ = "validation:read"


class UploadForm(forms.Form):
    """The buildings of the tenant, and a file."""

    building = forms.ModelChoiceField(queryset=Building.objects.none(), widget=forms.Select(attrs={"class": "mcp-input"}))
    file = forms.FileField(
        help_text=".ifc, .ifczip or neutral .json", widget=forms.FileInput(attrs={"class": "mcp-file", "accept": ".ifc,.ifczip,.zip,.json"})
    )

    def __init__(self, *args: Any, buildings: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: Any = self.fields["building"]
        chosen.queryset = buildings


@admin.register(ModelRevision)
class RevisionPage(TenantPage):
    permissions: ClassVar = {"view": READ, "add": "validation:write"}
    list_display = ("name", "state_shown", "file_name", "megabytes", "schema", "difference", "created_at")
    list_select_related = ("tenant", "building", "building__project")
    list_filter = ("state", "source", "schema")
    search_fields = ("file_name", "building__name", "sha256")
    ordering = ("-created_at",)
    change_form_template = "validation/revisions/revision.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/compare/", view(self.compare), name="validation_modelrevision_compare"),
            path("spaces/<uuid:building_id>/", view(self.spaces), name="validation_modelrevision_spaces"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        tenant = chosen_tenant(request)
        if tenant is None or not self.has_add_permission(request):
            if tenant is None and self.has_add_permission(request):
                wanted = tenants(request, self.permissions["add"])
                return self.show(request, "tenancy/choose_tenant.html", title="Upload a model", tenants=wanted, next=request.get_full_path())
            response: HttpResponse = super().add_view(request, form_url, extra_context)  # which refuses
            return response
        buildings = Building.objects.for_tenant(tenant).filter(archived_at=None)
        form = UploadForm(
            request.POST or None, request.FILES or None, buildings=buildings, initial={"building": request.GET.get("building") or _only(buildings)}
        )
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                made, _ = revisions.upload(
                    tenant, building_id=given["building"].pk, name=given["file"].name, content=given["file"], by=principal(request, tenant)
                )
                return HttpResponseRedirect(self.to("change", made.pk))
            except PlatformError as refused:
                form.add_error("file", refused.message)
        return self.show(request, "validation/revisions/upload.html", title="Upload a model", form=form)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        if object_id is None:
            raise Http404
        row = self.mine(request, object_id)
        operation = Operation.objects.for_tenant(row.tenant).filter(pk=row.operation_id).first() if row.operation_id else None
        return self.show(
            request,
            self.change_form_template,
            title=str(row),
            revision=row,
            state=_state(row),
            numbers=_numbers(row),
            problems=row.integrity.get("problems", []),
            twice=sorted(row.integrity.get("duplicate_ids", {}).items())[:20],
            counts=sorted(row.counts.items(), key=lambda pair: (-pair[1], pair[0])),
            by_class=[{"name": name, **found} for name, found in sorted(row.changes.get("by_class", {}).items())],
            others=queries.revisions(row.tenant, row.building_id).filter(state__in=queries.DONE).exclude(pk=row.pk)[:50],
            operation=operation,
            operation_url=reverse("admin:operations_operation_change", args=(operation.pk,)) if operation else "",
            progress_url=reverse("admin:operations_operation_progress", args=(operation.pk,)) if operation and operation.is_open else "",
            file_url=reverse("validation-revision-file", args=(row.building_id, row.number)) if row.file else "",
            compare_url=self.to("compare", row.pk),
            spaces_url=self.to("spaces", row.building_id),
            building_url=reverse("admin:validation_building_change", args=(row.building_id,)),
            board_url=reverse("admin:validation_finding_board", args=(row.building_id,)),
        )

    def compare(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Against any other revision of the building; the older one is always the one before."""
        row = self.mine(request, pk)
        wanted = _uuid(request.GET.get("against", ""))
        against = queries.revisions(row.tenant, row.building_id).filter(pk=wanted).first() if wanted else row.parent
        if against is None or row.at_seq is None or against.at_seq is None:
            return HttpResponseRedirect(self.to("change", row.pk))
        before, after = sorted((row, against), key=lambda one: one.at_seq or 0)
        found = list(queries.changes(row.tenant, row.building, before.at_seq or 0, after.at_seq or 0))
        return self.show(
            request,
            "validation/revisions/compare.html",
            title=f"{row.building}: r{before.number} and r{after.number}",
            before=before,
            after=after,
            counts={kind: sum(one["change"] == kind for one in found) for kind in ("added", "changed", "removed")},
            changes=[_shown(one) for one in found[:MOST_SHOWN]],
            hidden=max(0, len(found) - MOST_SHOWN),
            back=self.to("change", row.pk),
        )

    def spaces(self, request: HttpRequest, building_id: UUID) -> HttpResponse:
        """Which function the names of spaces mean. What is chosen is kept in the building's map, and everything is checked again."""
        building = within(request, Building.objects.all(), READ).select_related("tenant", "project").filter(pk=building_id).first()
        if building is None:
            raise Http404("There is no such building.")
        by = principal(request, building.tenant)
        by.require(READ)
        here = self.to("spaces", building.pk)
        if request.method == "POST":
            by.require("validation:write")
            wanted = {**building.function_map, **_chosen(request)}
            wanted = {name: function for name, function in wanted.items() if function}
            return self.perform(
                request,
                lambda: spaces.map_functions(building.tenant, building_id=building.pk, function_map=wanted, by=by),
                done="The functions are kept; the building is checked again.",
                to=here,
            )
        rows = spaces.names(building.tenant, building.pk)
        return self.show(
            request,
            "validation/revisions/spaces.html",
            title=f"Spaces and functions of {building}",
            building=building,
            rows=rows,
            open_count=sum(not row["mapped"] and row["confidence"] < 1 for row in rows),
            functions=[(name, one.title) for name, one in sorted(functions.FUNCTIONS.items(), key=lambda pair: pair[1].title)],
            may_write=may(request, "validation:write", building.tenant_id),
            building_url=reverse("admin:validation_building_change", args=(building.pk,)),
        )

    @admin.display(description="Revision", ordering="number")
    def name(self, row: ModelRevision) -> str:
        return str(row)

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: ModelRevision) -> SafeString:
        return _state(row)

    @admin.display(description="Size", ordering="size")
    def megabytes(self, row: ModelRevision) -> str:
        return f"{row.size / 1_000_000:.1f} MB"

    @admin.display(description="Changes")
    def difference(self, row: ModelRevision) -> SafeString | str:
        found = row.changes
        return mono(f"+{found['added']} ~{found['changed']} −{found['removed']}") if found else "–"


def _state(row: ModelRevision) -> SafeString:
    return badge(row.get_state_display(), STATES.get(row.state, ""), title=str(row.problem.get("detail", "")))


def _numbers(row: ModelRevision) -> list[tuple[str, Any, bool]]:
    """(what, how much, whether it is as it should be)."""
    found = row.integrity
    if "statements" not in found:
        return []
    return [
        ("Ends as a whole file ends", "yes" if found["trailer"] else "no", bool(found["trailer"])),
        ("Statements in the file", f"{found['statements']:,}", True),
        ("Statements loaded", f"{found['loaded']:,}", found["loaded"] == found["statements"]),
        ("Errors of the parser", f"{found['log_errors']:,}", not found["log_errors"]),
        ("Projects in it", found.get("projects", 0), bool(found.get("projects"))),
        ("GlobalIds that occur twice", len(found.get("duplicate_ids", {})), not found.get("duplicate_ids")),
        ("Needed shapes not understood", found.get("without_shape", 0), not found.get("without_shape")),
    ]


def _shown(change: Mapping[str, Any]) -> dict[str, Any]:
    fields = [
        {"name": name, "before": Truncator(str(pair["before"])).chars(80), "after": Truncator(str(pair["after"])).chars(80)}
        for name, pair in change["fields"].items()
    ]
    return {**change, "fields": fields, "variant": {"added": "success", "removed": "danger"}.get(change["change"], "warning")}


def _chosen(request: HttpRequest) -> dict[str, str]:
    """name -> function, of the rows of the form: name-<n> and function-<n>."""
    found = {}
    for key, name in request.POST.items():
        if key.startswith("name-"):
            found[str(name)[:200]] = request.POST.get(f"function-{key.removeprefix('name-')}", "")[:63]
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _only(buildings: QuerySet[Building]) -> Building | None:
    """The building, where there is no choice."""
    first = list(buildings[:2])
    return first[0] if len(first) == 1 else None
