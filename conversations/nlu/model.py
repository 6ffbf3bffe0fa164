"""A trained intent model: what turns the words of a message into intents with a confidence. A frozen value, stored as plain arrays.

The certainty of an intent is  log p(intent) - 1/2 log p(out of scope):  how much better the intent explains the words than nothing in
particular does. The best intent's confidence is that certainty on a scale where 0.70 - the default threshold of an intent state - is the bar
that cross-validation has set, and the slope is the one under which held-out confidences told best how often they were right. Other intents
get the part of it that their probability has of the best one's.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

from conversations.core.words import folded
from conversations.nlu import minilm, ngrams, regression

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Floats = NDArray[float32]

OUT_OF_SCOPE: Final = "out_of_scope"
OUT_OF_SCOPE_NAMES: Final = frozenset({OUT_OF_SCOPE, "oos"})  # what an author may call the intent that is none
BAR: Final = 0.70  # the confidence at the calibrated bar
OFFERED: Final = 5  # intents of an answer
LEAST: Final = 0.05  # confidence of an intent that is told at all
FORMAT: Final = 1
SKETCHED: Final = ""  # the encoder of a model that was trained without sentence embeddings


class Unusable(Exception):
    """The stored arrays are no model that this process can run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """How words become a row of numbers: the sentence's embedding (`encoder` = minilm.NAME) beside its weighted n-grams times `gain`."""

    encoder: str
    gain: float
    rarity: "Floats"

    def rows(self, texts: Sequence[str]) -> "Floats":
        """Raises minilm.Unavailable, minilm.Busy."""
        import numpy as np

        grams = ngrams.weighted(ngrams.sketch(texts, len(self.rarity)), self.rarity)
        if self.encoder == SKETCHED:
            return grams
        found: Floats = np.hstack([minilm.encode(texts), np.float32(self.gain) * grams])
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentModel:
    """`labels` are the classes of the columns; `bar` and `slope` are of certainties (natural logarithms)."""

    labels: tuple[str, ...]
    features: Features
    matrix: "Floats"
    bar: float
    slope: float

    @property
    def intents(self) -> tuple[str, ...]:
        return tuple(label for label in self.labels if label != OUT_OF_SCOPE)

    def ready(self, text: str) -> bool:
        """Whether answering needs no run of the sentence model."""
        return self.features.encoder == SKETCHED or minilm.known(text)

    def classify(self, text: str) -> tuple[tuple[str, float], ...]:
        """Intents with their confidence, best first; none for a text without words. Raises minilm.Unavailable, minilm.Busy."""
        return self.classify_all([text])[0]

    def classify_all(self, texts: Sequence[str]) -> list[tuple[tuple[str, float], ...]]:
        certain = self.certainties(self.features.rows(texts))
        return [self._told(row) if folded(text) else () for text, row in zip(texts, certain, strict=True)]

    def certainties(self, rows: "Floats") -> "Floats":
        """[rows, labels]; the column of out-of-scope holds the log of its probability."""
        return certainties(regression.scores(self.matrix, rows), self.labels)

    def confidence(self, certainty: float) -> float:
        return _sigmoid(log(BAR / (1 - BAR)) + self.slope * (certainty - self.bar))

    def _told(self, row: Any) -> tuple[tuple[str, float], ...]:
        """The best intent with its confidence; the others with the part of it that their probability has of the best one's."""
        order = [place for place in row.argsort()[::-1][: OFFERED + 1] if self.labels[place] != OUT_OF_SCOPE]
        highest = float(row[order[0]])
        confident = self.confidence(highest)
        found = [(self.labels[place], confident * exp(float(row[place]) - highest)) for place in order]
        if OUT_OF_SCOPE in self.labels:
            found.append((OUT_OF_SCOPE, exp(float(row[self.labels.index(OUT_OF_SCOPE)]))))
        told = sorted(((name, round(value, 4)) for name, value in found if value >= LEAST), key=lambda pair: -pair[1])
        return tuple(told[:OFFERED])


def certainties(logits: "Floats", labels: Sequence[str]) -> "Floats":
    import numpy as np

    told = np.log(np.maximum(regression.probabilities(logits, 1.0), 1e-12)).astype(np.float32)
    if OUT_OF_SCOPE not in labels:
        return told
    nothing = labels.index(OUT_OF_SCOPE) if isinstance(labels, tuple) else list(labels).index(OUT_OF_SCOPE)
    found: Floats = told - np.float32(0.5) * told[:, [nothing]]
    found[:, nothing] = told[:, nothing]
    return found


def _sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value)) if value > -500 else 0.0


def to_bytes(model: IntentModel) -> bytes:
    """An .npz of plain arrays; equal models give equal bytes."""
    import numpy as np

    made = io.BytesIO()
    np.savez(
        made,
        format=np.array(FORMAT),
        labels=np.array(model.labels, dtype=np.str_),
        encoder=np.array(model.features.encoder, dtype=np.str_),
        gain=np.array(model.features.gain),
        rarity=model.features.rarity,
        matrix=model.matrix,
        bar=np.array(model.bar),
        slope=np.array(model.slope),
    )
    return made.getvalue()


def from_bytes(content: bytes) -> IntentModel:
    """Raises Unusable. Nothing of the content is ever executed."""
    import numpy as np

    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return _checked({name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as fault:
        raise Unusable(f"{type(fault).__name__}: {fault}") from fault


def _checked(arrays: Mapping[str, Any]) -> IntentModel:
    labels = tuple(str(label) for label in arrays["labels"])
    rarity, matrix = arrays["rarity"], arrays["matrix"]
    encoder = str(arrays["encoder"])
    width = len(rarity) + (minilm.WIDTH if encoder != SKETCHED else 0)
    if int(arrays["format"]) != FORMAT or matrix.shape != (width + 1, len(labels)):
        raise Unusable("the arrays do not fit each other")
    if encoder not in (SKETCHED, minilm.NAME):
        raise Unusable(f"it was trained with another sentence model ({encoder})")
    features = Features(encoder=encoder, gain=float(arrays["gain"]), rarity=rarity)
    return IntentModel(labels=labels, features=features, matrix=matrix, bar=float(arrays["bar"]), slope=float(arrays["slope"]))
