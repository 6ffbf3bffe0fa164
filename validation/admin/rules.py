"""One rule: a form with its problems at the fields, its examples as they run, a dry run on every stored model."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcp_platform.admin_base import JsonWidget, badge, mark, refused_fields, select, tell, text_area
from mcp_platform.errors import PlatformError
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.tenancy.pages import may, principal
from validation.admin.manners import SEVERITY, STATE, LawForm, LawPage, provenance, related_filter
from validation.admin.rule_sets import version_page
from validation.core import definition, examples
from validation.core.checks import CHECKS
from validation.models import Rule, RuleSetVersion
from validation.queries import facts
from validation.queries import rulebook as queries
from validation.services import dry_run, rule_problems, rules

MEMBERS = (
    *("key", "title", "kind", "applies_to", "when", "require", "message", "params", "severity", "weight", "category", "discipline", "scope"),
    *("check_name", "section", "paraphrase", "url", "rationale", "examples", "exceptions", "provenance", "section_provenance", "source"),
    *("is_active", "position"),
)
CITATION = {"section", "paraphrase", "url"}
OUTCOME: Mapping[str, str] = {"pass": "success", "fail": "danger", "not_applicable": "", "not_evaluable": "warning"}


class RuleForm(LawForm):
    check_name = forms.ChoiceField(
        label="Registered check", required=False, widget=select(), help_text="For the kind registered check: what finds the facts"
    )

    class Meta:
        model = Rule
        fields = MEMBERS
        widgets: ClassVar = {
            "when": text_area(rows=2, spellcheck="false", **{"class": "mcp-code mcp-grow"}),
            "require": text_area(rows=2, spellcheck="false", **{"class": "mcp-code mcp-grow"}),
            "message": text_area(rows=2),
            "paraphrase": text_area(rows=3),
            "rationale": text_area(rows=2),
            "source": text_area(rows=2),
            "applies_to": JsonWidget({"rows": 1, "class": "mcp-json-input mcp-grow"}),
            "exceptions": JsonWidget({"rows": 1, "class": "mcp-json-input mcp-grow"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields.get("check_name")
        if field is not None:
            field.choices = [("", "–"), *((name, f"{name}: {check.title}") for name, check in CHECKS.items())]

    def _post_clean(self) -> None:
        refusal, type(self).refusal = type(self).refusal, None
        super()._post_clean()
        if refusal is not None:
            for field, message in refused_fields(refusal):
                self.add_error(_COLUMN.get(str(field), field), message)

    def members(self) -> dict[str, Any]:
        """The rule document that the service takes."""
        given = dict(self.cleaned_data)
        citation = {name: given.pop(name) for name in CITATION}
        return {**given, "check": given.pop("check_name"), "weight": float(given.pop("weight")), "citation": citation}


_COLUMN = {"check": "check_name", "citation": "paraphrase"}


@admin.register(Rule)
class RulePage(LawPage):
    form = RuleForm
    list_display = ("key", "title", "of", "kind", "level", "category", "checked", "runs")
    list_select_related = ("tenant", "version__rule_set", "confirmed_by")
    list_filter = (related_filter("version", "number", "version"), "kind", "severity", "category", "provenance", "is_active")
    search_fields = ("key", "title", "paraphrase")
    change_form_template = "validation/rules/rule.html"
    fieldsets = (
        (None, {"fields": (("key", "title"), ("kind", "check_name"), ("severity", "category", "scope"), ("discipline", "weight", "position"))}),
        ("What must hold", {"fields": ("applies_to", "when", "require", "params", "message", "exceptions")}),
        ("Examples: its tests", {"fields": ("examples",)}),
        (
            "Where it stands",
            {"fields": ("section", "paraphrase", "url", "rationale", ("provenance", "section_provenance"), "source", "is_active")},
        ),
    )

    def get_urls(self) -> list[Any]:
        guard = self.admin_site.admin_view
        own = [
            path("<uuid:pk>/confirm/", guard(self.confirm_button), name="validation_rule_confirm"),
            path("<uuid:pk>/dry-run/", guard(self.dry_run_page), name="validation_rule_dry_runs"),
            path("<uuid:pk>/dry-run/<uuid:operation>/", guard(self.dry_run_page), name="validation_rule_dry_run"),
        ]
        return own + list(super().get_urls())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and (request.path != reverse("admin:validation_rule_add") or "version" in request.GET)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.version.is_open)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.version.is_open)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.refusal = getattr(request, "_refusal", None)
        return form

    def _version(self, request: HttpRequest, obj: Any) -> RuleSetVersion:
        if obj is not None and obj.version_id:
            version: RuleSetVersion = obj.version
            return version
        try:
            return queries.one(self.tenant_of(request), RuleSetVersion, request.GET.get("version", ""), "rule_set")
        except (ValueError, TypeError) as wrong:
            raise BadRequest("The version is no id.") from wrong

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        version = self._version(request, obj)
        context.update(version=version, version_url=version_page(version), variant=STATE[version.state])
        if obj is not None:
            found = rule_problems.problems_of(obj)
            context.update(
                problems=found,
                errors=[one for one in found if one["severity"] == "error"],
                ran=_ran(obj),
                provenance=provenance(obj.provenance, obj.confirmed_by),
                unconfirmed=obj.provenance == "M" and obj.confirmed_at is None and version.is_open,
                confirm_url=self.to("confirm", obj.pk),
                dry_run_url=self.to("dry_runs", obj.pk),
                may_run=may(request, "validation:run", obj.tenant_id),
            )
            form = context["adminform"].form
            mark(form, _by_field(found))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        version = self._version(request, obj if change else None)
        by = principal(request, tenant)
        saved = rules.save_rule(tenant, version=version.pk, pk=obj.pk if change else None, fields=form.members(), by=by)
        obj.__dict__.update(saved.__dict__)
        errors = [one for one in rule_problems.problems_of(saved) if one["severity"] == "error"]
        if errors:
            messages.warning(request, f"Saved, with {len(errors)} problem{'s' if len(errors) > 1 else ''}: the version cannot be submitted yet.")

    def delete_model(self, request: HttpRequest, obj: Rule) -> None:
        rules.delete_rule(obj.tenant, version=obj.version_id, pk=obj.pk, by=principal(request, obj.tenant))

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        return HttpResponseRedirect(self.to("change", obj.pk))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return HttpResponseRedirect(version_page(obj.version) if "_save" in request.POST else self.to("change", obj.pk))

    def confirm_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        by, source = principal(request, row.tenant), request.POST.get("source", "")
        return self.perform(
            request,
            lambda: rules.confirm_rule(row.tenant, pk=row.pk, source=source, by=by),
            done="Confirmed: it is active, and will run when the version is published.",
            to=self.to("change", pk),
        )

    def dry_run_page(self, request: HttpRequest, pk: Any, operation: Any = None) -> HttpResponse:
        """POST starts one; GET shows the last one, or that of the address."""
        row = self.mine(request, pk)
        if request.method == "POST":
            by = principal(request, row.tenant)
            by.require("validation:run")
            try:
                made = dry_run.start(row.tenant, rule=row.pk, by=by)
            except PlatformError as error:
                tell(request, error)
                return HttpResponseRedirect(self.to("dry_runs", pk))
            return HttpResponseRedirect(self.to("dry_run", pk, made.pk))
        found = Operation.objects.for_tenant(row.tenant).filter(kind=dry_run.KIND, subject=str(row.pk)).order_by("-created_at")
        shown = (found.filter(pk=operation) if operation else found).first()
        return self.show(
            request,
            "validation/rules/dry_run.html",
            title=f"Dry run of {row.key}",
            object=row,
            original=row,
            rule=row,
            running=shown is not None and shown.status in OPEN,
            operation=shown,
            result=_result(shown),
            rule_url=self.to("change", row.pk),
            may_run=may(request, "validation:run", row.tenant_id),
            start_url=self.to("dry_runs", row.pk),
            before=found[:10],
        )

    @admin.display(description="Version", ordering="version__number")
    def of(self, row: Rule) -> SafeString:
        return format_html("{} {}", row.version.rule_set.slug, badge(row.version.number, STATE[row.version.state]))

    @admin.display(description="Severity", ordering="severity")
    def level(self, row: Rule) -> SafeString:
        return badge(row.severity, SEVERITY[row.severity])

    @admin.display(description="Checked", ordering="provenance")
    def checked(self, row: Rule) -> SafeString:
        return provenance(row.provenance, row.confirmed_by)

    @admin.display(description="Runs", ordering="is_active")
    def runs(self, row: Rule) -> SafeString | str:
        return badge("active", "success") if row.is_active else badge("inactive")


def _by_field(problems: list[dict[str, str]]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for one in problems:
        first, _, rest = one["path"].removeprefix("$.").partition(".")
        name, bracket, inside = first.partition("[")
        expected = f" Expected: {one['expected']}." if one["expected"] else ""
        where = f"{bracket}{inside}{'.' if rest else ''}{rest}: " if inside or rest else ""
        kind = "" if one["severity"] == "error" else "Warning: "
        fields.setdefault(_COLUMN.get(name, name), []).append(f"{kind}{where}{one['message']}{expected}")
    return fields


def _ran(row: Rule) -> list[dict[str, Any]]:
    """Each example with what the rule says of it now."""
    known = facts.of_tenant(row.tenant)
    parsed = definition.parse(queries.document(row), known)
    if parsed.rule is None or parsed.rule.kind == "ids":
        return []
    told = examples.run(parsed.rule, parsed.examples, units={one.name: one.unit for one in facts.built_in() if one.unit})
    return [
        {
            "facts": ", ".join(f"{name} = {value}" for name, value in example.facts.items()),
            "expected": badge(example.expected.value, OUTCOME[example.expected.value]),
            "said": badge(judgement.outcome.value, OUTCOME[judgement.outcome.value]),
            "good": judgement.outcome is example.expected,
            "message": judgement.message,
            "missing": ", ".join(judgement.missing),
        }
        for example, judgement in told
    ]


def _result(operation: Operation | None) -> dict[str, Any] | None:
    if operation is None or not operation.result:
        return None
    found = dict(operation.result)
    order = ("fail", "not_evaluable", "pass", "not_applicable")
    found["totals"] = [(name, found["totals"].get(name, 0), OUTCOME[name]) for name in order]
    found["missing"] = sorted(found["missing"].items(), key=lambda pair: -pair[1])
    found["buildings"] = [
        {
            **one,
            "counts": [(name, one["counts"].get(name, 0), OUTCOME[name]) for name in order],
            "samples": [(name, OUTCOME[name], sample) for name in order for sample in one["samples"].get(name, ())],
        }
        for one in found["buildings"]
    ]
    return found
