"""A whole model judged by a rulebook, with nothing written: what full runs keep and what-if questions compare."""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

from validation.core import canonical, judge, surroundings
from validation.core.results import Results
from validation.core.rulebook import Rulebook
from validation.core.rules import Judgement
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileJudged:
    """What the IDS rules say of a model file. sha256: of the file; "" when there is none."""

    judgements: Sequence[Judgement] = ()
    sha256: str = ""


NO_FILE: Final = FileJudged()


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What the rules say of every element. around: facts as stored. of_file: global id -> rule key -> outcome of the IDS rules."""

    seq: int
    ground: Ground
    results: Results
    around: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, Element]
    of_file: Mapping[str, Mapping[str, str]]
    input_sha256: str

    @cached_property
    def findings(self) -> Sequence[Judgement]:
        """Failures and what could not be judged."""
        return list(self.results.findings.values())

    @property
    def counts(self) -> Counts:
        return self.results.counts

    @property
    def near_misses(self) -> Sequence[Judgement]:
        return self.results.near_misses()[:NEAR_MISSES]


def evaluate(building: Building, book: Rulebook, *, seq: int, file: FileJudged = NO_FILE, tell: Tell = lambda done, total, phase: None) -> Evaluation:
    """Surroundings of every storey, then every rule on every element that it is about, and what was said of the model's file.

    The file knows nothing of later live changes: its judgements of elements that have been deleted since are left out.
    """
    # Sorted here, not by the database: each has its own order of letters, and sums depend on their order.
    there = sorted(elements.at(building.tenant, building, seq).iterator(chunk_size=2000), key=lambda row: row.global_id)
    rows = {row.global_id: row for row in there}
    start = Ground(building=building, book=book, definitions=fact_rows.definitions(building), situation=situation.of(building))
    tell(0, max(1, len(rows)), "surroundings")
    around = surroundings_of(rows.values(), start)
    here = _with_frame(start, rows, around)
    results = Results(rules=book.by_key)
    for index, row in enumerate(rows.values()):
        if index % CHUNK == 0:
            tell(index, len(rows), "rules")
        results.extend(_judged(here, row, around.get(row.global_id, {})))
    said = _of_what_is_there(building, file.judgements, rows)
    results.extend(said)
    return Evaluation(
        seq=seq,
        ground=here,
        results=results,
        around=around,
        rows=rows,
        of_file=_by_subject(said),
        input_sha256=input_sha256(rows.values(), start, file),
    )


def _of_what_is_there(building: Building, judgements: Iterable[Judgement], rows: Mapping[str, Element]) -> list[Judgement]:
    """A subject that never was an element here (a type, the project) stays: only the file knows it."""
    said = list(judgements)
    lost = elements.once_there(building.tenant, building, {one.subject for one in said} - rows.keys())
    return [one for one in said if one.subject not in lost]


def _by_subject(judgements: Iterable[Judgement]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for one in judgements:
        found.setdefault(one.subject, {})[one.rule] = one.outcome.value
    return found


def surroundings_of(rows: Iterable[Element], here: Ground) -> dict[str, dict[str, Any]]:
    """global id -> facts of surroundings, as they are stored."""
    found = surroundings.around(ground.placed(rows), parameters=here.parameters, situation=here.situation)
    return {mark: json_facts for mark, facts in found.items() if (json_facts := elements.stored_facts(facts))}


def input_sha256(rows: Iterable[Element], here: Ground, file: FileJudged = NO_FILE) -> str:
    """Of the elements with their facts, the rules, what the project says, and the file that the IDS rules were judged on."""
    digest = hashlib.sha256(f"{ENGINE_VERSION} {here.book.sha256} {file.sha256}\n".encode())
    digest.update(canonical.text({name: [fact.value, fact.source] for name, fact in here.situation.items()}).encode())
    for row in sorted(rows, key=lambda row: row.global_id):
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
    judged = {one.rule: one.outcome.value for one in _judged(evaluation.ground, row, evaluation.around.get(row.global_id, {}))}
    return {**evaluation.of_file.get(row.global_id, {}), **judged}


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
