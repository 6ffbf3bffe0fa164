"""A whole model judged by a rulebook, with nothing written: what full runs keep and what-if questions compare."""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from validation.core import canonical, judge, surroundings, tally
from validation.core.rulebook import Rulebook
from validation.core.rules import Judgement, Outcome
from validation.core.tally import Counts
from validation.models import Building, Element
from validation.queries import elements, situation
from validation.queries import facts as fact_rows
from validation.services import ground
from validation.services.ground import Ground

ENGINE_VERSION: Final = "1.0.0"
CHUNK: Final = 1000
NEAR_MISSES: Final = 50
Tell: TypeAlias = Callable[[int, int, str], None]  # done, total, phase; may raise to stop


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What the rules say of every element. findings: failures and what could not be judged. passes: rule key -> subjects. around: facts as stored."""

    seq: int
    ground: Ground
    findings: Sequence[Judgement]
    passes: Mapping[str, Sequence[str]]
    counts: Counts
    around: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, Element]
    near_misses: Sequence[Judgement] = field(default_factory=tuple)
    input_sha256: str = ""

    @property
    def result_sha256(self) -> str:
        """The same for the same input, whatever machine and database judged it."""
        digest = hashlib.sha256()
        for one in sorted(self.findings, key=lambda one: (one.rule, one.subject)):
            shown = [one.rule, one.subject, one.outcome.value, one.actual, one.required, one.margin, list(one.missing)]
            digest.update(canonical.text(shown).encode())
        digest.update(canonical.text({key: sorted(subjects) for key, subjects in self.passes.items() if subjects}).encode())
        digest.update(canonical.text(self.counts).encode())
        return digest.hexdigest()


def evaluate(building: Building, book: Rulebook, *, seq: int, tell: Tell = lambda done, total, phase: None) -> Evaluation:
    """Surroundings of every storey, then every rule on every element that it is about."""
    rows = {row.global_id: row for row in elements.at(building.tenant, building, seq).order_by("global_id").iterator(chunk_size=2000)}
    start = Ground(building=building, book=book, definitions=fact_rows.definitions(building), situation=situation.of(building))
    tell(0, max(1, len(rows)), "surroundings")
    around = surroundings_of(rows.values(), start)
    here = _with_frame(start, rows, around)
    found: list[Judgement] = []
    near: list[Judgement] = []
    passes: dict[str, list[str]] = {}
    counts: Counts = tally.counted((), book.by_key)
    for index, row in enumerate(rows.values()):
        if index % CHUNK == 0:
            tell(index, len(rows), "rules")
        for one in _judged(here, row, around.get(row.global_id, {})):
            counts[one.rule][one.outcome.value] += 1
            if one.outcome is Outcome.PASS:
                passes.setdefault(one.rule, []).append(row.global_id)
                if _is_near(one):
                    near.append(one)
            elif one.outcome is not Outcome.NOT_APPLICABLE:
                found.append(one)
    return Evaluation(
        seq=seq,
        ground=here,
        findings=found,
        passes=passes,
        counts=counts,
        around=around,
        rows=rows,
        near_misses=sorted(near, key=_nearness)[:NEAR_MISSES],
        input_sha256=input_sha256(rows.values(), start),
    )


def surroundings_of(rows: Iterable[Element], here: Ground) -> dict[str, dict[str, Any]]:
    """global id -> facts of surroundings, as they are stored."""
    found = surroundings.around(ground.placed(rows), parameters=here.parameters, situation=here.situation)
    return {mark: json_facts for mark, facts in found.items() if (json_facts := elements.stored_facts(facts))}


def input_sha256(rows: Iterable[Element], here: Ground) -> str:
    """Of the elements with their facts, the rules, and what the project says."""
    digest = hashlib.sha256(f"{ENGINE_VERSION} {here.book.sha256}\n".encode())
    digest.update(canonical.text({name: [fact.value, fact.source] for name, fact in here.situation.items()}).encode())
    for row in rows:
        digest.update(f"{row.global_id} {row.content_hash} {canonical.sha256(row.facts)}\n".encode())
    return digest.hexdigest()


def _with_frame(start: Ground, rows: Mapping[str, Element], around: Mapping[str, Any]) -> Ground:
    """The ground with the storeys and the building as they are with their new facts."""
    from validation.core.building import BUILDING, STOREY

    frame = [_as_judged(row, around.get(row.global_id, {})) for row in rows.values() if row.ifc_class in (STOREY, BUILDING)]
    return Ground(
        building=start.building,
        book=start.book,
        definitions=start.definitions,
        situation=start.situation,
        storeys={row.global_id: row for row in frame if row.ifc_class == STOREY},
        house=next((row for row in frame if row.ifc_class == BUILDING), None),
    )


def _as_judged(row: Element, around: Mapping[str, Any]) -> Element:
    return Element(
        pk=row.pk, global_id=row.global_id, ifc_class=row.ifc_class, name=row.name, storey=row.storey, facts=row.facts, around=dict(around)
    )


def _judged(here: Ground, row: Element, around: Mapping[str, Any]) -> Iterable[Judgement]:
    runnables = here.book.of_class(row.ifc_class)
    if not runnables:
        return
    subject = here.subject(_as_judged(row, around))
    for runnable in runnables:
        yield judge.judge(runnable, subject)


def outcomes_of(evaluation: Evaluation, row: Element) -> dict[str, str]:
    """rule key -> outcome that the evaluation has counted for this element."""
    return {one.rule: one.outcome.value for one in _judged(evaluation.ground, row, evaluation.around.get(row.global_id, {}))}


def _is_near(one: Judgement) -> bool:
    return one.margin is not None and isinstance(one.required, int | float) and one.required != 0 and abs(one.margin / one.required) < 0.05


def _nearness(one: Judgement) -> tuple[float, str, str]:
    return abs(float(one.margin or 0) / float(one.required or 1)), one.rule, one.subject


# ── kept ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def shown(one: Judgement) -> dict[str, Any]:
    """A judgement as results keep it."""
    return {
        "rule": one.rule,
        "subject": one.subject,
        "outcome": one.outcome.value,
        "severity": one.severity.value,
        "actual": canonical.of(one.actual),
        "required": canonical.of(one.required),
        "unit": one.unit,
        "margin": canonical.of(one.margin),
        "message": one.message,
        "missing": list(one.missing),
    }


def packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), 6)


def unpacked(blob: bytes | memoryview) -> Any:
    return json.loads(zlib.decompress(bytes(blob))) if blob else []
