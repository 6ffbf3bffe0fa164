"""Everything that changes experiments. Doors import the verbs from here."""

from experiments.services.counting import count, experiments_behind, use_source
from experiments.services.planning import change, create, delete, rebase, sizing, validate
from experiments.services.promoting import archive, decide, promote, verify_decisions
from experiments.services.running import force, pause, ramp, resume, start, stop, unforce
from experiments.services.serving import features
from experiments.services.settings import (
    delete_holdout,
    delete_metric,
    delete_namespace,
    save_holdout,
    save_metric,
    save_namespace,
)
from experiments.services.watching import watch

__all__ = [
    "archive",
    "change",
    "count",
    "create",
    "decide",
    "delete",
    "delete_holdout",
    "delete_metric",
    "delete_namespace",
    "experiments_behind",
    "features",
    "force",
    "pause",
    "promote",
    "ramp",
    "rebase",
    "resume",
    "save_holdout",
    "save_metric",
    "save_namespace",
    "sizing",
    "start",
    "stop",
    "unforce",
    "use_source",
    "validate",
    "verify_decisions",
    "watch",
]
