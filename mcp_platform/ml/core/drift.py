"""Whether a model still sees what it was trained on: rows of counts compared by their population stability index.

The index is the sum of (after - before) * ln(after / before) over the shares of the bins: 0 when nothing has changed; by custom below 0.1 is
stable and from 0.25 on it is another population. Of small samples it is large by chance alone: where nothing has changed it is about
chi-square of (bins - 1) degrees of freedom times (1/n + 1/m) (Yurdakul and Naranjo, 2020). What that explains is never called drift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import log, sqrt
from typing import Final, TypeAlias

MODERATE: Final = 0.1
STRONG: Final = 0.25
FLOOR: Final = 1e-3  # of a share: an empty bin is rare, not impossible
EXPECTED: Final = 5.0  # fewer in a bin: it joins the others
OTHERS: Final = "(others)"
Z99: Final = 2.3263478740408408  # one in a hundred lies beyond
FEWEST: Final = 50  # below that an index says nothing

Counts: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a model made of `count` real inputs: feature -> label -> how many."""

    count: int
    counts: Mapping[str, Counts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Shares 0..1; `part` is what it adds to the index."""

    label: str
    before: float
    after: float
    part: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One feature. `chance`: the index that one comparison in a hundred exceeds although nothing has changed."""

    name: str
    title: str
    index: float
    chance: float
    reading: str
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A day of the curve: feature -> index. `count`: what was looked at."""

    day: date
    count: int
    indices: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """`shifts`: the newest day against the training; `since_first`: against the first day that was looked at; `points`: the oldest first."""

    points: tuple[Point, ...]
    shifts: tuple[Shift, ...]
    since_first: tuple[Shift, ...] = ()

    @property
    def worst(self) -> Shift | None:
        ranked = sorted(self.shifts, key=lambda one: (-SEVERITY[one.reading], -one.index))
        return ranked[0] if ranked else None


SEVERITY: Final[Mapping[str, int]] = {"stable": 0, "moderate": 1, "drifted": 2}


def stability(before: Sequence[float], after: Sequence[float]) -> float:
    """Population stability index of two rows of shares."""
    pairs = [(max(old, FLOOR), max(new, FLOOR)) for old, new in zip(before, after, strict=True)]
    return round(sum(part(old, new) for old, new in pairs), 4)


def part(before: float, after: float) -> float:
    """Of one bin; the shares are not 0."""
    return (after - before) * log(after / before)


def reading(index: float, chance: float = 0.0) -> str:
    if index < MODERATE or index <= chance:
        return "stable"
    return "moderate" if index < STRONG else "drifted"


def by_chance(bins: int, before: float, after: float) -> float:
    """The 99th percentile of the index of two samples of these sizes from one population."""
    if bins < 2 or before <= 0 or after <= 0:
        return 0.0
    return round(_chi_square_99(bins - 1) * (1 / before + 1 / after), 4)


def _chi_square_99(freedom: int) -> float:
    """Wilson and Hilferty's approximation, good to two per cent from one degree of freedom on."""
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + Z99 * sqrt(spread)) ** 3)


def shift(name: str, title: str, before: Counts, after: Counts) -> Shift | None:
    """None when one of the two is empty."""
    whole, seen = sum(before.values()), sum(after.values())
    if whole <= 0 or seen <= 0:
        return None
    rows = _grouped(before, after, min(whole, seen))
    bins = tuple(_bin(label, old / whole, new / seen) for label, old, new in rows)
    index = stability([one.before for one in bins], [one.after for one in bins])
    chance = by_chance(len(bins), whole, seen)
    return Shift(name=name, title=title, index=index, chance=chance, reading=reading(index, chance), bins=bins)


def _bin(label: str, before: float, after: float) -> Bin:
    added = part(max(before, FLOOR), max(after, FLOOR))
    return Bin(label=label, before=round(before, 4), after=round(after, 4), part=round(added, 4))


def _grouped(before: Counts, after: Counts, least: float) -> list[tuple[str, float, float]]:
    """The labels in their order; those of which fewer than EXPECTED are to be expected in the smaller sample stand together."""
    labels = [*before, *(label for label in after if label not in before)]
    both = sum(before.values()) + sum(after.values())
    kept: list[tuple[str, float, float]] = []
    rare, rare_now = 0.0, 0.0
    for label in labels:
        old, new = before.get(label, 0.0), after.get(label, 0.0)
        if (old + new) / both * least >= EXPECTED:
            kept.append((label, old, new))
        else:
            rare, rare_now = rare + old, rare_now + new
    return [*kept, (OTHERS, rare, rare_now)] if rare or rare_now else kept


def drift(features: Mapping[str, str], training: Mapping[str, Counts], days: Sequence[tuple[date, int, Mapping[str, Counts]]]) -> Drift:
    """`features`: name -> title. `days`: day, how many were looked at, and their counts by feature; the oldest first."""
    points = tuple(_point(features, training, *one) for one in days if one[1] >= FEWEST)
    enough = [counts for _, count, counts in days if count >= FEWEST]
    if not enough:
        return Drift(points=points, shifts=())
    return Drift(points=points, shifts=_shifts(features, training, enough[-1]), since_first=_shifts(features, enough[0], enough[-1]))


def _point(features: Mapping[str, str], training: Mapping[str, Counts], day: date, count: int, counts: Mapping[str, Counts]) -> Point:
    return Point(day=day, count=count, indices={one.name: one.index for one in _shifts(features, training, counts)})


def _shifts(features: Mapping[str, str], before: Mapping[str, Counts], after: Mapping[str, Counts]) -> tuple[Shift, ...]:
    found = (shift(name, title, before.get(name, {}), after.get(name, {})) for name, title in features.items())
    return tuple(one for one in found if one is not None)
