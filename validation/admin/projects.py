"""Projects with the rules that are in force for them, and buildings with the functions of their rooms."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge, mono
from mcp_platform.errors import PlatformError
from validation.admin.manners import LawPage, related_filter
from validation.models import Building, Element, Project
from validation.pages.buildings import deeds
from validation.services import projects, rulebook

READ_WRITE: dict[str, str] = {"view": "validation:read", "add": "validation:write", "change": "validation:write", "delete": "validation:write"}
SPACES_SHOWN = 300


def status_badge(status: str) -> SafeString | str:
    variants = {"non-compliant": "danger", "indeterminate": "warning"}
    return badge(status, variants.get(status, "success")) if status else "not checked"


@admin.register(Project)
class ProjectPage(LawPage):
    permissions: ClassVar = READ_WRITE
    saves, deletes = projects.save_project, projects.delete_project
    list_display = ("name", "permit_number", "place", "permit_application_date", "buildings_of", "worst")
    list_select_related = ("tenant", "jurisdiction")
    list_filter = (related_filter("jurisdiction", "code", "jurisdiction"), "sprinkler", "is_existing")
    search_fields = ("name", "permit_number", "address")
    change_form_template = "validation/projects/project.html"
    fieldsets = (
        (None, {"fields": (("name", "permit_number"), ("jurisdiction", "permit_application_date"), "address")}),
        ("What it is", {"fields": (("construction_type", "sprinkler", "is_existing"), "parties")}),
        ("How it is checked", {"fields": ("rule_sets", "coverage_threshold", "rule_overrides")}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("buildings")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        tenant = self.tenant_in(request)
        rows: Any = db_field.related_model.objects
        kwargs["queryset"] = rows.for_tenant(tenant).filter(archived_at__isnull=True) if tenant else rows.none()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def fields_of(self, form: Any) -> dict[str, Any]:
        given = dict(form.cleaned_data)
        return {**given, "rule_sets": [row.slug for row in given.pop("rule_sets", ())]}

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The service has saved the rule sets already."""

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        if obj is not None:
            try:
                found: Any = rulebook.of_project(obj)
                context.update(found=found, rules=_rules(found))
            except PlatformError as error:
                context["refused"] = error.message
            context["buildings"] = [(row, status_badge(row.status), building_page(row)) for row in obj.buildings.all()]
            context["add_building_url"] = f"{reverse('admin:validation_building_add')}?project={obj.pk}"
            context["resolution_url"] = reverse("admin:validation_jurisdiction_resolution")
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="Jurisdiction", ordering="jurisdiction__code")
    def place(self, row: Project) -> SafeString:
        return mono(row.jurisdiction.code)

    @admin.display(description="Buildings")
    def buildings_of(self, row: Project) -> int:
        return len(row.buildings.all())

    @admin.display(description="Standing")
    def worst(self, row: Project) -> SafeString | str:
        found = sorted((one for one in row.buildings.all() if one.status), key=lambda one: one.score or 0)
        return status_badge(found[0].status) if found else "–"


def _rules(found: rulebook.InForce) -> list[dict[str, Any]]:
    """Rules in force with the parameters that something other than the rule itself has set."""
    return [{"rule": rule, "changed": [(name, one) for name, one in rule.params.items() if one.origin != "rule"]} for rule in found.rulebook.rules]


def building_page(row: Building) -> str:
    return reverse("admin:validation_building_change", args=(row.pk,))


@admin.register(Building)
class BuildingPage(LawPage):
    permissions: ClassVar = READ_WRITE
    saves, deletes = projects.save_building, projects.delete_building
    list_display = ("name", "project", "standing", "points", "covered", "head_seq", "updated_at")
    list_select_related = ("tenant", "project")
    list_filter = (related_filter("project", "name", "project"), "status")
    search_fields = ("name", "project__name", "project__permit_number")
    change_form_template = "validation/projects/building.html"
    fieldsets = (
        (None, {"fields": (("project", "name"), ("storeys_above", "storeys_below"), ("height_m", "gross_area_m2"))}),
        ("Use", {"fields": ("occupancy_groups", "function_map")}),
    )

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        if obj is not None:
            rows = Element.objects.for_tenant(obj.tenant_id).filter(building=obj, valid_to_seq__isnull=True, ifc_class="IfcSpace")
            spaces = list(rows.order_by("name").only("name", "global_id", "facts", "properties")[:SPACES_SHOWN])
            context["spaces"] = [_space(row) for row in spaces]
            context["unmapped"] = sum(not one["function"] for one in context["spaces"])
            context["project_url"] = reverse("admin:validation_project_change", args=(obj.project_id,))
            context["standing"], context["deeds"] = status_badge(obj.status), deeds(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="Standing", ordering="status")
    def standing(self, row: Building) -> SafeString | str:
        return status_badge(row.status)

    @admin.display(description="Score", ordering="score")
    def points(self, row: Building) -> str:
        return "–" if row.score is None else f"{row.score:.1f}"

    @admin.display(description="Coverage", ordering="coverage")
    def covered(self, row: Building) -> str:
        return "–" if row.coverage is None else f"{100 * row.coverage:.0f} %"


def _space(row: Element) -> dict[str, Any]:
    function = (row.facts or {}).get("function") or {}
    return {
        "name": row.name,
        "long_name": (row.properties or {}).get("Attributes.LongName", ""),
        "function": function.get("value", ""),
        "source": function.get("source", ""),
        "load": ((row.facts or {}).get("net_area") or {}).get("value"),
    }
