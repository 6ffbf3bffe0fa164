"""How many units an experiment needs: from its plan, and from how conversations go now."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from experiments import queries
from experiments.core import metrics
from experiments.core import sizing as core
from experiments.core.metrics import MEASURES, Metric, Shape
from experiments.core.sizing import Wanted
from experiments.core.sums import Sums
from experiments.models import Experiment, ExperimentMetric, MetricDefinition
from mcp_platform.tenancy.models import Tenant

BACK_DAYS = 28
LEAST_LOGGED = 20  # conversations before they are believed to say what is usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """The newest conversations of a flow: (user, what came of it); `total` of them in the last `days`."""

    outcomes: Iterable[tuple[str, metrics.Outcome]]
    total: int
    users: int
    days: float


# What conversations of a flow came to lately: (tenant, key of the flow, environment, days). The app above registers it.
Recent = Callable[[Tenant, str, int, int], Lately]


@dataclass(slots=True)
class _Source:
    recent: Recent | None = None


_source = _Source()


def use_recent(recent: Recent) -> None:
    """The app that has conversations says how to read the newest ones."""
    _source.recent = recent


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """How the primary metric is now: `mean` and `deviation` of a unit, from `units` of them; `daily` units a day. `source`: logged or simulated.

    `metric` is its key: numbers of another metric say nothing.
    """

    mean: float
    deviation: float
    units: int
    daily: float
    source: str = "logged"
    metric: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def logged(row: Experiment) -> Basis | None:
    """From the flow's conversations of the last weeks; None when there are too few of them, or nothing to measure."""
    primary = primary_of(row)
    if _source.recent is None or primary is None or row.flow is None:
        return None
    lately = _source.recent(row.tenant, row.flow.flow_id, row.environment_id, BACK_DAYS)
    units: dict[str, list[metrics.Value]] = {}
    metric = metric_of(primary)
    for index, (user, outcome) in enumerate(lately.outcomes):
        unit = user if row.many else str(index)
        value = metrics.value_of(metric, outcome)
        if value is not None and unit:
            units.setdefault(unit, []).append(value)
    sums = sum((metrics.unit_sums(values) for values in units.values()), Sums())
    if sums.n < LEAST_LOGGED:
        return None
    ratio = metrics.is_ratio(metric, many=row.many)
    spread = sums.ratio_variance if ratio else sums.variance
    a_day = (lately.users if row.many else lately.total) / max(lately.days, 1.0)
    mean = sums.ratio if ratio else sums.mean
    return Basis(mean=mean, deviation=max(spread, 0.0) ** 0.5, units=int(sums.n), daily=a_day, metric=primary.key)


def foreseen(row: Experiment) -> Basis | None:
    """From the newest simulation of this base whose model may be believed, if it foresaw the metric that is the primary one now; a later one than
    the start changes no plan any more."""
    held = queries.newest_forecast(row)
    basis = held.results.get("basis") if held is not None else None
    if held is None or not basis:
        return None
    of = (held.results.get("power") or {}).get("metric", "")
    return _fitting(row, Basis(mean=basis["mean"], deviation=basis["deviation"], units=basis["units"], daily=0.0, source="simulated", metric=of))


def basis_of(row: Experiment) -> Basis | None:
    """What a plan is made with: how conversations go now, or else what a simulation foresees."""
    return logged(row) or foreseen(row)


def frozen(row: Experiment, basis: Basis | None) -> dict[str, Any]:
    """The plan as it is at the start. What its variants do afterwards must not move the mark that the answer is read at."""
    basis = _fitting(row, basis)
    found = core.size(wanted_of(row, basis))
    kept = {name: found[name] for name in ("units_per_arm", "baseline", "deviation", "minimum_effect", "alpha", "power")}
    return {**kept, "basis": basis.as_json() if basis else None}


def planned_units(row: Experiment) -> int:
    """In each arm."""
    return int(row.sized["units_per_arm"] if row.sized else sizing(row)["units_per_arm"])


def sizing(row: Experiment, *, basis: Basis | None = None) -> dict[str, Any]:
    """How many units an arm needs to find the smallest effect worth knowing of, and what more or fewer would find. `basis` fills in what the
    plan leaves open: the baseline, the deviation, how many come in a day; without one, the simulation of this base does. Once it has started,
    all of that is what it was then."""
    if row.sized:
        basis = Basis(**row.sized["basis"]) if row.sized["basis"] else None
    else:
        basis = _fitting(row, basis) or foreseen(row)
    return {**core.size(wanted_of(row, basis)), "basis": basis.as_json() if basis else None}


def _fitting(row: Experiment, basis: Basis | None) -> Basis | None:
    """Nothing when it is of another metric than the primary one."""
    primary = primary_of(row)
    return basis if basis is not None and primary is not None and basis.metric in ("", primary.key) else None


def wanted_of(row: Experiment, basis: Basis | None = None) -> Wanted:
    primary = primary_of(row)
    metric = metric_of(primary) if primary is not None else None
    shape = MEASURES[primary.measure].shape if primary is not None else Shape.SHARE
    baseline = row.baseline if row.baseline is not None else basis.mean if basis else 0.5
    return Wanted(
        shape=shape,
        baseline=baseline,
        deviation=basis.deviation if basis else None,
        effect=row.minimum_effect,
        alpha=row.alpha,
        power=row.power,
        arms=max(len(row.variants.all()), 2),
        sequential=row.stats_mode == Experiment.Mode.SEQUENTIAL,
        coverage=row.ramp[-1]["coverage"] if row.ramp else row.coverage,
        daily=basis.daily if basis else 0.0,
        higher_is_better=metric.better_up if metric else True,
    )


def what_if(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same for numbers that belong to no experiment. `fields` are those of `core.sizing.Wanted`, with a `measure` in place of the shape."""
    given = dict(fields)
    kind = MEASURES[given.pop("measure", "completion")]
    given.setdefault("higher_is_better", kind.higher_is_better)
    return core.size(Wanted(shape=kind.shape, **given))


def primary_of(row: Experiment) -> MetricDefinition | None:
    return next((one.metric for one in row.metrics.all() if one.role == ExperimentMetric.Role.PRIMARY), None)


def shape_of(held: MetricDefinition) -> str:
    """share, mean or ratio: how its values are written."""
    return MEASURES[held.measure].shape.value


def metric_of(held: MetricDefinition) -> Metric:
    return Metric(key=held.key, measure=held.measure, of=held.of, cap=held.cap, higher_is_better=held.higher_is_better)
