"""Who gets which variant: the hash, its ranges, namespaces, and the order in which an experiment decides.

The hash, the ranges and the namespaces are bit-compatible with GrowthBook's SDKs (hash versions 1 and 2), so that a client with one of those
computes the same bucket as the server. Texts are hashed by their UTF-16 code units, as JavaScript sees them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from experiments.core import targeting

Range = tuple[float, float]  # half open
Namespace = tuple[str, float, float]  # name, start, end
OFFSET: Final = 0x811C9DC5
PRIME: Final = 0x01000193
HOLDOUT: Final = "holdout:"


def fnv1a32(text: str) -> int:
    """FNV-1a with 32 bits, over UTF-16 code units."""
    found = OFFSET
    for unit in _code_units(text):
        found = ((found ^ unit) * PRIME) & 0xFFFFFFFF
    return found


def _code_units(text: str) -> Sequence[int]:
    if text.isascii():
        return text.encode()
    return memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")


def hash_unit(seed: str, unit: str, version: int) -> float | None:
    """Where a unit lies in [0, 1): in ten thousandths (version 2) or thousandths (version 1). None for a version that nobody knows."""
    if version == 2:
        return fnv1a32(str(fnv1a32(seed + unit))) % 10_000 / 10_000
    if version == 1:
        return fnv1a32(unit + seed) % 1000 / 1000
    return None


def in_range(bucket: float, span: Sequence[float]) -> bool:
    return span[0] <= bucket < span[1]


def equal_weights(count: int) -> list[float]:
    return [1 / count] * count if count > 0 else []


def valid_weights(weights: Any, count: int) -> bool:
    """One number from 0 up for each variant, summing to 1 within a hundredth."""
    if not isinstance(weights, list | tuple) or len(weights) != count:
        return False
    try:
        numbers = all(isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) and one >= 0 for one in weights)
        return numbers and 0.99 <= sum(weights) <= 1.01
    except OverflowError:
        return False


def bucket_ranges(count: int, coverage: float = 1.0, weights: Sequence[float] | None = None) -> list[Range]:
    """The range of each variant. Every one begins where its weight begins and grows with the coverage, so that a higher coverage adds units and
    moves none. Weights that make no sense become equal ones."""
    held = list(weights) if weights is not None and valid_weights(weights, count) else equal_weights(count)
    coverage = min(max(coverage, 0.0), 1.0)
    ranges, start = [], 0.0
    for weight in held:
        ranges.append((start, start + coverage * weight))
        start += weight
    return ranges


def choose_variation(bucket: float, ranges: Sequence[Sequence[float]]) -> int:
    """The index of the range that holds the bucket, or -1."""
    return next((index for index, span in enumerate(ranges) if in_range(bucket, span)), -1)


def in_namespace(unit: str, namespace: Namespace) -> bool:
    """Namespaces share units out, so that two experiments with ranges apart never meet the same one. They hash by version 1."""
    bucket = hash_unit(f"__{namespace[0]}", unit, 1)
    return bucket is not None and in_range(bucket, namespace[1:])


def in_holdout(unit: str, holdout: "Holdout") -> bool:
    bucket = hash_unit(HOLDOUT + holdout.seed, unit, 2)
    return bucket is not None and bucket < holdout.share


class Reason(StrEnum):
    """Why a unit has, or has not, a variant. Those of the first group are part of what is analysed."""

    STICKY = "sticky"
    HASHED = "hashed"
    DRAWN = "drawn"
    FORCED = "forced"  # by staff: logged, never analysed
    DISABLED = "disabled"
    NOT_RUNNING = "not_running"
    NO_UNIT = "no_unit"
    HOLDOUT = "holdout"
    NAMESPACE = "namespace"
    TARGETING = "targeting"
    NOT_INCLUDED = "not_included"


ANALYSED: Final = frozenset({Reason.STICKY, Reason.HASHED, Reason.DRAWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """Units that get no experiment of those that keep it. `share` in 0..1."""

    seed: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    key: str
    weight: float  # 0..1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an experiment decides by. `weights` are the arms' unless a bandit has moved them."""

    key: str
    arms: tuple[Arm, ...]
    seed: str
    running: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    coverage: float = 1.0
    hash_version: int = 2
    namespace: Namespace | None = None
    targeting: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, Any] = field(default_factory=dict)
    holdout: Holdout | None = None
    drawn: bool = False  # by dice, not by hash; the assignment's row makes it stick

    def ranges(self) -> list[Range]:
        return bucket_ranges(len(self.arms), self.coverage, [arm.weight for arm in self.arms])


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`arm` is "" when the unit takes no part."""

    arm: str
    reason: Reason
    bucket: float | None = None

    @property
    def analysed(self) -> bool:
        return self.reason in ANALYSED


def decide(
    plan: Plan,
    unit: str,
    attributes: Mapping[str, Any],
    now: datetime,
    *,
    enabled: bool = True,
    forced: str = "",
    sticky: str = "",
    dice: float | None = None,
) -> Decision:
    """Which arm a unit gets: disabled, forced, state and dates, unit, sticky, holdout, namespace, targeting, range; the first that speaks.

    `sticky`: the arm that it has had; that skips namespace, targeting and coverage, never the kill switch. `dice`: a number in [0, 1) for an
    experiment that draws; without one it hashes.
    """
    known = {arm.key for arm in plan.arms}
    if not enabled:
        return Decision(arm="", reason=Reason.DISABLED)
    if forced in known:
        return Decision(arm=forced, reason=Reason.FORCED)
    if not plan.running or (plan.starts_at and now < plan.starts_at) or (plan.ends_at and now >= plan.ends_at):
        return Decision(arm="", reason=Reason.NOT_RUNNING)
    if not unit:
        return Decision(arm="", reason=Reason.NO_UNIT)
    if sticky in known:
        return Decision(arm=sticky, reason=Reason.STICKY)
    left_out = _left_out(plan, unit, attributes)
    if left_out is not None:
        return Decision(arm="", reason=left_out)
    return _bucketed(plan, unit, dice)


def _left_out(plan: Plan, unit: str, attributes: Mapping[str, Any]) -> Reason | None:
    if plan.holdout is not None and in_holdout(unit, plan.holdout):
        return Reason.HOLDOUT
    if plan.namespace is not None and not in_namespace(unit, plan.namespace):
        return Reason.NAMESPACE
    if plan.targeting and not targeting.matches(attributes, plan.targeting, plan.groups):
        return Reason.TARGETING
    return None


def _bucketed(plan: Plan, unit: str, dice: float | None) -> Decision:
    drawn = plan.drawn and dice is not None
    bucket = dice if drawn else hash_unit(plan.seed, unit, plan.hash_version)
    chosen = choose_variation(bucket, plan.ranges()) if bucket is not None else -1
    if chosen < 0:
        return Decision(arm="", reason=Reason.NOT_INCLUDED, bucket=bucket)
    return Decision(arm=plan.arms[chosen].key, reason=Reason.DRAWN if drawn else Reason.HASHED, bucket=bucket)
