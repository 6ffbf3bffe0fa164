"""Whether what is ranked now still looks like what was learnt from, and whether people agreed with the ranking."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mcp_platform.tenancy.models import Tenant
from validation.core import ranking
from validation.core.risk import FEATURES, Case, Row, baseline_scores, replay
from validation.models import Finding
from validation.triage import cases
from validation.triage.champions import BASELINE
from validation.triage.forest import Forest

DRIFT_DAYS: Final = 30
QUALITY_DAYS: Final = 90
FEWEST_SEEN: Final = 50  # below that an index of stability says nothing
FEWEST_JUDGED: Final = 20
LEAST_EFFECT: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """feature -> index; empty where no model serves or too little is new."""

    findings: int
    indices: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Of findings that were ranked before people judged them, with the scores that they had then."""

    judged: int
    ours: dict[str, Any]
    baseline: dict[str, Any]


def drift(tenant: Tenant, forest: Forest | None, now: datetime) -> Drift:
    found = cases.cases(tenant)
    since = (now - timedelta(days=DRIFT_DAYS)).timestamp()
    lately = [case for case in found if since < case.seen_at <= now.timestamp()]
    if forest is None or len(lately) < FEWEST_SEEN:
        return Drift(findings=len(lately), indices={})
    rows = replay(found)
    return Drift(findings=len(lately), indices=indices(forest, [rows[case.finding] for case in lately]))


def indices(forest: Forest, rows: Sequence[Row]) -> dict[str, float]:
    """Feature -> population stability index of these rows against what the model has learnt from."""
    import numpy as np

    matrix = np.array(rows, dtype=np.float64)
    found = {}
    for place, name in enumerate(FEATURES):
        ends = forest.edges[place][~np.isnan(forest.edges[place])].tolist()
        before = forest.shares[place][: len(ends) + 2].tolist()
        found[name] = ranking.stability(before, ranking.shares(matrix[:, place].tolist(), ends))
    return found


def quality(tenant: Tenant, now: datetime) -> Quality:
    """A decided finding keeps the score that it had: only undecided ones are ranked again, and those that came back."""
    since, until = (now - timedelta(days=QUALITY_DAYS)).timestamp(), now.timestamp()
    found = cases.cases(tenant)
    judged = {case.finding: case for case in found if case.disposition is not None and since < case.disposition.at <= until}
    scored = Finding.objects.for_tenant(tenant).exclude(ml_score=None).exclude(state=Finding.State.REOPENED).values_list("pk", "ml_score")
    scores = {str(pk): score for pk, score in scored if str(pk) in judged}
    chosen = [case for case in judged.values() if case.finding in scores]
    if len(chosen) < FEWEST_JUDGED:
        return Quality(judged=len(chosen), ours={}, baseline={})
    rows, labels = replay(found), [_label(case) for case in chosen]
    share = {"confirmed": round(sum(labels) / len(labels), 4)}
    ours = ranking.measured(labels, [scores[case.finding] for case in chosen])
    base = ranking.measured(labels, baseline_scores([rows[case.finding] for case in chosen], BASELINE))
    return Quality(judged=len(chosen), ours={**ours, **share}, baseline={**base, **share})


def _label(case: Case) -> bool:
    return case.disposition is not None and case.disposition.confirmed


def contributions(forest: Forest | None, row: Row) -> list[tuple[str, float | None, float]]:
    """(feature, value, effect on the score): how the score would differ if that one feature were as usual. Of the baseline: its two features."""
    if forest is None:
        return [(FEATURES[place], row[place], 0.0) for place in BASELINE]
    import numpy as np

    varied = np.tile(np.array(row, dtype=np.float64), (len(FEATURES) + 1, 1))
    for place in range(len(FEATURES)):
        varied[place + 1, place] = forest.usual[place]
    scores = forest.probabilities(varied)
    effects = [(name, row[place], float(scores[0] - scores[place + 1])) for place, name in enumerate(FEATURES)]
    told = sorted((one for one in effects if abs(one[2]) >= LEAST_EFFECT), key=lambda one: -abs(one[2]))
    return [(name, None if value != value else round(value, 4), round(effect, 4)) for name, value, effect in told[:6]]
