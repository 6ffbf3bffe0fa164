"""A trained ranking as plain arrays: regression trees whose leaves add up, and what its training data looked like. Nothing in it is ever executed.

The trees are scikit-learn's; adding their leaves in its order gives its probabilities to the last digit but one (a test compares).
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

from validation.core.risk import FEATURES

if TYPE_CHECKING:
    from numpy import bool_, float64, int32
    from numpy.typing import NDArray

    Floats = NDArray[float64]
    Whole = NDArray[int32]
    Truths = NDArray[bool_]

FORMAT: Final = 1
_NODES: Final = ("feature", "threshold", "left", "right", "missing_left", "leaf", "value")


class Unusable(Exception):
    """The stored arrays are no ranking that this process can run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Nodes of all trees in one row; `roots` are the places of the first ones; children are places, too.

    usual: the mean row of the training data, to explain scores against. edges and shares: bins of every feature there, nan-padded.
    """

    start: float
    roots: "Whole"
    feature: "Whole"
    threshold: "Floats"
    left: "Whole"
    right: "Whole"
    missing_left: "Truths"
    leaf: "Truths"
    value: "Floats"
    usual: "Floats"
    edges: "Floats"
    shares: "Floats"

    def probabilities(self, rows: Any) -> "Floats":
        """Of being confirmed, one a row."""
        import numpy as np

        rows = np.asarray(rows, dtype=np.float64).reshape(-1, len(FEATURES))
        raw = np.full(len(rows), self.start)
        for root in self.roots:
            raw = raw + self.value[self._leaves(rows, int(root))]
        found: Floats = 1.0 / (1.0 + np.exp(-raw))
        return found

    def _leaves(self, rows: "Floats", root: int) -> "Whole":
        import numpy as np

        at = np.full(len(rows), root, dtype=np.int32)
        every = np.arange(len(rows))
        while True:
            inner = ~self.leaf[at]
            if not inner.any():
                return at
            numbers = rows[every, self.feature[at]]
            leftward = np.where(np.isnan(numbers), self.missing_left[at], numbers <= self.threshold[at])
            at = np.where(inner, np.where(leftward, self.left[at], self.right[at]), at).astype(np.int32)


def to_bytes(forest: Forest) -> bytes:
    """An .npz of plain arrays; equal forests give equal bytes."""
    import numpy as np

    made = io.BytesIO()
    arrays = {name: getattr(forest, name) for name in (*_NODES, "roots", "usual", "edges", "shares")}
    np.savez(made, format=np.array(FORMAT), features=np.array(FEATURES, dtype=np.str_), start=np.array(forest.start), **arrays)
    return made.getvalue()


def from_bytes(content: bytes) -> Forest:
    """Raises Unusable."""
    import numpy as np

    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return _checked({name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as fault:
        raise Unusable(f"{type(fault).__name__}: {fault}") from fault


def _checked(arrays: dict[str, Any]) -> Forest:
    if int(arrays["format"]) != FORMAT or tuple(str(name) for name in arrays["features"]) != FEATURES:
        raise Unusable("it was trained on other features")
    nodes = len(arrays["value"])
    if any(len(arrays[name]) != nodes for name in _NODES) or len(arrays["usual"]) != len(FEATURES):
        raise Unusable("the arrays do not fit each other")
    inner = ~arrays["leaf"]
    here = inner.nonzero()[0]
    for side in ("left", "right"):  # children come after their parent, so that no walk is endless
        if (arrays[side][inner] <= here).any() or (arrays[side][inner] >= nodes).any():
            raise Unusable("a tree is not a tree")
    if (arrays["feature"][inner] < 0).any() or (arrays["feature"][inner] >= len(FEATURES)).any():
        raise Unusable("a tree asks for a feature that there is not")
    kept = {name: arrays[name] for name in (*_NODES, "roots", "usual", "edges", "shares")}
    return Forest(start=float(arrays["start"]), **kept)
