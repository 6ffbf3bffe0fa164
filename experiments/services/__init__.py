"""Everything that changes experiments. Doors import the verbs from here."""

from experiments.services.challenging import use_follower
from experiments.services.counting import count, experiments_behind, use_rankings, use_source
from experiments.services.evaluating import drop as drop_evaluation
from experiments.services.evaluating import evaluate, prepare, use_engine, work
from experiments.services.planning import change, create, delete, has_run, rebase, validate
from experiments.services.promoting import archive, decide, promote, verify_decisions
from experiments.services.reviewing import changed, review
from experiments.services.running import force, pause, ramp, resume, start, step, stop, unforce
from experiments.services.serving import features
from experiments.services.settings import (
    delete_holdout,
    delete_metric,
    delete_namespace,
    save_holdout,
    save_metric,
    save_namespace,
)
from experiments.services.sizing import Basis, Lately, logged, primary_of, shape_of, sizing, use_recent, what_if
from experiments.services.standing import standing
from experiments.services.watching import watch

__all__ = [
    "Basis",
    "Lately",
    "archive",
    "change",
    "changed",
    "count",
    "create",
    "decide",
    "delete",
    "delete_holdout",
    "delete_metric",
    "delete_namespace",
    "drop_evaluation",
    "evaluate",
    "experiments_behind",
    "features",
    "force",
    "has_run",
    "logged",
    "pause",
    "prepare",
    "primary_of",
    "promote",
    "ramp",
    "rebase",
    "resume",
    "review",
    "save_holdout",
    "save_metric",
    "save_namespace",
    "shape_of",
    "sizing",
    "standing",
    "start",
    "step",
    "stop",
    "unforce",
    "use_engine",
    "use_follower",
    "use_rankings",
    "use_recent",
    "use_source",
    "validate",
    "verify_decisions",
    "watch",
    "what_if",
    "work",
]
