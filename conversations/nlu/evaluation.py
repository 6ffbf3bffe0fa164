"""How good a model is, and where its bar lies: numbers over examples that it had not seen."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from conversations.core.words import folded
from conversations.nlu.model import BAR, OUT_OF_SCOPE, IntentModel
from mcp_platform.ml.core.gates import calibration_error

if TYPE_CHECKING:
    from numpy import float32, int64
    from numpy.typing import NDArray

    Floats = NDArray[float32]
    Ints = NDArray[int64]

NONE: Final = "(none)"  # what a message is told to be whose best intent stays below the bar
MISJUDGED_KEPT: Final = 500
HELD_OUT_KEPT: Final = 2_000
BINS: Final = 10
SLOPES: Final = (0.3, 1.5)  # a steeper one would call everything certain where cross-validation saw no mistake
FEWEST_STRANGERS: Final = 20  # out-of-scope examples, to say where they lie
STRANGERS_BELOW: Final = 0.95  # the share of them that counts as nearly all


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentScore:
    """Shares 0..1. `precision` is 0 where nothing was told to be this intent."""

    intent: str
    examples: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Misjudged:
    text: str
    intent: str
    told: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Of the messages with a confidence in [low, low + 0.1), how many, how confident on average, and how often right."""

    low: float
    count: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`accuracy`: the best intent was right; `accepted_accuracy`: and above the bar. `confusion` are (intent, told, count), told may be NONE.
    `confidences`: of the author's examples, how many lie in each tenth; `calibration` counts out-of-scope ones, too. `held_out` are
    (digest of the words, intent, told), so that two models can be compared on the examples that both were measured with."""

    examples: int
    accuracy: float
    accepted_accuracy: float
    macro_f1: float
    out_of_scope_recall: float
    intents: tuple[IntentScore, ...]
    confusion: tuple[tuple[str, str, int], ...]
    misjudged: tuple[Misjudged, ...]
    calibration: tuple[Bin, ...]
    confidences: tuple[int, ...] = ()
    held_out: tuple[tuple[str, str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        found = {**asdict(self), "confusion": [list(one) for one in self.confusion], "held_out": [list(one) for one in self.held_out]}
        return {**found, "calibration_error": calibration_error(found["calibration"])}


def calibrate(certain: "Floats", numbers: "Ints", labels: Sequence[str], *, lost_share: float, lost_count: float) -> tuple[float, float]:
    """The bar: of the held-out examples whose best intent was right, at most this share (and count) lies below it; where a gap lies between
    them and nearly all out-of-scope examples, the bar is in its middle, because users vary their words more than authors do. The slope: a
    logistic curve through the bar that tells best which answers were right."""
    import numpy as np

    best, told = best_intents(certain, labels)
    inside = numbers != _place(labels)
    right = inside & (told == numbers)
    if not right.any():
        return 0.0, 1.0
    passed = best[right]
    share = min(0.25, lost_share + lost_count / len(passed))
    bar = float(np.quantile(passed, share))
    if (~inside).sum() >= FEWEST_STRANGERS:
        bar = min(bar, (bar + float(np.quantile(best[~inside], STRANGERS_BELOW))) / 2)
    return bar, _slope(best - bar, right)


def _slope(above: Any, right: Any) -> float:
    """One parameter, by bisection over a grid: the log loss of sigmoid(logit(BAR) + slope x)."""
    import numpy as np

    start = np.log(BAR / (1 - BAR))

    def loss(slope: float) -> float:
        told = np.clip(1 / (1 + np.exp(-np.clip(start + slope * above, -50, 50))), 1e-6, 1 - 1e-6)
        return float(-np.where(right, np.log(told), np.log(1 - told)).mean())

    return float(min(np.geomspace(*SLOPES, 40), key=loss))


def _place(labels: Sequence[str]) -> int:
    return list(labels).index(OUT_OF_SCOPE) if OUT_OF_SCOPE in labels else -1


def best_intents(certain: "Floats", labels: Sequence[str]) -> tuple[Any, Any]:
    """The best intent's certainty and number; out-of-scope is no intent."""
    import numpy as np

    nothing = _place(labels)
    among = certain.copy()
    if nothing >= 0:
        among[:, nothing] = -np.inf
    told = among.argmax(axis=1)
    return among[np.arange(len(among)), told], told


def report(certain: "Floats", numbers: "Ints", texts: Sequence[str], model: IntentModel, *, own: int) -> Report:
    """`own`: how many of the examples are the author's; only those are counted for the intents, out-of-scope ones all."""
    labels = model.labels
    best, told = best_intents(certain, labels)
    nothing = _place(labels)
    confidences = [model.confidence(float(value)) for value in best]
    pairs: Counter[tuple[str, str]] = Counter()
    misjudged: list[Misjudged] = []
    held_out: list[tuple[str, str, str]] = []
    right = accepted_right = strangers = turned_away = 0
    for place, number in enumerate(numbers):
        answer = labels[told[place]] if confidences[place] >= BAR else NONE
        if number == nothing:
            strangers += 1
            turned_away += answer == NONE
            if place >= own:
                continue
        wanted = labels[number]
        pairs[wanted, answer] += 1
        held_out.append((_digest(texts[place]), wanted, answer))
        right += bool(told[place] == number)
        accepted_right += answer == wanted
        if answer != wanted and not (number == nothing and answer == NONE):
            misjudged.append(Misjudged(text=texts[place], intent=wanted, told=answer, confidence=round(confidences[place], 4)))
    inside = sum(count for (wanted, _), count in pairs.items() if wanted != OUT_OF_SCOPE)
    scores = _by_intent(pairs, model.intents)
    return Report(
        examples=own,
        accuracy=_share(right, inside),
        accepted_accuracy=_share(accepted_right, inside),
        macro_f1=_share(sum(score.f1 for score in scores), len(scores)),
        out_of_scope_recall=_share(turned_away, strangers),
        intents=scores,
        confusion=tuple(sorted((wanted, answer, count) for (wanted, answer), count in pairs.items())),
        misjudged=tuple(sorted(misjudged, key=lambda one: -one.confidence)[:MISJUDGED_KEPT]),
        calibration=_bins(confidences, [bool(told[place] == number) for place, number in enumerate(numbers)]),
        confidences=tenths(confidences[:own]),
        held_out=tuple(sorted(held_out)[:HELD_OUT_KEPT]),
    )


def _digest(text: str) -> str:
    """Short, and the same for every model: of two large sets the smallest digests are the same examples."""
    return hashlib.sha256(folded(text).encode("utf-8", "replace")).hexdigest()[:12]


def tenths(confidences: Sequence[float]) -> tuple[int, ...]:
    counts = Counter(min(BINS - 1, int(one * BINS)) for one in confidences)
    return tuple(counts[place] for place in range(BINS))


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _by_intent(pairs: Mapping[tuple[str, str], int], intents: Sequence[str]) -> tuple[IntentScore, ...]:
    wanted: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for (intent, answer), count in pairs.items():
        wanted[intent] += count
        told[answer] += count
    found = []
    for intent in intents:
        hit = pairs.get((intent, intent), 0)
        precision, recall = _share(hit, told[intent]), _share(hit, wanted[intent])
        f1 = round(2 * precision * recall / (precision + recall), 4) if precision + recall else 0.0
        found.append(IntentScore(intent=intent, examples=wanted[intent], precision=precision, recall=recall, f1=f1))
    return tuple(found)


def _bins(confidences: Sequence[float], right: Sequence[bool]) -> tuple[Bin, ...]:
    inside: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, hit in zip(confidences, right, strict=True):
        inside[min(BINS - 1, int(confidence * BINS))].append((confidence, hit))
    return tuple(
        Bin(
            low=place / BINS,
            count=len(found),
            confidence=_share(sum(confidence for confidence, _ in found), len(found)),
            right=_share(sum(hit for _, hit in found), len(found)),
        )
        for place, found in sorted(inside.items())
    )
