"""Which findings deserve a look first: what is known of a finding when it is found, as numbers, and what people made of those before it.

The target is a person's disposition. Confirmed: somebody acknowledged it, works on it, says it is fixed, or obtained a waiver for a real condition
(variance, alternative means, existing condition). Dismissed: a false positive, or waived as not applicable. What nobody has judged teaches nothing,
and a finding that goes away with a new model is not a judgement.

Nothing from the future enters: the numbers of a finding are those of the moment it was first seen. How long it has been open is left out on
purpose: when it was decided, that would tell the outcome (waivers take weeks, false positives minutes); while it is open, it means something else.
A ranking is an order in which to look. It never makes a finding pass or fail.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log1p, nan
from typing import Any, Final, TypeAlias

from validation.core.building import Value
from validation.core.rules import CATEGORIES

LEAST_DISPOSITIONS: Final = 300  # below that a model would learn noise: the baseline ranks
SMOOTHING: Final = 5.0  # a rule's rate starts as if so many dispositions had been as everywhere
USUAL_RATE: Final = 0.7  # before anybody has judged anything
DAY: Final = 86_400.0

SEVERITY_RANK: Final[Mapping[str, int]] = {"info": 0, "minor": 1, "major": 2, "critical": 3}
CONFIRMED: Final = frozenset({"acknowledged", "in_progress", "fixed"})
REAL_WAIVERS: Final = frozenset({"variance", "alternative_means", "existing_condition"})

ELEMENT_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "door": ("IfcDoor", "IfcDoorStandardCase"),
    "window": ("IfcWindow", "IfcWindowStandardCase"),
    "stair": ("IfcStair", "IfcStairFlight", "IfcRailing"),
    "ramp": ("IfcRamp", "IfcRampFlight"),
    "space": ("IfcSpace", "IfcZone"),
    "wall": ("IfcWall", "IfcWallStandardCase", "IfcSlab", "IfcCovering", "IfcRoof"),
    "storey": ("IfcBuildingStorey",),
    "building": ("IfcBuilding", "IfcSite", "IfcProject"),
}
_GROUP_OF: Final = {name: group for group, names in ELEMENT_GROUPS.items() for name in names}

FEATURES: Final = (
    "severity",
    "not_evaluable",
    "margin",
    "assumed_share",
    "evidence",
    "missing",
    "rule_rate",
    "rule_decided",
    "class_rate",
    "building_rate",
    "storey_rate",
    "same_rule_here",
    "same_subject",
    "rule_buildings",
    "rule_age",
    "building_age",
    "has_storey",
    *(f"category_{name}" for name in CATEGORIES),
    *(f"is_{name}" for name in (*ELEMENT_GROUPS, "other")),
)

MEANINGS: Final[Mapping[str, str]] = {
    "severity": "how severe the rule is",
    "not_evaluable": "whether facts were missing",
    "margin": "how far it is from the limit, as a share of the limit",
    "assumed_share": "share of its evidence that was assumed",
    "evidence": "number of facts that it stands on",
    "missing": "number of missing facts",
    "rule_rate": "how often findings of this rule were confirmed here",
    "rule_decided": "how many findings of this rule were judged here",
    "class_rate": "how often findings of this kind of element and category were confirmed",
    "building_rate": "how often findings of this building were confirmed",
    "storey_rate": "how often findings of this storey were confirmed",
    "same_rule_here": "how many elements of the building break the same rule",
    "same_subject": "how many findings the element has",
    "rule_buildings": "in how many buildings the rule was broken",
    "rule_age": "days since the rule first found something here",
    "building_age": "days since the building's first finding",
    "has_storey": "whether it belongs to a storey",
}

Row: TypeAlias = tuple[float, ...]  # one number a feature, in the order of FEATURES; nan: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """What a person made of a finding. `at`: seconds since the epoch."""

    confirmed: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A finding as the triage sees it. `seen_at`: seconds since the epoch when its check found it; those of one check share `check`.

    assumed, evidence, missing: numbers of facts. margin and limit: in the rule's unit; None when it is not a comparison of numbers.
    """

    finding: str
    check: str
    building: str
    rule: str
    subject: str
    severity: str
    category: str
    ifc_class: str
    storey: str
    seen_at: float
    evaluable: bool = True
    margin: float | None = None
    limit: float | None = None
    evidence: int = 0
    assumed: int = 0
    missing: int = 0
    disposition: Disposition | None = None


def confirmed(state: str, waiver_kind: str = "") -> bool | None:
    """Whether a state that a person chose confirms the finding; None when it says nothing (open, reopened)."""
    if state == "waived":
        return waiver_kind in REAL_WAIVERS
    if state == "false_positive":
        return False
    return True if state in CONFIRMED else None


def number(value: Value) -> float | None:
    """A limit as a number; None for tables, texts and truth values."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(slots=True)
class Tally:
    """Dispositions of findings that have something in common."""

    confirmed: int = 0
    dismissed: int = 0

    @property
    def all(self) -> int:
        return self.confirmed + self.dismissed

    def rate(self, prior: float) -> float:
        """Smoothed towards `prior`, so that one disposition is not taken for a law."""
        return (self.confirmed + SMOOTHING * prior) / (self.all + SMOOTHING)


def _tallies() -> "defaultdict[Any, Tally]":
    return defaultdict(Tally)


@dataclass(slots=True)
class History:
    """Everything that was found and judged up to a moment. It grows; `features` only read it."""

    everything: Tally = field(default_factory=Tally)
    rules: "defaultdict[str, Tally]" = field(default_factory=_tallies)
    classes: "defaultdict[tuple[str, str], Tally]" = field(default_factory=_tallies)
    buildings: "defaultdict[str, Tally]" = field(default_factory=_tallies)
    storeys: "defaultdict[tuple[str, str], Tally]" = field(default_factory=_tallies)
    found: dict[tuple[str, str], int] = field(default_factory=dict)  # (building, rule) -> elements
    subjects: dict[tuple[str, str], int] = field(default_factory=dict)  # (building, subject) -> findings
    rule_buildings: dict[str, int] = field(default_factory=dict)
    rule_since: dict[str, float] = field(default_factory=dict)
    building_since: dict[str, float] = field(default_factory=dict)

    def see(self, case: Case) -> None:
        here = (case.building, case.rule)
        if here not in self.found:
            self.rule_buildings[case.rule] = self.rule_buildings.get(case.rule, 0) + 1
        self.found[here] = self.found.get(here, 0) + 1
        there = (case.building, case.subject)
        self.subjects[there] = self.subjects.get(there, 0) + 1
        self.rule_since[case.rule] = min(case.seen_at, self.rule_since.get(case.rule, case.seen_at))
        self.building_since[case.building] = min(case.seen_at, self.building_since.get(case.building, case.seen_at))

    def decide(self, case: Case, *, right: bool) -> None:
        keys = (
            self.rules[case.rule],
            self.classes[group(case.ifc_class), case.category],
            self.buildings[case.building],
            self.storeys[case.building, case.storey],
        )
        for tally in (self.everything, *keys):
            if right:
                tally.confirmed += 1
            else:
                tally.dismissed += 1

    @property
    def usual(self) -> float:
        return self.everything.rate(USUAL_RATE)

    def rate_of(self, rule: str) -> float:
        """How often findings of the rule were confirmed, smoothed towards what is usual in this tenant."""
        return self.rules[rule].rate(self.usual) if rule in self.rules else self.usual


def group(ifc_class: str) -> str:
    return _GROUP_OF.get(ifc_class, "other")


def features(case: Case, history: History, now: float) -> Row:
    """What a model reads. `history` holds what was known at `now`, the findings of the case's own check included."""
    usual = history.usual
    storey = history.storeys.get((case.building, case.storey)) if case.storey else None
    element = group(case.ifc_class)
    numbers = (
        float(SEVERITY_RANK.get(case.severity, 0)),
        0.0 if case.evaluable else 1.0,
        relative_margin(case.margin, case.limit),
        case.assumed / case.evidence if case.evidence else nan,
        float(case.evidence),
        float(case.missing),
        history.rate_of(case.rule),
        log1p(history.rules[case.rule].all if case.rule in history.rules else 0),
        _rate(history.classes.get((element, case.category)), usual),
        _rate(history.buildings.get(case.building), usual),
        _rate(storey, usual),
        log1p(history.found.get((case.building, case.rule), 0)),
        log1p(history.subjects.get((case.building, case.subject), 0)),
        log1p(history.rule_buildings.get(case.rule, 0)),
        _days(now, history.rule_since.get(case.rule)),
        _days(now, history.building_since.get(case.building)),
        1.0 if case.storey else 0.0,
    )
    categories = tuple(1.0 if case.category == name else 0.0 for name in CATEGORIES)
    elements = tuple(1.0 if element == name else 0.0 for name in (*ELEMENT_GROUPS, "other"))
    return numbers + categories + elements


def relative_margin(margin: float | None, limit: float | None) -> float:
    """Negative outside the limit; nan when one is not known, at most ten limits away."""
    if margin is None or limit is None:
        return nan
    return max(-10.0, min(10.0, margin / max(abs(limit), 1e-6)))


def _rate(tally: Tally | None, usual: float) -> float:
    return tally.rate(usual) if tally is not None and tally.all else nan


def _days(now: float, since: float | None) -> float:
    return log1p(max(0.0, now - since) / DAY) if since is not None else 0.0


def replay(cases: Iterable[Case]) -> dict[str, Row]:
    """Finding -> its numbers at the moment it was first seen: each check is seen as a whole, and judged by nothing that came later."""
    history, rows = History(), {}
    for at, what, some in _happened(list(cases)):
        for case in some:
            if what == _SEEN:
                history.see(case)
            elif case.disposition is not None:
                history.decide(case, right=case.disposition.confirmed)
        if what == _SEEN:
            rows.update({case.finding: features(case, history, at) for case in some})
    return rows


def history_of(cases: Iterable[Case]) -> History:
    """Everything that is known now."""
    history = History()
    for case in cases:
        history.see(case)
        if case.disposition is not None:
            history.decide(case, right=case.disposition.confirmed)
    return history


_SEEN, _DECIDED = 0, 1


def _happened(cases: Sequence[Case]) -> list[tuple[float, int, list[Case]]]:
    """Checks and dispositions in the order of time; at the same moment a check comes first."""
    checks: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        checks[case.check].append(case)
    events = [(min(case.seen_at for case in some), _SEEN, some) for some in checks.values()]
    events += [(case.disposition.at, _DECIDED, [case]) for case in cases if case.disposition is not None]
    return sorted(events, key=lambda event: (event[0], event[1]))


def baseline(severity: float, rate: float) -> float:
    """0 to 1: severity first, then how often findings of the rule were confirmed here. What ranks where no model serves."""
    return (severity + rate) / (max(SEVERITY_RANK.values()) + 1)


BASELINES: Final = {"severity, then rate of the rule": (0, 6), "rate of the rule": (6,)}
"""name -> the features it needs; a model must beat each of them."""


def baseline_scores(rows: Sequence[Row], places: Sequence[int]) -> list[float]:
    if len(places) == 1:
        return [row[places[0]] for row in rows]
    return [baseline(row[places[0]], row[places[1]]) for row in rows]


HELD_OUT: Final = 0.3  # share of the judged findings, the latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """`cut`: training knows nothing that happened from then on. `left_out`: seen before it and judged after it."""

    cut: float
    train: tuple[Case, ...]
    held_out: tuple[Case, ...]
    left_out: int


def split(cases: Iterable[Case]) -> Split:
    """By time: what checks from the cut on have found is held out; only dispositions from before the cut teach. No check is torn apart."""
    judged = sorted((case for case in cases if case.disposition is not None), key=lambda case: (case.seen_at, case.finding))
    starts: dict[str, float] = {}
    for case in judged:
        starts.setdefault(case.check, case.seen_at)
    cut = _cut([starts[case.check] for case in judged])
    late = tuple(case for case in judged if starts[case.check] >= cut)
    early = tuple(case for case in judged if starts[case.check] < cut)
    train = tuple(case for case in early if case.disposition is not None and case.disposition.at < cut)
    return Split(cut=cut, train=train, held_out=late, left_out=len(early) - len(train))


def _cut(starts: Sequence[float]) -> float:
    """The start of a check from which on about HELD_OUT of the findings were seen."""
    ordered = sorted(starts)
    wanted = len(ordered) * (1 - HELD_OUT)
    before = {start: place for place, start in reversed(list(enumerate(ordered)))}  # how many were seen before each start
    return min(before, key=lambda start: (abs(before[start] - wanted), start), default=0.0)
