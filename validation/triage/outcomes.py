"""What experiments on rankings ask of buildings: what people made of the findings that an arm's model ranks there, the highest first."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, QuerySet, Sum

from experiments.core.metrics import Outcome
from experiments.services.counting import Ranked
from mcp_platform.tenancy.models import Tenant
from validation.models import Finding, FindingNote
from validation.triage import cases

MOST: Final = 2_000  # places of a building's list
UNDECIDED: Final = (Finding.State.OPEN, Finding.State.REOPENED)
_Place = tuple[UUID, bool]  # finding, whether the rule holds again since


def outcomes(tenant: Tenant, seen: Mapping[UUID, Ranked]) -> Mapping[UUID, Outcome]:
    """Of the buildings where something has happened since `seq`. A finding keeps the score that it had when people decided it.

    Left out, in every arm, is what was gone or decided before the building was first ranked for the experiment. The champion has placed it, the
    other models never do: it would count for the control alone.
    """
    counts = _movement(tenant, list(seen))
    moved = [building for building, count in counts.items() if count != seen[building].seq]
    if not moved:
        return {}
    models = {seen[building].model for building in moved}
    rows = Finding.objects.for_tenant(tenant).filter(building_id__in=moved, ml_model_version__in=[one for one in models if one is not None])
    said = _said(tenant, rows.values("pk"), seen)
    ranked = _ranked(rows, seen, said)
    return {building: _outcome(ranked[building], said, counts[building]) for building in moved}


@dataclass(slots=True)
class _Said:
    """`before`: findings that were decided when their building was first ranked, by a person or a program. What was said since: people's last
    word on a finding, and its last state."""

    before: set[UUID] = field(default_factory=set)
    verdicts: dict[UUID, bool] = field(default_factory=dict)
    states: dict[UUID, str] = field(default_factory=dict)


def _said(tenant: Tenant, findings: Any, seen: Mapping[UUID, Ranked]) -> _Said:
    found = _Said()
    for word in cases.words(tenant, findings):
        met = seen[word.building]
        if word.at < met.since:
            (found.before.discard if word.state in UNDECIDED else found.before.add)(word.finding)
        elif met.lasted(word.at):
            found.states[word.finding] = word.state
            _judge(found.verdicts, word)
    return found


def _judge(verdicts: dict[UUID, bool], word: cases.Word) -> None:
    if word.by_person and word.confirms is None:
        verdicts.pop(word.finding, None)
    elif word.by_person and word.confirms is not None:
        verdicts[word.finding] = word.confirms


def _ranked(rows: QuerySet[Finding], seen: Mapping[UUID, Ranked], said: _Said) -> Mapping[UUID, list[_Place]]:
    found: dict[UUID, list[_Place]] = defaultdict(list)
    order = rows.exclude(ml_score=None).order_by("building_id", "-ml_score", "severity_rank", "pk")
    for pk, building, model, resolved in order.values_list("pk", "building_id", "ml_model_version", "resolved_at"):
        met = seen[building]
        gone_before = resolved is not None and resolved < met.since
        if model == met.model and pk not in said.before and not gone_before and len(found[building]) < MOST:
            found[building].append((pk, resolved is not None and met.lasted(resolved)))
    return found


def _outcome(ranked: list[_Place], said: _Said, seq: int) -> Outcome:
    fixed = sum(gone or (pk in said.verdicts and said.states[pk] == Finding.State.FIXED) for pk, gone in ranked)
    return Outcome(seq=seq, verdicts=tuple(said.verdicts.get(pk) for pk, _ in ranked), findings_fixed=fixed)


def _movement(tenant: Tenant, buildings: list[UUID]) -> dict[UUID, int]:
    """A number that grows whenever people or models did something there, and never falls: a finding that comes back is a change as well."""
    rows = Finding.objects.for_tenant(tenant).filter(building_id__in=buildings).values("building_id").order_by()
    notes = FindingNote.objects.for_tenant(tenant).filter(finding__building_id__in=buildings).values("finding__building_id").order_by()
    said = {one["finding__building_id"]: one["said"] for one in notes.annotate(said=Count("pk"))}
    found = rows.annotate(changed=Sum("rev"), scored=Count("ml_score"))
    return {one["building_id"]: one["changed"] + one["scored"] + said.get(one["building_id"], 0) for one in found}
