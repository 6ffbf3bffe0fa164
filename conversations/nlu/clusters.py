"""Messages that mean much the same, together: the largest group first, each around the message that has most neighbours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from conversations.nlu import minilm, ngrams

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

NEAR: Final = 0.58  # cosine of two sentences' embeddings
NEAR_WORDS: Final = 0.35  # and of their n-grams, where there is no sentence model
WIDTH: Final = 4096


def clustered(texts: Sequence[str], weights: Sequence[int]) -> list[list[int]]:
    """Places of `texts`; the first of each group is its middle. `weights` say how often each was said."""
    import numpy as np

    if not texts:
        return []
    rows, near = _rows(texts)
    alike = (rows @ rows.T) >= near
    np.fill_diagonal(alike, True)
    left = np.ones(len(texts), bool)
    often = np.asarray(weights, np.int64)
    groups: list[list[int]] = []
    while left.any():
        around = (alike & left) @ often
        middle = int(np.where(left, around, -1).argmax())
        members = np.flatnonzero(alike[middle] & left)
        closeness = rows[members] @ rows[middle]
        groups.append([int(place) for place in members[np.argsort(-closeness, kind="stable")]])
        left[members] = False
    return sorted(groups, key=lambda group: -sum(weights[place] for place in group))


def _rows(texts: Sequence[str]) -> tuple["NDArray[float32]", float]:
    try:
        return minilm.encode(texts), NEAR
    except (minilm.Unavailable, minilm.Busy):
        counts: Any = ngrams.sketch(texts, WIDTH)
        return ngrams.weighted(counts, ngrams.rarity(counts)), NEAR_WORDS
