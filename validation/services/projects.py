"""Projects (permits) and their buildings. An override of a rule for one project needs a reason and the permission rules:override."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By, actor_of, audit
from validation.errors import FieldsRefused
from validation.models import Building, Project, Rule, RuleSet
from validation.queries import rulebook as queries
from validation.services import authoring, outdated, parameters
from validation.services.authoring import Fault, fault

PROJECT: Final = (
    "name",
    "permit_number",
    "permit_application_date",
    "jurisdiction",
    "address",
    "construction_type",
    "sprinkler",
    "is_existing",
    "parties",
    "coverage_threshold",
    "rule_overrides",
)
BUILDING: Final = (
    "project",
    "name",
    "occupancy_groups",
    "storeys_above",
    "storeys_below",
    "height_m",
    "gross_area_m2",
    "check_every_hours",
    "function_map",
)
# What a check depends on.
DECISIVE: Final = (
    "permit_application_date", "jurisdiction_id", "construction_type", "sprinkler", "is_existing", "coverage_threshold", "rule_overrides",
)  # fmt: skip
DECISIVE_OF_BUILDING: Final = ("project_id", "occupancy_groups", "storeys_above", "storeys_below", "height_m", "gross_area_m2", "function_map")
SHORTEST_REASON: Final = 10  # letters
MOST_FUNCTIONS: Final = 1_000


def save_project(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> Project:
    """Create a project or change some of its fields; `rule_sets` is a list of slugs, beside those that the adopted editions bring.

    Raises FieldsRefused, Denied (rule_overrides without rules:override), ProjectNotFound, StaleEtag.
    """
    given = {name: value for name, value in fields.items() if name != "rule_sets"}
    with transaction.atomic():
        before = queries.one(tenant, Project, pk) if pk else None
        if "rule_overrides" in given and given["rule_overrides"] != (before.rule_overrides if before else {}):
            _require_override(by)
        chosen = _rule_sets(tenant, fields["rule_sets"]) if "rule_sets" in fields else None
        row = authoring.save(tenant, Project, pk=pk, fields=given, known=PROJECT, expected_rev=expected_rev, check=_project_faults, by=by)
        others = chosen is not None and _choose(row, chosen, by)
        if before is not None and (others or _differ(before, row, DECISIVE)):
            outdated.law_changed(tenant, Project.objects.for_tenant(tenant).filter(pk=row.pk))
    return row


def _differ(before: Any, after: Any, names: Iterable[str]) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in names)


def _require_override(by: By) -> None:
    if isinstance(by, Principal):
        by.require("rules:override")


def _rule_sets(tenant: Tenant, slugs: Any) -> list[RuleSet]:
    if not isinstance(slugs, list) or not all(isinstance(slug, str) for slug in slugs):
        raise FieldsRefused(errors=[fault("rule_sets", "wrong_type", "is no list of slugs", '["house-rules"]')])
    found = {row.slug: row for row in RuleSet.objects.for_tenant(tenant).filter(slug__in=slugs, archived_at__isnull=True)}
    missing = [
        fault(f"rule_sets[{index}]", "not_found", "is no rule set", "the slug of a rule set") for index, slug in enumerate(slugs) if slug not in found
    ]
    if missing:
        raise FieldsRefused(errors=missing)
    return list(found.values())


def _choose(row: Project, chosen: list[RuleSet], by: By) -> bool:
    """Whether they are other ones."""
    before = sorted(row.rule_sets.values_list("slug", flat=True))
    after = sorted(one.slug for one in chosen)
    if before != after:
        row.rule_sets.set(chosen)
        audit(row.tenant, actor=actor_of(by), action="project.rule_sets", target=row, changes={"rule_sets": [before, after]})
    return before != after


def _project_faults(row: Project) -> Iterable[Fault]:
    if not 0 <= row.coverage_threshold <= 1:
        yield fault("coverage_threshold", "out_of_range", "is out of range", "a number from 0 to 1")
    for index, party in enumerate(row.parties):
        if not isinstance(party, dict) or not isinstance(party.get("role"), str) or not isinstance(party.get("name"), str):
            yield fault(f"parties[{index}]", "wrong_type", "is no party", '{"role": "architect", "name": "…", "licence": "…"}')
    for key, override in row.rule_overrides.items():
        yield from _override_faults(row, key, override)


def _override_faults(row: Project, key: str, override: Any) -> Iterable[Fault]:
    path = f"rule_overrides.{key[:80]}"
    rules = list(Rule.objects.for_tenant(row.tenant_id).filter(key=key))
    if not rules:
        yield fault(path, "not_found", "is the key of no rule", "the key of a rule")
    if not isinstance(override, dict) or not isinstance(override.get("reason"), str) or len(override["reason"].strip()) < SHORTEST_REASON:
        yield fault(f"{path}.reason", "missing", "says not why", f"a reason of at least {SHORTEST_REASON} letters")
        return
    for name in override:
        if name not in ("params", "reason"):
            yield fault(f"{path}.{name[:80]}", "unknown", "is not known here", "params, reason")
    yield from parameters.faults_of(override.get("params"), f"{path}.params", rules)


def set_archived(tenant: Tenant, *, pk: UUID, archived: bool, by: By) -> Project:
    """Archived projects are kept and leave the lists."""
    with transaction.atomic():
        row = queries.one(tenant, Project, pk, locked=True)
        if (row.archived_at is not None) != archived:
            row.archived_at = timezone.now() if archived else None
            authoring.store(row, new=False, by=by)
            audit(tenant, actor=actor_of(by), action="project.archive" if archived else "project.unarchive", target=row, changes={"name": row.name})
    return row


def delete_project(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """With its buildings, their models, findings and waivers."""
    authoring.delete(tenant, Project, pk=pk, expected_rev=expected_rev, by=by)


def save_building(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> Building:
    """Raises FieldsRefused, BuildingNotFound, StaleEtag."""
    with transaction.atomic():
        before = queries.one(tenant, Building, pk) if pk else None
        row = authoring.save(tenant, Building, pk=pk, fields=fields, known=BUILDING, expected_rev=expected_rev, check=_building_faults, by=by)
        if before is not None and _differ(before, row, DECISIVE_OF_BUILDING) and outdated.mark(Building.objects.for_tenant(tenant).filter(pk=row.pk)):
            row.refresh_from_db(fields=("dirty_storeys", "status", "updated_at"))
    return row


def _building_faults(row: Building) -> Iterable[Fault]:
    for index, group in enumerate(row.occupancy_groups):
        good = isinstance(group, dict) and isinstance(group.get("group"), str) and group["group"] and _is_area(group.get("area_m2", 0))
        if not good:
            yield fault(f"occupancy_groups[{index}]", "wrong_type", "is no occupancy group", '{"group": "B", "area_m2": 1200}')
    if len(row.function_map) > MOST_FUNCTIONS:
        yield fault("function_map", "too_many", f"has {len(row.function_map)} entries", f"at most {MOST_FUNCTIONS}")
    for name, function in row.function_map.items():
        if not name.strip() or not isinstance(function, str) or not function.strip():
            yield fault(f"function_map.{name[:80]}", "wrong_type", "is no function of a space", '"Office*": "business"')
    for name in ("height_m", "gross_area_m2"):
        value = getattr(row, name)
        if value is not None and not 0 <= value < 1e9:
            yield fault(name, "out_of_range", "is out of range", "a number from 0")


def _is_area(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def delete_building(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """With its models, findings and waivers."""
    authoring.delete(tenant, Building, pk=pk, expected_rev=expected_rev, by=by)
