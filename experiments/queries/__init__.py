"""Reads that more than one door uses."""

from experiments.queries.evaluations import arms_digest, evaluation, evaluations, is_current, is_of_arms, latest, newest_forecast
from experiments.queries.looking import exposure_series, funnel_states, last_exposure, sums_by_day
from experiments.queries.rows import (
    decisions,
    experiment,
    experiments,
    holdout,
    holdouts,
    metric,
    metrics,
    namespace,
    namespaces,
    state_funnel,
    trend,
)
from experiments.queries.running import Trial, forget, running, running_rankings, trial_of

__all__ = [
    "Trial",
    "arms_digest",
    "decisions",
    "evaluation",
    "evaluations",
    "experiment",
    "experiments",
    "exposure_series",
    "forget",
    "funnel_states",
    "holdout",
    "holdouts",
    "is_current",
    "is_of_arms",
    "last_exposure",
    "latest",
    "metric",
    "metrics",
    "namespace",
    "namespaces",
    "newest_forecast",
    "running",
    "running_rankings",
    "state_funnel",
    "sums_by_day",
    "trend",
    "trial_of",
]
