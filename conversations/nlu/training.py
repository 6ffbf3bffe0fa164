"""From examples to an intent model with an honest report: every number in it was measured on examples that the model had not seen.

1. Examples are made comparable: texts without words and repetitions go, an intent needs two different ones.
2. Out-of-scope examples are the author's own, else sentences of everyday life that come with the platform and are far from the examples.
3. The penalty and the weight of the n-grams are chosen by cross-validation (log loss), on a bounded part of large data.
4. Cross-validation with the chosen ones gives the report, the bar and the slope of the confidences. Then the model is fitted to everything.
Nothing depends on chance: folds follow from the texts themselves.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from conversations.core.words import folded
from conversations.nlu import background, evaluation, minilm, ngrams, regression
from conversations.nlu.model import OUT_OF_SCOPE, OUT_OF_SCOPE_NAMES, SKETCHED, Features, IntentModel, certainties

if TYPE_CHECKING:
    from numpy import float32, float64, int64
    from numpy.typing import NDArray

    Floats = NDArray[float32]
    Ints = NDArray[int64]
    Weights = NDArray[float64]

Told = Callable[[int, int, str], None]  # done, total, phase

BESIDE: Final = 1024  # columns of n-grams beside the sentence's embedding
ALONE: Final = 4096  # and without one
GAINS: Final = (0.5, 1.0)
PENALTIES: Final = (1e-4, 3e-5, 1e-5, 3e-6)  # against the mean loss
FIRST_PENALTY: Final = 3e-5
SEARCHED: Final = 3_000  # examples that the search looks at, at most
LOST_SHARE, LOST_COUNT = 0.005, 2.0  # of the examples that were told right, how many the bar may turn away
MOST_NAMED: Final = 50  # texts of several intents that the card lists
STRANGE: Final = 0.55  # cosine: a sentence of everyday life this close to an example is no out-of-scope example


class TooLittle(Exception):
    """There are not two intents with two different examples each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    model: IntentModel
    report: evaluation.Report
    data_sha256: str
    choices: Mapping[str, Any] = field(default_factory=dict)  # for the model card


def digest(examples: Iterable[tuple[str, str]]) -> str:
    """Equal for equal sets of examples, in whatever order."""
    content = json.dumps(sorted({(text, name) for text, name in examples}), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()


def learn(examples: Sequence[tuple[str, str]], *, told: Told = lambda done, total, phase: None, encoder: str | None = None) -> Learned:
    """`examples` are (text, intent). `encoder`: None takes the sentence model when it is there. Raises TooLittle."""
    import numpy  # noqa: F401  # loaded first: only libraries that are there can be limited
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    # One thread: a training must not take every core from the turns, and the sums come out in the same order each time.
    with threadpool_limits(limits=1, user_api="blas"):
        return _learn(examples, told, encoder)


def _learn(examples: Sequence[tuple[str, str]], told: Told, encoder: str | None) -> Learned:
    chosen = encoder if encoder is not None else (minilm.NAME if minilm.available() else SKETCHED)
    texts, names, dropped = _comparable(examples)
    data = _prepared(texts, names, chosen, told)
    gain, penalty, tried = _search(data, told)
    rows = data.rows(gain)
    folds = _folds(data, 5 if len(data.texts) <= 3_000 else 3)
    logits = _held_out(rows, data, folds, penalty, lambda fold: told(fold, len(folds_of(folds)), "cross-validating"))
    own = len(texts)
    right = certainties(logits, data.labels)
    bar, slope = evaluation.calibrate(right, data.numbers, data.labels, lost_share=LOST_SHARE, lost_count=LOST_COUNT)
    told(0, 1, "fitting")
    matrix = regression.fit(rows, data.numbers, len(data.labels), penalty=penalty, importance=data.importance)
    model = IntentModel(
        labels=data.labels,
        features=Features(encoder=chosen, gain=gain, rarity=data.rarity),
        matrix=matrix,
        bar=bar,
        slope=slope,
    )
    report = evaluation.report(right, data.numbers, data.texts, model, own=own)
    conflicting = _conflicting(texts, names)
    choices = {
        "encoder": chosen or "n-grams",
        "gain": gain,
        "penalty": penalty,
        "tried": tried,
        "dropped": dropped,
        "background": len(data.texts) - own,
        "examples": own,
        "conflicting": conflicting[:MOST_NAMED],
        "conflicts": len(conflicting),
        "strangers": int((data.numbers == data.labels.index(OUT_OF_SCOPE)).sum()) if OUT_OF_SCOPE in data.labels else 0,
    }
    return Learned(model=model, report=report, data_sha256=digest(examples), choices=choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The author's examples first, then the sentences of everyday life. `importance` sums to 1: an intent with few examples is not drowned
    by one with many, nor does one example weigh as much as a hundred."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    numbers: "Ints"
    importance: "Weights"
    meaning: "Floats | None"
    grams: "Floats"  # weighted
    rarity: "Floats"

    def rows(self, gain: float) -> "Floats":
        import numpy as np

        if self.meaning is None:
            return self.grams
        found: Floats = np.hstack([self.meaning, np.float32(gain) * self.grams])
        return found


def _comparable(examples: Sequence[tuple[str, str]]) -> tuple[list[str], list[str], int]:
    """Every (words, intent) once, of intents with two different examples at least."""
    seen: dict[tuple[str, str], str] = {}
    for text, name in examples:
        words = folded(text)
        if words:
            seen.setdefault((words, OUT_OF_SCOPE if name in OUT_OF_SCOPE_NAMES else name), text)
    count = Counter(name for _, name in seen)
    kept = [(text, name) for (_, name), text in seen.items() if count[name] >= 2]
    if len({name for _, name in kept if name != OUT_OF_SCOPE}) < 2:
        raise TooLittle
    return [text for text, _ in kept], [name for _, name in kept], len(examples) - len(kept)


def _conflicting(texts: Sequence[str], names: Sequence[str]) -> list[str]:
    """Texts that are examples of several intents."""
    found: dict[str, set[str]] = defaultdict(set)
    for text, name in zip(texts, names, strict=True):
        found[folded(text)].add(name)
    return sorted(words for words, owners in found.items() if len(owners) > 1)


def _prepared(texts: list[str], names: list[str], encoder: str, told: Told) -> Data:
    import numpy as np

    strangers = [] if OUT_OF_SCOPE in names else list(background.SENTENCES)
    everything = [*texts, *strangers]
    meaning = None
    if encoder != SKETCHED:
        meaning = minilm.encode(everything, told=lambda done: told(done, len(everything), "reading the examples"))
        if strangers:
            near = (meaning[len(texts) :] @ meaning[: len(texts)].T).max(axis=1) > STRANGE
            keep = np.concatenate([np.ones(len(texts), bool), ~near])
            meaning, everything = meaning[keep], [text for text, kept in zip(everything, keep, strict=True) if kept]
    all_names = [*names, *[OUT_OF_SCOPE] * (len(everything) - len(texts))]
    labels = tuple(sorted(set(all_names)))
    places = {name: place for place, name in enumerate(labels)}
    numbers = np.array([places[name] for name in all_names], np.int64)
    counts = np.bincount(numbers, minlength=len(labels)).astype(np.float64)
    importance = 1 / np.sqrt(counts[numbers])
    sketched = ngrams.sketch(everything, BESIDE if meaning is not None else ALONE)
    rarity = ngrams.rarity(sketched)
    return Data(
        texts=tuple(everything),
        labels=labels,
        numbers=numbers,
        importance=importance / importance.sum(),
        meaning=meaning,
        grams=ngrams.weighted(sketched, rarity),
        rarity=rarity,
    )


def _folds(data: Data, most: int) -> "Ints":
    """The fold of every example; each intent is spread evenly over the folds, in the order of its texts' digests."""
    import numpy as np

    order = sorted(range(len(data.texts)), key=lambda place: hashlib.sha256(folded(data.texts[place]).encode("utf-8", "replace")).digest())
    found = np.zeros(len(data.texts), np.int64)
    seen: Counter[int] = Counter()
    for place in order:
        label = int(data.numbers[place])
        found[place] = (seen[label] + label) % most  # intents with few examples do not all lack the same fold
        seen[label] += 1
    return found


def folds_of(folds: "Ints") -> list[int]:
    return sorted({int(fold) for fold in folds})


def _held_out(rows: "Floats", data: Data, folds: "Ints", penalty: float, told: Callable[[int], None]) -> "Floats":
    """The scores of every example from a model that has not seen it, [examples, labels]."""
    import numpy as np

    found = np.zeros((len(rows), len(data.labels)), np.float32)
    for number, fold in enumerate(folds_of(folds)):
        told(number)
        inside = folds != fold
        share = data.importance[inside]
        matrix = regression.fit(rows[inside], data.numbers[inside], len(data.labels), penalty=penalty, importance=share / share.sum())
        found[~inside] = regression.scores(matrix, rows[~inside])
    return found


def _search(data: Data, told: Told) -> tuple[float, float, list[dict[str, float]]]:
    """The gain, the penalty, and what was tried: first the gain, then the penalty with it."""
    part = _part(data)
    folds = _folds(part, 3)
    gains = GAINS if data.meaning is not None else (1.0,)
    plan = [(gain, FIRST_PENALTY) for gain in gains]
    tried: list[dict[str, float]] = []

    def attempt(gain: float, penalty: float, number: int) -> None:
        told(number, len(gains) + len(PENALTIES) - 1, "choosing the settings")
        logits = _held_out(part.rows(gain), part, folds, penalty, lambda fold: None)
        temperature = regression.best_temperature(logits, part.numbers, part.importance)
        loss = regression.log_loss(regression.probabilities(logits, temperature), part.numbers, part.importance)
        right = float((logits.argmax(axis=1) == part.numbers).mean())
        tried.append({"gain": gain, "penalty": penalty, "log_loss": round(loss, 4), "accuracy": round(right, 4)})

    for number, (gain, penalty) in enumerate(plan):
        attempt(gain, penalty, number)
    best = min(tried, key=lambda one: one["log_loss"])["gain"]
    for number, penalty in enumerate(one for one in PENALTIES if one != FIRST_PENALTY):
        attempt(best, penalty, len(plan) + number)
    chosen = min(tried, key=lambda one: one["log_loss"])
    return chosen["gain"], chosen["penalty"], tried


def _part(data: Data) -> Data:
    """All of it, or as many examples of every intent as fit."""
    import numpy as np

    if len(data.texts) <= SEARCHED:
        return data
    order = sorted(range(len(data.texts)), key=lambda place: hashlib.sha256(data.texts[place].encode("utf-8", "replace")).digest())
    each = max(4, SEARCHED // len(data.labels))
    taken: Counter[int] = Counter()
    kept = []
    for place in order:
        label = int(data.numbers[place])
        if taken[label] < each:
            taken[label] += 1
            kept.append(place)
    chosen = np.array(sorted(kept))
    share = data.importance[chosen]
    return Data(
        texts=tuple(data.texts[place] for place in chosen),
        labels=data.labels,
        numbers=data.numbers[chosen],
        importance=share / share.sum(),
        meaning=None if data.meaning is None else data.meaning[chosen],
        grams=data.grams[chosen],
        rarity=data.rarity,
    )
