"""What a check found: judgements gathered, counted, and hashed so that the same findings give the same text on every machine.

Findings (fail, not evaluable) are kept whole. Of passes their subject and margin are kept, of what is not applicable only the number, unless an
exception made it so.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from validation.core import canonical, margins
from validation.core.rules import Judgement, Outcome

Key = tuple[str, str]  # rule key, global id of the subject
OUTCOMES: Final = tuple(outcome.value for outcome in Outcome)
FOUND: Final = (Outcome.FAIL, Outcome.NOT_EVALUABLE)


class Results:
    """Judgements of one check. One judgement for a rule and subject; a second one replaces it nowhere: give each once."""

    __slots__ = ("counts", "exempted", "findings", "near", "passes")

    def __init__(self, judgements: Iterable[Judgement] = (), *, rules: Iterable[str] = ()) -> None:
        """rules: keys that are counted also when nothing was judged by them."""
        self.findings: dict[Key, Judgement] = {}
        self.exempted: dict[Key, str] = {}  # -> citation of the exception
        self.passes: dict[str, dict[str, float | None]] = {}  # rule -> subject -> margin
        self.near: list[Judgement] = []  # passes close to their limit
        self.counts: dict[str, dict[str, int]] = {key: dict.fromkeys(OUTCOMES, 0) for key in rules}
        self.extend(judgements)

    def extend(self, judgements: Iterable[Judgement]) -> None:
        for judgement in judgements:
            self.add(judgement)

    def add(self, judgement: Judgement) -> None:
        outcome = judgement.outcome
        self.counts.setdefault(judgement.rule, dict.fromkeys(OUTCOMES, 0))[outcome.value] += 1
        if outcome is Outcome.PASS:
            self.passes.setdefault(judgement.rule, {})[judgement.subject] = judgement.margin
            if margins.near_miss(judgement):
                self.near.append(judgement)
        elif outcome in FOUND:
            self.findings[judgement.rule, judgement.subject] = judgement
        elif judgement.exemption:
            self.exempted[judgement.rule, judgement.subject] = judgement.exemption

    def passed(self) -> dict[str, list[str]]:
        """Rule -> its subjects that pass, for the list of passed rules."""
        return {key: sorted(subjects) for key, subjects in sorted(self.passes.items())}

    def total(self, outcome: Outcome) -> int:
        return sum(held[outcome.value] for held in self.counts.values())

    def near_misses(self) -> list[Judgement]:
        return sorted(self.near, key=lambda one: (abs(one.margin or 0.0) / max(abs(float(one.required)), 1e-9), one.rule, one.subject))

    def sha256(self) -> str:
        """The same for the same findings, whatever the order in which they came. Words are left out: they follow from the rest."""
        digest = hashlib.sha256()
        for line in self.lines():
            digest.update(json.dumps(line, separators=(",", ":"), ensure_ascii=True).encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def lines(self) -> Iterator[list[Any]]:
        for key, held in sorted(self.counts.items()):
            yield ["counts", key, *(held[outcome] for outcome in OUTCOMES)]
        for key, subjects in sorted(self.passes.items()):
            for subject, margin in sorted(subjects.items()):
                yield ["pass", key, subject, canonical.of(margin)]
        for (key, subject), citation in sorted(self.exempted.items()):
            yield ["exempted", key, subject, citation]
        for _, judgement in sorted(self.findings.items()):
            yield finding_line(judgement)


def finding_line(one: Judgement) -> list[Any]:
    figures = [canonical.of(value) for value in (one.actual, one.required, one.margin)]
    evidence = sorted(canonical.text([fact.fact, fact.value, fact.assumed]) for fact in one.evidence)
    return [one.outcome.value, one.rule, one.subject, one.severity.value, *figures, one.unit, sorted(one.missing), evidence, one.exemption]


def by_subject(judgements: Iterable[Judgement]) -> Mapping[str, list[Judgement]]:
    found: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        found.setdefault(judgement.subject, []).append(judgement)
    return found
