"""Signs and a model together: what the author has written down beats what a model believes.

- An example word by word, a pattern or several keywords (0.90 and more) settle it: intents without such a sign come after it.
- A single keyword (0.80) and a near example count as much as they always do; the model may be more certain than they are.
- Where a sign and the model agree, the higher confidence counts. "Out of scope" is told only when no sign was found.
"""

from collections.abc import Iterable
from typing import Final

from conversations.nlu.model import OUT_OF_SCOPE
from conversations.nlu.patterns import PATTERN

Ranked = tuple[tuple[str, float], ...]

STEP: Final = 0.05  # how far below a settling sign the others are kept


def blended(signs: Ranked, learned: Ranked, known: Iterable[str]) -> Ranked:
    """`known` are the intents of the version that runs: a newer model may know others."""
    names = frozenset(known)
    told = {name: score for name, score in learned if name in names and not (signs and name == OUT_OF_SCOPE)}
    if signs and signs[0][1] >= PATTERN:
        settled = {name for name, score in signs if score >= PATTERN}
        ceiling = signs[0][1] - STEP
        told = {name: score if name in settled else min(score, round(ceiling, 4)) for name, score in told.items()}
    for name, score in signs:
        told[name] = max(score, told.get(name, 0.0))
    return tuple(sorted(told.items(), key=lambda pair: -pair[1]))
