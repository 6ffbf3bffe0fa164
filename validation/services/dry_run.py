"""A rule that is still being written, tried on every stored model: what would it find? Nothing is written but the operation's result."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from validation.core import definition, index, judge
from validation.core.ifc_classes import PARENTS
from validation.core.rulebook import Rulebook
from validation.core.rules import Judgement, Outcome
from validation.core.rules import Rule as CoreRule
from validation.errors import FieldsRefused
from validation.models import Building, Rule
from validation.queries import elements, facts
from validation.queries import rulebook as queries
from validation.services import ground
from validation.services.authoring import fault
from validation.services.rulebook import of_project

KIND: Final = "validation.dry_run"
SAMPLES: Final = 10  # shown of each outcome in each building
MOST_BUILDINGS: Final = 1_000
SHOWN: Final = (Outcome.FAIL, Outcome.NOT_EVALUABLE, Outcome.PASS)
Json = dict[str, Any]


def start(tenant: Tenant, *, rule: UUID, buildings: list[UUID] | None = None, by: Principal) -> Operation:
    """Try the stored rule, draft or not, on all buildings that have a model, or on these. Raises FieldsRefused when the rule does not run."""
    row = queries.one(tenant, Rule, rule)
    _core_rule(tenant, row)
    chosen = [str(queries.one(tenant, Building, pk).pk) for pk in buildings or ()]
    arguments = {"rule": str(row.pk), "buildings": chosen}
    return operations.start(tenant, kind=KIND, title=f"Dry run of {row.key}", subject=str(row.pk), arguments=arguments, by=by)


def _core_rule(tenant: Tenant, row: Rule) -> CoreRule:
    parsed = definition.parse(queries.document(row), facts.of_tenant(tenant))
    if parsed.rule is None:
        raise FieldsRefused("The rule does not run yet; `errors` lists what is wrong with it.", errors=[one.json() for one in parsed.errors])
    if parsed.rule.kind == "ids":
        raise FieldsRefused(errors=[fault("kind", "not_here", "is judged where an IFC file is read", "check the file with the IDS check")])
    return parsed.rule


def work(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> Json:
    """Counts, samples and missing facts for each building. Facts of surroundings are those of the last check of the building."""
    row = queries.one(tenant, Rule, arguments["rule"])
    rule = _core_rule(tenant, row)
    found: list[Json] = []
    chosen = _buildings(tenant, arguments.get("buildings") or ())
    for number, building in enumerate(chosen):
        progress.report(number, len(chosen), building.name)
        found.append(_tried(building, rule))
    totals: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for one in found:
        totals.update(one["counts"])
        missing.update(one["missing"])
    return {"rule": row.key, "rule_id": str(row.pk), "totals": dict(totals), "missing": dict(missing.most_common(20)), "buildings": found}


def _buildings(tenant: Tenant, chosen: Any) -> list[Building]:
    rows = Building.objects.for_tenant(tenant).filter(archived_at__isnull=True, head_seq__gt=0).select_related("tenant", "project__jurisdiction")
    rows = rows.filter(pk__in=chosen) if chosen else rows
    return list(rows.order_by("project__name", "name")[:MOST_BUILDINGS])


def _tried(building: Building, rule: CoreRule) -> Json:
    standing = ground.of(building, book=_book(building, rule))
    counts: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    samples: dict[str, list[Json]] = {outcome.value: [] for outcome in SHOWN}
    for subject, judgement in _judgements(building, standing, rule):
        counts[judgement.outcome.value] += 1
        missing.update(judgement.missing)
        shown = samples.get(judgement.outcome.value)
        if shown is not None and len(shown) < SAMPLES:
            shown.append(_sample(subject, judgement))
    place = {"building": str(building.pk), "name": building.name, "project": building.project.name}
    return {**place, "counts": dict(counts), "samples": samples, "missing": dict(missing.most_common(20))}


def _book(building: Building, rule: CoreRule) -> Rulebook:
    """The one rule, in the units of the building's place."""
    whole = of_project(building.project).rulebook
    return Rulebook(rules=(rule,), units=whole.units, system=whole.system, around=whole.around)


def _judgements(building: Building, standing: ground.Ground, rule: CoreRule) -> Iterator[tuple[Any, Judgement]]:
    classes = [name for name in PARENTS if index.is_a(name, rule.applies_to)]
    runnable = standing.book.runnable[rule.key]
    rows = elements.at(building.tenant, building).filter(ifc_class__in=classes).order_by("global_id")
    for row in rows.iterator(chunk_size=elements.CHUNK):
        yield row, judge.judge(runnable, standing.subject(row))


def _sample(row: Any, judgement: Judgement) -> Json:
    return {
        "global_id": row.global_id,
        "name": row.name,
        "ifc_class": row.ifc_class,
        "storey": row.storey,
        "message": judgement.message,
        "actual": judgement.actual,
        "required": judgement.required,
        "unit": judgement.unit,
        "margin": judgement.margin,
        "missing": list(judgement.missing),
    }
