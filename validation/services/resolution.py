"""Which value of a rule applies in a place on a day, and why: every step of the resolution, and what is not in force that day."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from mcp_platform.tenancy.models import Tenant
from validation.core import units
from validation.core.rulebook import Rulebook, Step
from validation.errors import JurisdictionNotFound, RuleNotFound
from validation.models import Amendment, Jurisdiction, Project, Rule, RuleSet
from validation.queries import rulebook as queries
from validation.services import rulebook
from validation.services.rulebook import InForce

Json = dict[str, Any]


def explain(tenant: Tenant, *, rule_key: str, jurisdiction: str, on: date, project: Project | None = None) -> Json:
    """The rule as it is in the jurisdiction (its code) on that day: parameters with their origins, and the steps that led there.

    A rule whose rule set is not in force there is explained all the same, as it would be for a project that chose the rule set: `in_force` is false.
    With a `project` its overrides and chosen rule sets count, too. Raises JurisdictionNotFound, RuleNotFound.
    """
    place: Jurisdiction | None = Jurisdiction.objects.for_tenant(tenant).filter(code=jurisdiction).first()
    if place is None:
        raise JurisdictionNotFound(code=jurisdiction)
    places = queries.chain(place)
    adopted: dict[Any, Any] = {row.code_edition_id: row for row in queries.adoptions(tenant, places, on)}
    chosen = list(project.rule_sets.filter(archived_at__isnull=True)) if project else []
    overrides = project.rule_overrides if project else {}
    found = rulebook.of_place(tenant, places, on, adopted, chosen, overrides)
    in_force = _knows(found.rulebook, rule_key)
    if not in_force:
        homes = _homes(tenant, rule_key)
        found = rulebook.of_place(tenant, places, on, adopted, [*chosen, *homes], overrides)
    if not _knows(found.rulebook, rule_key):
        raise RuleNotFound(rule=rule_key)
    return _told(tenant, found, rule_key, places, on, in_force)


def _knows(book: Rulebook, rule_key: str) -> bool:
    return rule_key in book.by_key or rule_key in book.disabled


def _homes(tenant: Tenant, rule_key: str) -> list[RuleSet]:
    """The rule sets with a published version that has the rule, at most one: two would hide each other."""
    keys = Rule.objects.for_tenant(tenant).filter(key=rule_key, is_active=True, version__state="published").values("version__rule_set")
    return list(RuleSet.objects.for_tenant(tenant).filter(pk__in=keys).order_by("slug")[:1])


def _told(tenant: Tenant, found: InForce, rule_key: str, places: list[Jurisdiction], on: date, in_force: bool) -> Json:
    book = found.rulebook
    rule, system = book.by_key.get(rule_key), places[-1].default_units
    disabled = book.disabled.get(rule_key)
    return {
        "rule": rule_key,
        "title": rule.title if rule else "",
        "jurisdiction": places[-1].code,
        "chain": [place.code for place in places],
        "on": on.isoformat(),
        "in_force": in_force and rule is not None,
        "why": _why(found, rule_key, in_force, disabled),
        "require": rule.require if rule else "",
        "citation": asdict(rule.citation) if rule else {},
        "params": {name: {**asdict(one), "shown": _shown(one.value, one.unit, system)} for name, one in (rule.params if rule else {}).items()},
        "steps": [_step(step, found) for step in book.traces.get(rule_key, ())],
        "not_applied": _not_applied(tenant, rule_key, places, on),
        "problems": [problem for problem in book.problems if rule_key in problem],
    }


def _why(found: InForce, rule_key: str, in_force: bool, disabled: Step | None) -> str:
    if disabled is not None:
        return f"Disabled: {disabled.citation}"
    home = next((one for one in found.basis["rule_sets"] if any(rule["key"] == rule_key for rule in one["rules"])), None)
    if home is None:
        return "Added by an amendment."
    if not in_force:
        return f"No edition that {home['slug']} checks is in force here on that day. This is how it would be for a project that chooses the rule set."
    return f"{home['title']} {home['version']} is in force: {home['because']}."


def _step(step: Step, found: InForce) -> Json:
    """`until` and `since` of amendments, so that a reader sees when it would be otherwise."""
    amendment = next((one for one in found.basis["amendments"] if step.what == "amendment" and step.name.startswith(one["id"])), None)
    dates = {"since": amendment["effective_from"], "until": amendment["effective_to"], "jurisdiction": amendment["jurisdiction"]} if amendment else {}
    return {**asdict(step), **dates}


def _not_applied(tenant: Tenant, rule_key: str, places: list[Jurisdiction], on: date) -> list[Json]:
    """Amendments of the rule in these places that are not in force that day, and why."""
    rows = Amendment.objects.for_tenant(tenant).filter(rule_key=rule_key, jurisdiction__in=[place.pk for place in places])
    found = []
    for row in rows.exclude(queries.in_force(on)).select_related("jurisdiction"):
        why = f"begins on {row.effective_from}" if row.effective_from > on else f"ended on {row.effective_to}"
        found.append({"id": str(row.pk), "jurisdiction": row.jurisdiction.code, "action": row.action, "citation": row.citation, "why": why})
    return found


def _shown(value: Any, unit: str, system: str) -> Any:
    """As people there read it; tables row by row."""
    if isinstance(value, Mapping):
        return {str(name): _shown(inner, unit, system) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(inner, unit, system) for inner in value]
    return units.shown(value, unit, system) if isinstance(value, int | float) and not isinstance(value, bool) else value
