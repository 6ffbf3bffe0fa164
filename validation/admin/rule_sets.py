"""Rule sets and their versions: drafts, review by somebody else, differences, import and export, and the starter pack."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.safestring import SafeString

from mcp_platform.admin_base import badge, mono, tell
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.pages import chosen_tenant, may, principal, tenants
from validation.admin.law import starter_url
from validation.admin.manners import SEVERITY, STATE, LawPage, provenance, related_filter
from validation.core import documents
from validation.models import Rule, RuleSet, RuleSetVersion
from validation.queries import rulebook as queries
from validation.services import packs, rule_problems, rule_sets

LARGEST_FILE = 5_000_000  # bytes
State = RuleSetVersion.State


@admin.register(RuleSet)
class RuleSetPage(LawPage):
    saves, deletes = rule_sets.save_rule_set, rule_sets.delete_rule_set
    fields = ("slug", "title", "description", "code_edition")
    list_display = ("title", "key", "code_edition", "runs", "waiting", "owned")
    list_select_related = ("tenant", "code_edition")
    search_fields = ("slug", "title")
    list_filter = ("owner",)
    change_list_template = "validation/rules/rule_sets.html"
    change_form_template = "validation/rules/rule_set.html"

    def get_urls(self) -> list[Any]:
        guard = self.admin_site.admin_view
        own = [
            path("starter/", guard(self.starter_button), name="validation_ruleset_starter"),
            path("<uuid:pk>/draft/", guard(self.draft_button), name="validation_ruleset_draft"),
            path("<uuid:pk>/import/", guard(self.import_button), name="validation_ruleset_import"),
            path("<uuid:pk>/archive/", guard(self.archive_button), name="validation_ruleset_archive"),
        ]
        return own + list(super().get_urls())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("versions")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        chosen = chosen_tenant(request)
        more = {"starter_url": starter_url(), "may_publish": chosen is not None and may(request, "rules:publish", chosen.pk)}
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **more})
        return response

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        if obj is not None:
            versions = queries.versions(obj.tenant).filter(rule_set=obj).annotate(unconfirmed=Count("rules", filter=_UNCONFIRMED))
            context.update(
                versions=[(row, STATE[row.state], version_page(row)) for row in versions],
                draft_url=self.to("draft", obj.pk),
                import_url=self.to("import", obj.pk),
                archive_url=self.to("archive", obj.pk),
                may_publish=may(request, "rules:publish", obj.tenant_id),
            )
        return super().render_change_form(request, context, add, change, form_url, obj)

    def starter_button(self, request: HttpRequest) -> HttpResponse:
        tenant = chosen_tenant(request)
        if tenant is None:
            wanted = tenants(request, "rules:publish")
            return self.show(request, "tenancy/choose_tenant.html", title="Import the starter pack", tenants=wanted, next=self.to("changelist"))
        by = principal(request, tenant)
        by.require("rules:publish")
        if request.method == "POST":
            try:
                _tell_import(request, packs.import_pack(tenant, document=packs.starter_pack(), publish=True, by=by))
            except PlatformError as error:
                tell(request, error)
        return HttpResponseRedirect(self.to("changelist"))

    def draft_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        owner = self.mine(request, pk, "change")
        try:
            made = rule_sets.new_draft(
                owner.tenant, rule_set=owner.pk, copy_of=_uuid(request.POST.get("copy_of", "")), by=principal(request, owner.tenant)
            )
        except PlatformError as error:
            tell(request, error)
            return HttpResponseRedirect(self.to("change", pk))
        messages.success(request, f"Draft {made.number} begins with {made.rules.count()} rules.")
        return HttpResponseRedirect(version_page(made))

    def import_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        owner = self.mine(request, pk, "change")
        upload = request.FILES.get("file")
        try:
            if upload is None or (upload.size or 0) > LARGEST_FILE:
                raise ValueError("Choose a file of at most 5 MB.")
            document = json.loads(upload.read())
            made = rule_sets.import_version(owner.tenant, rule_set=owner.pk, document=document, by=principal(request, owner.tenant))
        except PlatformError as error:
            tell(request, error)
        except (ValueError, RecursionError) as fault:
            messages.error(request, f"That is no exported version: {fault}"[:300])
        else:
            messages.success(request, f"Imported as draft {made.number}.")
            return HttpResponseRedirect(version_page(made))
        return HttpResponseRedirect(self.to("change", pk))

    def archive_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        owner = self.mine(request, pk)
        by, archive = principal(request, owner.tenant), owner.archived_at is None
        by.require("rules:publish")
        return self.perform(
            request,
            lambda: rule_sets.set_archived(owner.tenant, pk=owner.pk, archived=archive, by=by),
            done="Archived: no building is checked by it any more." if archive else "It is back.",
            to=self.to("change", pk),
        )

    @admin.display(description="Slug", ordering="slug")
    def key(self, row: RuleSet) -> SafeString:
        return mono(row.slug)

    @admin.display(description="In use")
    def runs(self, row: RuleSet) -> SafeString | str:
        if row.archived_at is not None:
            return badge("archived", "warning")
        published = [one.number for one in row.versions.all() if one.state == State.PUBLISHED]
        return badge(max(published, key=queries.semver), "success") if published else badge("nothing published")

    @admin.display(description="Open")
    def waiting(self, row: RuleSet) -> SafeString | str:
        open_ones = [one for one in row.versions.all() if one.is_open]
        return badge(f"{open_ones[0].number} {open_ones[0].get_state_display().lower()}", STATE[open_ones[0].state]) if open_ones else "–"

    @admin.display(description="From", ordering="owner")
    def owned(self, row: RuleSet) -> SafeString | str:
        return badge("the product", "info") if row.owner == "system" else "you"


_UNCONFIRMED = Q(rules__provenance="M", rules__confirmed_at__isnull=True)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def version_page(row: RuleSetVersion) -> str:
    return reverse("admin:validation_rulesetversion_change", args=(row.pk,))


def _tell_import(request: HttpRequest, done: packs.Imported) -> None:
    if not done.changed:
        messages.info(request, "Everything of the starter pack is here already.")
    for title, names in (("Published", done.published), ("Drafts with rules to confirm", done.drafts)):
        if names:
            messages.success(request, f"{title}: {', '.join(names)}.")
    for note in done.notes:
        messages.warning(request, note)


@admin.register(RuleSetVersion)
class VersionPage(LawPage):
    saves, deletes = rule_sets.save_version, rule_sets.delete_version
    fields = ("number", "changelog", "overrides")
    list_display = ("named", "status", "rules_in_it", "trouble", "published_at", "submitted_by", "published_by")
    list_select_related = ("tenant", "rule_set", "submitted_by", "published_by")
    list_filter = (related_filter("rule_set", "title", "rule set"), "state")
    search_fields = ("rule_set__title", "rule_set__slug", "number")
    change_form_template = "validation/rules/version.html"

    def get_urls(self) -> list[Any]:
        guard = self.admin_site.admin_view
        own = [
            path("<uuid:pk>/step/<str:step>/", guard(self.step_button), name="validation_rulesetversion_step"),
            path("<uuid:pk>/diff/", guard(self.diff_page), name="validation_rulesetversion_diff"),
            path("<uuid:pk>/export/", guard(self.export_page), name="validation_rulesetversion_export"),
        ]
        return own + list(super().get_urls())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(rule_count=Count("rules"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # from its rule set

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.is_open)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.is_open)

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        if obj is not None:
            context.update(self.frame(request, obj), tab="rules", **_rules(obj))
            context["title"] = f"{obj.rule_set.title} {obj.number}"
        return super().render_change_form(request, context, add, change, form_url, obj)

    def frame(self, request: HttpRequest, row: RuleSetVersion) -> dict[str, Any]:
        """What every page of a version shows: state, tabs, and the buttons that this person may press."""
        writes, publishes = may(request, "rules:write", row.tenant_id), may(request, "rules:publish", row.tenant_id)
        mine = getattr(request.user, "pk", None) in rule_sets.authors(row)
        steps = [
            ("submit", "Submit for review", "send", writes and row.state == State.DRAFT and not row.problem_count),
            ("withdraw", "Back to draft", "undo", (writes or publishes) and row.state == State.IN_REVIEW),
            ("publish", "Publish", "rocket_launch", publishes and not mine and row.state == State.IN_REVIEW),
            ("retire", "Retire", "block", publishes and row.state == State.PUBLISHED),
        ]
        others = list(row.rule_set.versions.exclude(pk=row.pk).order_by("-created_at"))
        return {
            "version": row,
            "variant": STATE[row.state],
            "buttons": [(label, icon, self.to("step", row.pk, name), name) for name, label, icon, shown in steps if shown],
            "needs_other": mine and publishes and row.state == State.IN_REVIEW,
            "tabs": [
                ("rules", "Rules", "rule", version_page(row)),
                ("diff", "Changes", "difference", self.to("diff", row.pk)),
            ],
            "others": others,
            "export_url": self.to("export", row.pk),
            "rule_set_url": reverse("admin:validation_ruleset_change", args=(row.rule_set_id,)),
            "draft_url": reverse("admin:validation_ruleset_draft", args=(row.rule_set_id,)) if writes and not row.is_open else "",
            "add_rule_url": f"{reverse('admin:validation_rule_add')}?version={row.pk}" if writes and row.is_open else "",
        }

    def step_button(self, request: HttpRequest, pk: Any, step: str) -> HttpResponse:
        services: dict[str, tuple[str, Callable[..., Any], str]] = {
            "submit": ("rules:write", rule_sets.submit, "Submitted. Somebody who has written none of it can publish it now."),
            "withdraw": ("rules:read", rule_sets.withdraw, "It is a draft again."),
            "publish": ("rules:publish", rule_sets.publish, "Published: buildings are checked by it from now on."),
            "retire": ("rules:publish", rule_sets.retire, "Retired: no check uses it any more."),
        }
        row = self.mine(request, pk)
        if request.method != "POST" or step not in services:
            return HttpResponseRedirect(version_page(row))
        permission, service, done = services[step]
        by = principal(request, row.tenant)
        by.require(permission if step != "withdraw" or by.may("rules:publish") else "rules:write")
        return self.perform(request, lambda: service(row.tenant, pk=row.pk, by=by), done=done, to=version_page(row))

    def diff_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Against another version (`?against=`), by default the one before it."""
        row = self.mine(request, pk)
        frame = self.frame(request, row)
        given = request.GET.get("against", "")
        against = next((one for one in frame["others"] if str(one.pk) == given), None)
        if against is None:
            older = [one for one in frame["others"] if queries.semver(one.number) < queries.semver(row.number)]
            against = max(older, key=lambda one: queries.semver(one.number), default=None)
        groups = _grouped(documents.compare(queries.rules(against), queries.rules(row))) if against else []
        return self.show(
            request,
            "validation/rules/diff.html",
            title=f"{row.rule_set.title} {row.number}",
            object=row,
            original=row,
            tab="diff",
            against=against,
            groups=groups,
            count=sum(len(group["changes"]) for group in groups),
            **frame,
        )

    def export_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self.mine(request, pk)
        text = json.dumps(rule_sets.export_version(row.tenant, pk=row.pk), indent=2, ensure_ascii=False)
        name = f"{row.rule_set.slug}-{row.number}.json"
        return HttpResponse(text, content_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'})

    def save_model(self, request: HttpRequest, obj: RuleSetVersion, form: Any, change: bool) -> None:
        saved = rule_sets.save_version(obj.tenant, pk=obj.pk, fields=dict(form.cleaned_data), by=principal(request, obj.tenant))
        obj.__dict__.update(saved.__dict__)

    @admin.display(description="Version", ordering="rule_set__title")
    def named(self, row: RuleSetVersion) -> str:
        return f"{row.rule_set.title} {row.number}"

    @admin.display(description="State", ordering="state")
    def status(self, row: RuleSetVersion) -> SafeString:
        return badge(row.get_state_display().lower(), STATE[row.state])

    @admin.display(description="Rules", ordering="rule_count")
    def rules_in_it(self, row: Any) -> int:
        return int(row.rule_count)

    @admin.display(description="Problems", ordering="problem_count")
    def trouble(self, row: RuleSetVersion) -> SafeString | str:
        return badge(row.problem_count, "danger") if row.problem_count else "–"


def _rules(version: RuleSetVersion) -> dict[str, Any]:
    rows = list(Rule.objects.for_tenant(version.tenant_id).filter(version=version).select_related("confirmed_by", "tenant"))
    found: dict[Any, list[dict[str, str]]] = {row.pk: rule_problems.problems_of(row) for row in rows} if version.is_open else {}
    listed = [
        {
            "row": row,
            "to": reverse("admin:validation_rule_change", args=(row.pk,)),
            "severity": badge(row.severity, SEVERITY[row.severity]),
            "provenance": provenance(row.provenance, row.confirmed_by),
            "errors": [one for one in found.get(row.pk, ()) if one["severity"] == "error"],
            "warnings": [one for one in found.get(row.pk, ()) if one["severity"] != "error"],
        }
        for row in rows
    ]
    return {"rules": listed, "unconfirmed": sum(row.provenance == "M" and row.confirmed_at is None for row in rows)}


def _grouped(changes: tuple[documents.Change, ...]) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, str]]] = {}
    for change in changes:
        label = change.path.removeprefix(change.rule).removeprefix(".") or "the whole rule"
        groups.setdefault(change.rule, []).append({"label": label, "kind": change.kind, "before": _text(change.before), "after": _text(change.after)})
    return [{"rule": key, "changes": found} for key, found in groups.items()]


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
