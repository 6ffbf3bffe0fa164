"""What simulated conversations say of an experiment before it starts, and how far they may be believed.

The same made-up people talk to every arm, so differences are taken person by person. Their intervals cover the luck of the simulation alone:
how well the model knows people is what the calibration tells.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Final

from experiments.core.metrics import Metric, Outcome, Shape, Value, value_of
from experiments.core.statistics import normal_quantile
from experiments.core.sums import Sums

Z: Final = 1.959964
MINIMUM: Final = 100  # conversations to learn from and to hold the model against
MINIMUM_HELD: Final = 25
TOLERATED: Final = 0.05  # distance of shares, and of chances from what happens
ALARM: Final = 0.01  # how often a model that is right may be told off, over all states
UNSEEN: Final[Mapping[str, str]] = {"turn_latency": "No machine's time is simulated."}
TOO_LITTLE, HOLDS, OFF = "too_little", "holds", "off"
SENTENCES: Final[Mapping[str, str]] = {
    TOO_LITTLE: "Too few conversations are stored to say how good the model is: take its numbers for a rehearsal, not for a forecast.",
    HOLDS: "On conversations that it has not seen, the model does what people did.",
    OFF: "On conversations that it has not seen, the model does something else than people did: do not plan with its numbers.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a simulation hands over. `arms`: outcome by number of the person, the same people in each. `logged`: of held-out conversations;
    `rehearsed`: of the base, by a model that has not seen them. `conversations`: how many there were to learn from and to hold back; of these
    `unfinished` were held back and not compared, as they go on still."""

    arms: Mapping[str, Sequence[Outcome]]
    logged: Sequence[Outcome]
    rehearsed: Sequence[Outcome]
    conversations: int
    unfinished: int = 0
    notes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by arm
    people: Mapping[str, Any] = field(default_factory=dict)
    reliability: Mapping[str, Any] = field(default_factory=dict)


def values(metric: Metric, outcomes: Iterable[Outcome]) -> list[Value | None]:
    return [value_of(metric, outcome) for outcome in outcomes]


def summed(found: Iterable[Value | None]) -> Sums:
    """Of those who say something about the metric."""
    n, y, yy, d, dd, yd = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for one in found:
        if one is not None:
            top, below = one
            n, y, yy = n + 1, y + top, yy + top * top
            d, dd, yd = d + below, dd + below * below, yd + top * below
    return Sums(n=n, y=y, yy=yy, d=d, dd=dd, yd=yd)


def foreseen(metric: Metric, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """`variance` is of single units that say something (of a ratio: linearised); `says` is the share of those."""
    sums = summed(values(metric, outcomes))
    return {
        "value": sums.ratio if sums.d else None,
        "variance": sums.ratio_variance,
        "units": int(sums.n),
        "says": sums.n / len(outcomes) if outcomes else 0.0,
    }


def influences(found: Sequence[Value | None]) -> list[float]:
    """How much each unit moves the ratio: the differences of two of them, unit by unit, tell how sure the difference of the ratios is."""
    sums, n = summed(found), len(found)
    if not sums.d or not n:
        return [0.0] * n
    ratio, part = sums.ratio, sums.d / n
    return [(one[0] - ratio * one[1]) / part if one is not None else 0.0 for one in found]


def paired(metric: Metric, control: Sequence[Outcome], treatment: Sequence[Outcome]) -> dict[str, Any] | None:
    """The difference of the arms with its interval; None where one of them says nothing."""
    mine, theirs = values(metric, treatment), values(metric, control)
    one, other = summed(mine), summed(theirs)
    if not one.d or not other.d:
        return None
    moved = summed((a - b, 1.0) for a, b in zip(influences(mine), influences(theirs), strict=True))
    reach = Z * moved.standard_error
    value = one.ratio - other.ratio
    return {"value": value, "lower": value - reach, "upper": value + reach}


def apart(metric: Metric, logged: Sequence[Outcome], rehearsed: Sequence[Outcome]) -> dict[str, Any] | None:
    """The simulation less the log, of people who have nothing to do with each other."""
    one, other = summed(values(metric, rehearsed)), summed(values(metric, logged))
    if not one.d or not other.d:
        return None
    reach = Z * sqrt(one.ratio_variance / one.n + other.ratio_variance / other.n)
    value = one.ratio - other.ratio
    return {"value": value, "lower": value - reach, "upper": value + reach}


def predicted(metrics: Sequence[tuple[Metric, str]], arms: Mapping[str, Sequence[Outcome]], control: str) -> dict[str, list[dict[str, Any]]]:
    """Arm -> its metrics (metric, label), with their difference to the control."""
    return {
        key: [_row(metric, label, outcomes, None if key == control else arms[control]) for metric, label in metrics] for key, outcomes in arms.items()
    }


def _row(metric: Metric, label: str, outcomes: Sequence[Outcome], control: Sequence[Outcome] | None) -> dict[str, Any]:
    about = {"metric": metric.key, "label": label, "shape": metric.kind.shape.value, "higher_is_better": metric.better_up}
    row: dict[str, Any] = {**about, "why_not": UNSEEN.get(metric.measure, "")}
    if row["why_not"]:
        return {**row, "value": None, "variance": None, "units": 0, "says": 0.0, "difference": None}
    return {**row, **foreseen(metric, outcomes), "difference": paired(metric, control, outcomes) if control is not None else None}


def calibrated(metrics: Sequence[tuple[Metric, str]], found: Forecast) -> dict[str, Any]:
    """The model against the conversations that it has not seen, and whether it may be believed."""
    rows = [
        {
            "metric": metric.key,
            "label": label,
            "shape": metric.kind.shape.value,
            "logged": foreseen(metric, found.logged)["value"],
            "simulated": foreseen(metric, found.rehearsed)["value"],
            "difference": apart(metric, found.logged, found.rehearsed),
        }
        for metric, label in metrics
        if not UNSEEN.get(metric.measure)
    ]
    states = reached(found.logged, found.rehearsed, learned=found.conversations - len(found.logged) - found.unfinished)
    code = _verdict(found, states)
    return {
        "verdict": code,
        "sentence": SENTENCES[code],
        "conversations": found.conversations,
        "held_out": len(found.logged),
        "unfinished": found.unfinished,
        "minimum": MINIMUM,
        "metrics": rows,
        "states": states,
        "reliability": dict(found.reliability),
    }


def may_plan(calibration: Mapping[str, Any], metric: str) -> bool:
    """Whether a metric's mean and deviation may feed the plan: the model holds, and on conversations that it has not seen the metric came out as it
    was logged, up to luck or to what is tolerated (of shares as such, else as a share of what was logged)."""
    row = next((one for one in calibration["metrics"] if one["metric"] == metric), None)
    apart_by = row["difference"] if row is not None else None
    if calibration["verdict"] != HOLDS or row is None or apart_by is None:
        return False
    reach = TOLERATED if row["shape"] == Shape.SHARE.value else TOLERATED * abs(row["logged"])
    return bool(apart_by["lower"] <= 0 <= apart_by["upper"] or abs(apart_by["value"]) <= reach)


def reached(logged: Sequence[Outcome], rehearsed: Sequence[Outcome], *, learned: int) -> list[dict[str, Any]]:
    """The share that comes to each state, the most frequented first. Between `lower` and `upper` are the shares that a model which is right may
    have, considering how few were logged, how many it has `learned` from and how many it has made up (99 %, over all states together)."""
    names = sorted({state for one in (*logged, *rehearsed) for state in one.states if state})
    z = normal_quantile(1 - ALARM / 2 / max(len(names), 1))
    rows = [_reach(name, logged, rehearsed, learned, z) for name in names]
    return sorted(rows, key=lambda row: -row["logged"])


def _reach(name: str, logged: Sequence[Outcome], rehearsed: Sequence[Outcome], learned: int, z: float) -> dict[str, Any]:
    held, made = (sum(name in one.states for one in outcomes) for outcomes in (logged, rehearsed))
    share, likely = held / len(logged) if logged else 0.0, (held + made + 1) / (len(logged) + len(rehearsed) + 2)  # of both, were they alike
    few = sum(1 / max(n, 1) for n in (len(logged), learned, len(rehearsed)))
    reach = z * sqrt(likely * (1 - likely) * few)
    simulated = made / len(rehearsed) if rehearsed else 0.0
    return {
        "state": name,
        "logged": share,
        "simulated": simulated,
        "lower": max(share - reach, 0.0),
        "upper": min(share + reach, 1.0),
        "inside": abs(simulated - share) <= reach,
    }


def _verdict(found: Forecast, states: Sequence[Mapping[str, Any]]) -> str:
    """`off` when the chances of single acts are wrong by more than `TOLERATED`, or the share that comes to some state is, beyond all luck."""
    if found.conversations < MINIMUM or len(found.logged) < MINIMUM_HELD:
        return TOO_LITTLE
    error = found.reliability.get("error")
    wrong = [row for row in states if not row["inside"] and abs(row["simulated"] - row["logged"]) > TOLERATED]
    return OFF if wrong or (error is not None and error > TOLERATED) else HOLDS
