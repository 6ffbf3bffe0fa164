"""How good an order is, and whether what is ranked today still looks like what was learnt from. Labels: True is what should stand at the top."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mcp_platform.ml.core.drift import STRONG as STRONG
from mcp_platform.ml.core.drift import reading as reading
from mcp_platform.ml.core.drift import stability as stability

DEPTHS: Final = (10, 25, 50)  # how many a person looks at before lunch
RESAMPLED: Final = 400
CONFIDENCE: Final = 0.9
BINS: Final = 10


def average_precision(labels: Any, scores: Any) -> float:
    """Mean precision over the places of the confirmed ones; equal scores stand together, so their order does not matter. nan without any."""
    import numpy as np

    labels, scores = np.asarray(labels, dtype=float), np.asarray(scores, dtype=float)
    if not labels.sum():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits, ends = np.cumsum(labels[order]), _ends(scores[order])
    precision, recall = hits[ends] / (ends + 1), hits[ends] / labels.sum()
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def roc_auc(labels: Any, scores: Any) -> float:
    """The chance that a confirmed finding stands above a dismissed one; a tie counts half. nan when one of the two is missing."""
    import numpy as np
    from scipy.stats import rankdata

    labels = np.asarray(labels, dtype=bool)
    right, wrong = int(labels.sum()), int((~labels).sum())
    if not right or not wrong:
        return float("nan")
    ranks = rankdata(np.asarray(scores, dtype=float))
    return float((ranks[labels].sum() - right * (right + 1) / 2) / (right * wrong))


def precision_at(labels: Any, scores: Any, depth: int) -> float | None:
    """Share of confirmed ones among the first `depth`; of those that tie at the end, as many as chance would take. None when there are fewer."""
    import numpy as np

    labels, scores = np.asarray(labels, dtype=float), np.asarray(scores, dtype=float)
    if len(labels) < depth:
        return None
    last = np.sort(scores)[::-1][depth - 1]
    above, tied = scores > last, scores == last
    return float((labels[above].sum() + labels[tied].mean() * (depth - above.sum())) / depth)


def measured(labels: Any, scores: Any) -> dict[str, Any]:
    """All of them, rounded for people."""
    depths = {str(depth): precision_at(labels, scores, depth) for depth in DEPTHS}
    return {
        "average_precision": _rounded(average_precision(labels, scores)),
        "roc_auc": _rounded(roc_auc(labels, scores)),
        "precision_at": {depth: round(value, 4) for depth, value in depths.items() if value is not None},
    }


def gain(labels: Any, scores: Any, others: Any) -> dict[str, float]:
    """How much more average precision `scores` have than `others` on the same findings, with the interval of a paired bootstrap."""
    import numpy as np

    labels, scores, others = (np.asarray(values, dtype=float) for values in (labels, scores, others))
    chosen = np.random.default_rng(0).integers(0, len(labels), size=(RESAMPLED, len(labels)))  # seeded: the same data gives the same interval
    found = [average_precision(labels[some], scores[some]) - average_precision(labels[some], others[some]) for some in chosen]
    known = [value for value in found if value == value]
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]) if known else (float("nan"), float("nan"))
    whole = average_precision(labels, scores) - average_precision(labels, others)
    return {"average_precision": round(whole, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _ends(ordered: Any) -> Any:
    """The last place of each run of equal scores."""
    import numpy as np

    return np.append(np.nonzero(np.diff(ordered))[0], len(ordered) - 1)


def _rounded(value: float) -> float | None:
    return round(value, 4) if value == value else None


def edges(values: Sequence[float]) -> tuple[float, ...]:
    """Where the bins of a feature end: its deciles, each once."""
    import numpy as np

    known = np.asarray([value for value in values if value == value], dtype=float)
    if not len(known):
        return ()
    found = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="lower"))
    return tuple(float(value) for value in found)


def shares(values: Sequence[float], ends: Sequence[float]) -> tuple[float, ...]:
    """Of the bins, and last of what is not known. A value on an edge belongs to the bin that ends there."""
    import numpy as np

    numbers = np.asarray(values, dtype=float)
    unknown = np.isnan(numbers)
    places = np.searchsorted(np.asarray(ends, dtype=float), numbers[~unknown], side="left")
    counts = np.append(np.bincount(places, minlength=len(ends) + 1), unknown.sum())
    return tuple(float(share) for share in counts / max(1, len(numbers)))


def worst(indices: Mapping[str, float]) -> tuple[str, float]:
    """The feature that moved most; ("", 0.0) without features."""
    return max(indices.items(), key=lambda pair: pair[1], default=("", 0.0))
