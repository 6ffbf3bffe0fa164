"""Jurisdictions as a tree, editions, adoptions on a time line, amendments, facts; and which value applies where, when and why."""

from datetime import date
from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge, mono, tell
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.pages import chosen_tenant, principal, tenants
from validation.admin.manners import InForceFilter, LawPage, in_force_badge, related_filter
from validation.models import Adoption, Amendment, CodeEdition, FactDefinition, Jurisdiction, Project, Rule
from validation.queries import facts as fact_queries
from validation.queries import rulebook as queries
from validation.services import amendments, facts, jurisdictions, resolution

DAYS_OF_YEAR = 365.25


@admin.register(Jurisdiction)
class JurisdictionPage(LawPage):
    saves, deletes = jurisdictions.save_jurisdiction, jurisdictions.delete_jurisdiction
    change_list_template = "validation/law/jurisdictions.html"
    change_form_template = "validation/law/jurisdiction.html"
    fields = ("code", "name", "parent", "kind", "default_units", "locale", "timezone")
    list_display = ("code", "name", "kind", "parent", "default_units")
    list_select_related = ("tenant", "parent")
    search_fields = ("code", "name")
    list_filter = ("kind", "default_units")

    def get_urls(self) -> list[Any]:
        own = [path("resolution/", self.admin_site.admin_view(self.resolution_page), name="validation_jurisdiction_resolution")]
        return own + list(super().get_urls())

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        tenant = chosen_tenant(request)
        tree = _tree(tenant) if tenant is not None and self.has_view_permission(request) and not request.GET else []
        more = {"tree": tree, "resolution_url": reverse("admin:validation_jurisdiction_resolution"), "starter_url": starter_url()}
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **more})
        return response

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        if obj is not None:
            places = queries.chain(obj)
            context.update(
                chain=[(place, self.to("change", place.pk)) for place in places[:-1]],
                children=[(row, self.to("change", row.pk)) for row in obj.children.order_by("code")],
                timeline=timeline(obj, places),
                amendments=[(row, in_force_badge(row), reverse("admin:validation_amendment_change", args=(row.pk,))) for row in _amendments(obj)],
                resolution_url=f"{reverse('admin:validation_jurisdiction_resolution')}?jurisdiction={obj.code}&tenant={obj.tenant.slug}",
                adopt_url=f"{reverse('admin:validation_adoption_add')}?jurisdiction={obj.pk}",
                amend_url=f"{reverse('admin:validation_amendment_add')}?jurisdiction={obj.pk}",
            )
        return super().render_change_form(request, context, add, change, form_url, obj)

    def resolution_page(self, request: HttpRequest) -> HttpResponse:
        """Which value of a rule applies in a place on a day, and why."""
        slug = request.GET.get("tenant", "")
        tenant = tenants(request, "rules:read").filter(slug=slug).first() if slug else chosen_tenant(request)
        if tenant is None:
            wanted = tenants(request, "rules:read")
            return self.show(request, "tenancy/choose_tenant.html", title="Which value applies?", tenants=wanted, next=request.get_full_path())
        principal(request, tenant).require("rules:read")
        asked = {name: request.GET.get(name, "") for name in ("rule", "jurisdiction", "on", "project")}
        day = parse_day(asked["on"]) or timezone.localdate()
        found = None
        if asked["rule"] and asked["jurisdiction"]:
            try:
                project = queries.one(tenant, Project, asked["project"]) if asked["project"] else None
                found = resolution.explain(tenant, rule_key=asked["rule"], jurisdiction=asked["jurisdiction"], on=day, project=project)
            except PlatformError as error:
                tell(request, error)
        keys = Rule.objects.for_tenant(tenant).filter(version__state="published").order_by("key").values_list("key", flat=True).distinct()
        return self.show(
            request,
            "validation/law/resolution.html",
            title="Which value applies?",
            asked={**asked, "on": day.isoformat()},
            tenant=tenant,
            keys=keys[:2000],
            places=Jurisdiction.objects.for_tenant(tenant),
            projects=Project.objects.for_tenant(tenant).filter(archived_at__isnull=True)[:500],
            found=found,
            values=[_valued(name, one) for name, one in found["params"].items()] if found else [],
            steps=[{**step, "variant": _STEP_VARIANT[step["what"]], "title": _step_title(step)} for step in found["steps"]] if found else [],
        )


_STEP_VARIANT = {"ruleset": "info", "amendment": "warning", "project": "primary"}
_STEP_TITLE = {"add": "brings the rule", "replace": "replaces the rule", "override_params": "sets", "disable": "takes the rule out"}


def _step_title(step: dict[str, Any]) -> str:
    who = {"ruleset": f"Rule set {step['name']}", "amendment": f"Amendment of {step.get('jurisdiction', '')}", "project": "The project"}[step["what"]]
    return f"{who} {_STEP_TITLE.get(step['did'], step['did'])} {step['parameter']}".strip()


def _valued(name: str, one: dict[str, Any]) -> dict[str, Any]:
    """A parameter as the page shows it: a table as rows, anything else as text."""
    value = one["value"]
    rows = [(key, inner, one["shown"][key]) for key, inner in value.items()] if isinstance(value, dict) and "rows" not in value else []
    return {"name": name, **one, "rows": rows}


def parse_day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def starter_url() -> str:
    return reverse("admin:validation_ruleset_starter")


def _tree(tenant: Any) -> list[dict[str, Any]]:
    """The jurisdictions from the roots down, each with its depth and what is in force there today."""
    today = timezone.localdate()
    rows: list[Any] = list(Jurisdiction.objects.for_tenant(tenant).annotate(project_count=Count("projects", distinct=True)).order_by("code"))
    adopted: dict[Any, list[str]] = {}
    for adoption in Adoption.objects.for_tenant(tenant).filter(queries.in_force(today)).select_related("code_edition"):
        adopted.setdefault(adoption.jurisdiction_id, []).append(str(adoption.code_edition))
    amended = dict(
        Amendment.objects.for_tenant(tenant).filter(queries.in_force(today)).values_list("jurisdiction").annotate(number=Count("pk")).order_by()
    )
    below: dict[Any, list[Any]] = {}
    for row in rows:
        below.setdefault(row.parent_id, []).append(row)
    found: list[dict[str, Any]] = []
    waiting = [(row, 0) for row in reversed(below.get(None, []))]
    while waiting:
        row, depth = waiting.pop()
        to = reverse("admin:validation_jurisdiction_change", args=(row.pk,))
        found.append({"row": row, "indent": depth * 26, "to": to, "editions": adopted.get(row.pk, []), "amendments": amended.get(row.pk, 0)})
        waiting += [(child, depth + 1) for child in reversed(below.get(row.pk, []))]
    return found


def timeline(place: Jurisdiction, places: list[Jurisdiction]) -> dict[str, Any]:
    """Adoptions here and above as bars over the years, a lane for each title."""
    rows = list(Adoption.objects.for_tenant(place.tenant_id).filter(jurisdiction__in=places).select_related("code_edition", "jurisdiction"))
    if not rows:
        return {"lanes": []}
    today = timezone.localdate()
    first = min(today.year, *(row.effective_from.year for row in rows))
    last = max(today.year, *((row.effective_to or today).year for row in rows)) + 2
    span = (last - first) * DAYS_OF_YEAR

    def at(day: date) -> float:
        return round(100 * min(max((day - date(first, 1, 1)).days / span, 0), 1), 2)

    lanes: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row.code_edition.title, row.effective_from)):
        start, end = at(row.effective_from), at(row.effective_to) if row.effective_to else 100
        bar = {"left": start, "width": max(end - start, 1), "here": row.jurisdiction_id == place.pk, "open": row.effective_to is None}
        to = reverse("admin:validation_adoption_change", args=(row.pk,))
        lanes.setdefault(row.code_edition.title, []).append({**bar, "row": row, "to": to})
    step = max(1, (last - first) // 8)
    years = [{"year": year, "left": at(date(year, 1, 1))} for year in range(first, last, step)]
    return {"lanes": [{"title": title, "bars": bars} for title, bars in lanes.items()], "years": years, "today": at(today)}


def _amendments(place: Jurisdiction) -> Any:
    return Amendment.objects.for_tenant(place.tenant_id).filter(jurisdiction=place).order_by("rule_key", "effective_from")


@admin.register(CodeEdition)
class EditionPage(LawPage):
    saves, deletes = jurisdictions.save_edition, jurisdictions.delete_edition
    fields = ("publisher", "title", "edition", "language", "published_on", "url", "superseded_by")
    list_display = ("title", "edition", "publisher", "language", "adopted_in", "superseded_by")
    list_select_related = ("tenant", "superseded_by")
    search_fields = ("title", "edition", "publisher")
    list_filter = ("publisher", "language")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("adoptions__jurisdiction")

    @admin.display(description="Adopted in")
    def adopted_in(self, row: CodeEdition) -> str:
        return ", ".join(sorted({adoption.jurisdiction.code for adoption in row.adoptions.all()})) or "–"


@admin.register(Adoption)
class AdoptionPage(LawPage):
    saves, deletes = jurisdictions.save_adoption, jurisdictions.delete_adoption
    fields = ("jurisdiction", "code_edition", "effective_from", "effective_to", "legal_reference")
    list_display = ("place", "code_edition", "status", "effective_from", "effective_to", "legal_reference")
    list_select_related = ("tenant", "jurisdiction", "code_edition")
    list_filter = (related_filter("jurisdiction", "code", "jurisdiction"), InForceFilter)
    search_fields = ("jurisdiction__code", "code_edition__title", "legal_reference")

    @admin.display(description="Jurisdiction", ordering="jurisdiction__code")
    def place(self, row: Adoption) -> SafeString:
        return mono(row.jurisdiction.code)

    @admin.display(description="State")
    def status(self, row: Adoption) -> SafeString:
        return in_force_badge(row)


@admin.register(Amendment)
class AmendmentPage(LawPage):
    saves, deletes = amendments.save_amendment, amendments.delete_amendment
    fields = ("jurisdiction", "rule_key", "action", "payload", "effective_from", "effective_to", "citation")
    list_display = ("key", "place", "act", "status", "effective_from", "effective_to", "why")
    list_select_related = ("tenant", "jurisdiction")
    list_filter = (related_filter("jurisdiction", "code", "jurisdiction"), "action", InForceFilter)
    search_fields = ("rule_key", "citation", "jurisdiction__code")
    change_form_template = "validation/law/amendment.html"

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        tenant = self.tenant_in(request)
        rules = Rule.objects.for_tenant(tenant).filter(version__state="published") if tenant else Rule.objects.none()
        context["keys"] = rules.order_by("key").values_list("key", flat=True).distinct()[:2000]
        if obj is not None:
            query = f"rule={obj.rule_key}&jurisdiction={obj.jurisdiction.code}&on={obj.effective_from}&tenant={obj.tenant.slug}"
            context["trace_url"] = f"{reverse('admin:validation_jurisdiction_resolution')}?{query}"
        return super().render_change_form(request, context, add, change, form_url, obj)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "rule_key" and field is not None:
            field.widget.attrs["list"] = "rule-keys"
        return field

    @admin.display(description="Rule", ordering="rule_key")
    def key(self, row: Amendment) -> SafeString:
        return mono(row.rule_key)

    @admin.display(description="Jurisdiction", ordering="jurisdiction__code")
    def place(self, row: Amendment) -> SafeString:
        return mono(row.jurisdiction.code)

    @admin.display(description="Does", ordering="action")
    def act(self, row: Amendment) -> SafeString:
        return badge(row.get_action_display(), "danger" if row.action == "disable" else "info")

    @admin.display(description="State")
    def status(self, row: Amendment) -> SafeString:
        return in_force_badge(row)

    @admin.display(description="Citation")
    def why(self, row: Amendment) -> str:
        return row.citation[:100]


@admin.register(FactDefinition)
class FactPage(LawPage):
    saves, deletes = facts.save_fact, facts.delete_fact
    fields = ("name", "type", "unit", "applies_to", "sources", "assumption", "params")
    list_display = ("named", "type", "unit", "classes", "asked", "wins", "assumption")
    search_fields = ("name", "assumption")
    list_filter = ("type",)
    change_list_template = "validation/law/facts.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        tenant = chosen_tenant(request)
        own = set(FactDefinition.objects.for_tenant(tenant).values_list("name", flat=True)) if tenant and self.has_view_permission(request) else set()
        listed = [(one, one.name in own) for one in sorted(fact_queries.built_in(), key=lambda one: (one.applies_to, one.name))]
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), "built_in": listed, "add_url": self.to("add")})
        return response

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """`?name=clear_width`: begin with the built-in definition, to change it for this tenant."""
        name = request.GET.get("name", "")
        built_in = next((one for one in fact_queries.built_in() if one.name == name), None)
        if built_in is None:
            return dict(super().get_changeform_initial_data(request))
        same = {member: getattr(built_in, member) for member in ("name", "type", "unit", "assumption")}
        return {**same, "applies_to": list(built_in.applies_to), "sources": list(built_in.sources), "params": dict(built_in.params)}

    @admin.display(description="Fact", ordering="name")
    def named(self, row: FactDefinition) -> SafeString:
        return mono(row.name)

    @admin.display(description="Of")
    def classes(self, row: FactDefinition) -> str:
        return ", ".join(str(name).removeprefix("Ifc") for name in row.applies_to)

    @admin.display(description="Asked in this order")
    def asked(self, row: FactDefinition) -> SafeString:
        return format_html('<span class="mcp-below">{}</span>', " → ".join(str(source) for source in row.sources)[:160])

    @admin.display(description="")
    def wins(self, row: FactDefinition) -> SafeString | str:
        known = {one.name for one in fact_queries.built_in()}
        return badge("instead of the built-in one", "info") if row.name in known else ""
