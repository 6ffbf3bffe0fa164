"""Learn a ranking from judged findings, measure it on later ones. The model that is measured is the one that may serve: nothing is fitted after."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_platform.ml.core.gates import Gate, Metrics, at_least
from validation.core import ranking
from validation.core.risk import BASELINES, FEATURES, LEAST_DISPOSITIONS, Case, Row, Split, baseline_scores, replay, split
from validation.triage.forest import Forest

TREES: Final = 240
STEP: Final = 20  # trees between two reports of progress
TUNED: Final = 0.2  # the latest share of the training findings says how many trees are enough
FEWEST: Final = 30  # of each disposition, among those it learns from
FEWEST_HELD_OUT: Final = 60
MARGIN: Final = 0.01  # of average precision: less below the champion is no difference

Told = Callable[[int, int, str], None]  # done, of how many, what


class TooLittle(Exception):
    """The dispositions are too few, too equal, or too close together in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    forest: Forest
    metrics: dict[str, Any]
    choices: dict[str, Any]


def digest(cases: Iterable[Case]) -> str:
    """Of what is learnt from: the judged findings and their dispositions, in the order of their ids."""
    judged = sorted((case.finding, case.seen_at, case.disposition.confirmed, case.disposition.at) for case in cases if case.disposition is not None)
    return hashlib.sha256(json.dumps(judged).encode()).hexdigest()


def learn(cases: Sequence[Case], *, champion: Forest | None = None, told: Told = lambda *_: None) -> Learned:
    """`cases`: every finding of the tenant; those without a disposition only count as seen. Raises TooLittle."""
    import sklearn.ensemble  # noqa: F401  # loaded first: only libraries that are there can be limited
    from threadpoolctl import threadpool_limits

    # One thread: those of OpenMP wait for each other by computing, so that beside other work several take five times as long as one.
    with threadpool_limits(limits=1, user_api="openmp"):
        return _learn(cases, champion, told)


def _learn(cases: Sequence[Case], champion: Forest | None, told: Told) -> Learned:
    parts = split(cases)
    _enough(parts)
    told(0, TREES, "gathering")
    rows = replay(cases)
    inner, tuning = _in_time(parts.train)
    trees = _enough_trees(_fit(rows, inner, TREES, told), rows, tuning)
    model = _fit(rows, list(parts.train), trees, lambda *_: None)
    forest = exported(model, _matrix(rows, parts.train))
    told(TREES, TREES, "measuring")
    metrics = _measured(parts, rows, forest, champion)
    return Learned(forest=forest, metrics=metrics, choices={"trees": trees, "learning_rate": RATE, "leaves": LEAVES})


def _enough(parts: Split) -> None:
    right = sum(_label(case) for case in parts.train)
    wrong = len(parts.train) - right
    if min(right, wrong) < FEWEST:
        raise TooLittle(
            f"Of the findings judged before the newest ones, {right} were confirmed and {wrong} dismissed; at least {FEWEST} of each are needed."
        )
    if len(parts.held_out) < FEWEST_HELD_OUT:
        raise TooLittle(f"{len(parts.held_out)} judged findings are left to measure with; at least {FEWEST_HELD_OUT} are needed.")


def _in_time(train: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    ordered = sorted(train, key=lambda case: (case.seen_at, case.finding))
    cut = int(len(ordered) * (1 - TUNED))
    return ordered[:cut], ordered[cut:]


RATE: Final = 0.06
LEAVES: Final = 12


def _fit(rows: dict[str, Row], cases: Sequence[Case], trees: int, told: Told) -> Any:
    """In steps, so that progress is seen and a cancellation heard."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        learning_rate=RATE, max_leaf_nodes=LEAVES, min_samples_leaf=20, l2_regularization=1.0, early_stopping=False, warm_start=True, random_state=0
    )
    matrix, labels = _matrix(rows, cases), [_label(case) for case in cases]
    for done in [*range(STEP, trees, STEP), trees]:
        model.set_params(max_iter=done).fit(matrix, labels)
        told(done, TREES, "learning")
    return model


def _enough_trees(model: Any, rows: dict[str, Row], tuning: Sequence[Case]) -> int:
    """Where the log loss of later findings was lowest."""
    from sklearn.metrics import log_loss

    labels = [_label(case) for case in tuning]
    losses = [log_loss(labels, found, labels=[False, True]) for found in model.staged_predict_proba(_matrix(rows, tuning))]
    return max(STEP, losses.index(min(losses)) + 1)


def _matrix(rows: dict[str, Row], cases: Sequence[Case]) -> Any:
    import numpy as np

    return np.array([rows[case.finding] for case in cases], dtype=np.float64).reshape(-1, len(FEATURES))


def _label(case: Case) -> bool:
    return case.disposition is not None and case.disposition.confirmed


def exported(model: Any, seen: Any) -> Forest:
    """scikit-learn's trees as plain arrays; `seen` are the rows that it learnt from."""
    import numpy as np

    trees = [predictors[0].nodes for predictors in model._predictors]
    firsts = np.cumsum([0, *(len(nodes) for nodes in trees)])[:-1]
    nodes = np.concatenate(trees)
    shift = np.repeat(firsts, [len(one) for one in trees])
    bins = [ranking.edges(column) for column in seen.T]
    edges = np.full((len(FEATURES), ranking.BINS), np.nan)
    shares = np.full((len(FEATURES), ranking.BINS + 1), np.nan)
    for place, ends in enumerate(bins):
        edges[place, : len(ends)] = ends
        shares[place, : len(ends) + 2] = ranking.shares(seen[:, place], ends)
    return Forest(
        start=float(np.asarray(model._baseline_prediction).reshape(-1)[0]),
        roots=firsts.astype(np.int32),
        feature=nodes["feature_idx"].astype(np.int32),
        threshold=nodes["num_threshold"].astype(np.float64),
        left=(nodes["left"].astype(np.int64) + shift).astype(np.int32),
        right=(nodes["right"].astype(np.int64) + shift).astype(np.int32),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        leaf=nodes["is_leaf"].astype(bool),
        value=nodes["value"].astype(np.float64),
        usual=_means(seen),
        edges=edges,
        shares=shares,
    )


def _means(seen: Any) -> Any:
    """Of what is known of each feature; nan where nothing is."""
    import numpy as np

    known = ~np.isnan(seen)
    sums = np.where(known, seen, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), sums / np.maximum(known.sum(axis=0), 1), np.nan)


def _measured(parts: Split, rows: dict[str, Row], forest: Forest, champion: Forest | None) -> dict[str, Any]:
    labels = [_label(case) for case in parts.held_out]
    later = [rows[case.finding] for case in parts.held_out]
    scores = forest.probabilities(later)
    baselines = {name: baseline_scores(later, places) for name, places in BASELINES.items()}
    rivals = {**baselines, **({"champion": champion.probabilities(later)} if champion is not None else {})}
    return {
        "dispositions": len(parts.train) + len(parts.held_out) + parts.left_out,
        "train": len(parts.train),
        "train_confirmed": sum(_label(case) for case in parts.train),
        "held_out": len(parts.held_out),
        "held_out_confirmed": sum(labels),
        "left_out": parts.left_out,
        "cut": parts.cut,
        "accuracy": round(sum((score >= 0.5) == label for score, label in zip(scores, labels, strict=True)) / len(labels), 4),
        "model": ranking.measured(labels, scores),
        "baselines": {name: ranking.measured(labels, found) for name, found in baselines.items()},
        "champion": ranking.measured(labels, rivals["champion"]) if champion is not None else None,
        "gains": {name: ranking.gain(labels, scores, found) for name, found in rivals.items()},
        "importance": _importance(forest, later, labels),
    }


def _importance(forest: Forest, rows: Sequence[Row], labels: Sequence[bool]) -> list[dict[str, Any]]:
    """How much average precision is lost when one feature is shuffled among the held-out findings, the most first."""
    import numpy as np

    matrix, dice = np.array(rows, dtype=np.float64), np.random.default_rng(0)
    whole = ranking.average_precision(labels, forest.probabilities(matrix))
    found: list[tuple[str, float]] = []
    for place in sorted({int(one) for one in forest.feature[~forest.leaf]}):
        changed = matrix.copy()
        changed[:, place] = dice.permutation(changed[:, place])
        found.append((FEATURES[place], round(whole - ranking.average_precision(labels, forest.probabilities(changed)), 4)))
    found.sort(key=lambda one: -one[1])
    return [{"feature": name, "loss": loss} for name, loss in found[:12]]


def judge(candidate: Metrics, champion: Metrics | None) -> list[Gate]:
    """What a ranking must fulfil before people's lists follow it. The champion was measured on the candidate's own held-out findings."""
    gains = candidate.get("gains") or {}
    gates = [
        at_least("dispositions", candidate.get("dispositions", 0), LEAST_DISPOSITIONS, what="Findings that people have judged"),
        at_least("held_out", candidate.get("held_out", 0), FEWEST_HELD_OUT, what="Later findings that it was measured on"),
        *(_beats(name, gains.get(name), surely=len(places) > 1) for name, places in BASELINES.items()),
    ]
    if champion is not None:
        gates.append(_no_worse(gains.get("champion")))
    return gates


def _beats(name: str, found: dict[str, float] | None, *, surely: bool) -> Gate:
    """`surely`: the whole interval must lie above 0, not only the middle."""
    gate = f"beats: {name}"
    if found is None:
        return Gate(name=gate, passed=False, why="it was not measured against this baseline")
    why = f"average precision {found['average_precision']:+.3f} ({ranking.CONFIDENCE:.0%} interval {found['low']:+.3f} to {found['high']:+.3f})"
    needed = "the whole interval must be above 0" if surely else "must be above 0"
    return Gate(name=gate, passed=found["low" if surely else "average_precision"] > 0, why=f"{why}; {needed}")


def _no_worse(found: dict[str, float] | None) -> Gate:
    if found is None:
        return Gate(name="champion", passed=True, why="the champion could not be run on the same findings")
    why = f"average precision {found['average_precision']:+.3f} against the champion on the same findings (margin {MARGIN})"
    return Gate(name="champion", passed=found["average_precision"] >= -MARGIN, why=why)
