"""Reads that more than one door uses."""

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
from experiments.queries.running import Trial, forget, running, trial_of

__all__ = [
    "Trial",
    "decisions",
    "experiment",
    "experiments",
    "forget",
    "holdout",
    "holdouts",
    "metric",
    "metrics",
    "namespace",
    "namespaces",
    "running",
    "state_funnel",
    "trend",
    "trial_of",
]
