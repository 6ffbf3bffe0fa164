"""How a building stands: counts, score, coverage and status, kept on its row."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.db.models import Count

from validation.core import score, tally
from validation.core.rulebook import Rulebook
from validation.core.rules import Outcome, Severity
from validation.core.score import Score, Status
from validation.models import Building, Finding, ModelRevision, ValidationRun
from validation.services import rulebook

EVERYTHING: Final = "*"  # among the dirty storeys: the whole building is to be checked again
KEPT: Final = ("head_seq", "checked_seq", "dirty_storeys", "counts", "basis_sha256", "score", "coverage", "status", "updated_at")
LOOKED_AT: Final = 5  # runs, to find one whose results became those of the building


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The numbers of the building after a check, as every diff carries them."""

    counts: Mapping[str, Any] = field(default_factory=dict)
    score: float | None = None
    coverage: float | None = None


def of(building: Building, book: Rulebook) -> Standing:
    """The numbers of the building's counts as they are now."""
    found = score.of(building.counts, book.by_key)
    return Standing(counts=tally.summary(building.counts, book.by_key), score=found.score, coverage=found.coverage)


def scored(building: Building, book: Rulebook) -> Score:
    """With the status, which depends on what people have decided about critical findings. While something is to be checked again nothing complies."""
    partial = is_partial(building) or bool(building.dirty_storeys)
    found = score.of(building.counts, book.by_key, waived=waived(building), threshold=building.project.coverage_threshold, partial=partial)
    return replace(found, status=Status.INDETERMINATE) if EVERYTHING in building.dirty_storeys else found


def save(building: Building, book: Rulebook) -> Score:
    """Write the row; the findings are written already. The caller holds it."""
    found = scored(building, book)
    building.score, building.coverage, building.status = found.score, found.coverage, found.status.value
    building.save(update_fields=list(KEPT))
    return found


def settled(building: Building) -> None:
    """A code official has waived findings, or a waiver has ended: the status follows at once, by the rules of the last check."""
    if building.counts:
        save(building, book_of(building))


def book_of(building: Building) -> Rulebook:
    """The rules of the last check, by which its counts are; those in force when there was none yet."""
    runs = ValidationRun.objects.for_tenant(building.tenant_id).filter(building=building, state="done", is_what_if=False)
    last = runs.order_by("-created_at").only("basis", "score_breakdown")[:LOOKED_AT]
    run = next((run for run in last if run.basis and not run.score_breakdown.get("superseded")), None)
    return rulebook.compiled(run.basis) if run is not None else rulebook.rulebook_of(building)


def waived(building: Building) -> dict[str, int]:
    """rule key -> critical failures that a code official has waived. A false positive is one person's word: it changes no status."""
    rows = Finding.objects.for_tenant(building.tenant_id).filter(building=building, resolved_seq=None, severity=Severity.CRITICAL.value)
    rows = rows.filter(outcome=Outcome.FAIL.value, state=Finding.State.WAIVED)
    return {row["rule_key"]: row["number"] for row in rows.values("rule_key").annotate(number=Count("pk")).order_by()}


def is_partial(building: Building) -> bool:
    """Whether the last model that was uploaded was damaged and loaded in part."""
    rows = ModelRevision.objects.for_tenant(building.tenant_id).filter(building=building)
    last = rows.exclude(state__in=("uploaded", "parsing", "rejected")).order_by("-number").values_list("state", flat=True).first()
    return bool(last == ModelRevision.State.PARTIAL)
