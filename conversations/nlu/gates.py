"""What an intent model must fulfil before it answers users. Pure: from the reports of two cross-validations to verdicts."""

from math import sqrt
from typing import Any, Final

from mcp_platform.ml.core import bootstrap
from mcp_platform.ml.core.gates import Gate, Metrics, at_least, at_most, not_worse

FEWEST_EXAMPLES: Final = 3  # of each intent
LEAST_ACCEPTED: Final = 0.6  # share of examples that were told right, above the bar
MARGIN: Final = 0.02
MARGIN_COUNT: Final = 1.5  # examples: one more or less told right is no difference
FEWEST_ANSWERS: Final = 100  # below that a calibration says nothing
MOST_MISCALIBRATED: Final = 0.15
SLOWEST_MS: Final = 100.0  # of processor time; a turn waits for it
MOST_OVERLAP: Final = 0.02  # share of examples whose words are examples of several intents
FEWEST_SHARED: Final = 20  # examples that two models were both measured with


def judge(candidate: Metrics, champion: Metrics | None) -> list[Gate]:
    intents = candidate.get("intents") or []
    return [
        _enough(intents),
        _heard(intents),
        at_least("accuracy", candidate.get("accepted_accuracy", 0.0), LEAST_ACCEPTED, what="Share of examples understood in cross-validation"),
        _no_worse(intents, champion),
        *(gate for rule in (_macro_f1, _turns_away, _calibrated, _quick, _apart) if (gate := rule(candidate, champion)) is not None),
    ]


def _macro_f1(candidate: Metrics, champion: Metrics | None) -> Gate | None:
    """On the examples that both were measured with; closed only when the whole interval of a paired bootstrap lies below 0."""
    mine = {key: (wanted, told) for key, wanted, told in candidate.get("held_out") or []}
    theirs = {key: (wanted, told) for key, wanted, told in (champion or {}).get("held_out") or []}
    shared = [key for key, (wanted, _) in mine.items() if key in theirs and theirs[key][0] == wanted]
    if len(shared) < FEWEST_SHARED:
        return None
    gain = bootstrap.macro_f1_gain([mine[key][0] for key in shared], [mine[key][1] for key in shared], [theirs[key][1] for key in shared])
    if gain is None:
        return None
    why = f"mean F1 {gain.value:+.3f} against the champion on {gain.examples} examples of both (95 % interval {gain.low:+.3f} to {gain.high:+.3f})"
    return Gate(name="macro_f1", passed=gain.high >= 0, why=f"{why}; must not lie below 0 as a whole")


def _turns_away(candidate: Metrics, champion: Metrics | None) -> Gate | None:
    """Not worse than the champion by more than two standard errors of its share."""
    mine, theirs = candidate.get("out_of_scope_recall"), (champion or {}).get("out_of_scope_recall")
    strangers = candidate.get("strangers") or 0
    if mine is None or theirs is None or not strangers:
        return None
    margin = max(MARGIN, 2 * sqrt(theirs * (1 - theirs) / strangers))
    return not_worse("out_of_scope", mine, theirs, margin=margin, what="Out of scope turned away")


def _calibrated(candidate: Metrics, _champion: Metrics | None) -> Gate | None:
    error, answers = candidate.get("calibration_error"), sum(one["count"] for one in candidate.get("calibration") or [])
    if error is None or answers < FEWEST_ANSWERS:
        return None
    return at_most("calibration", error, MOST_MISCALIBRATED, what="Mean distance of confidence and share of right answers")


def _quick(candidate: Metrics, _champion: Metrics | None) -> Gate | None:
    spent = candidate.get("p95_ms")
    return None if spent is None else at_most("latency", spent, SLOWEST_MS, what="Processor time of an answer in milliseconds, 95th percentile")


def _apart(candidate: Metrics, _champion: Metrics | None) -> Gate | None:
    """Nothing was measured on words that were learnt from: repetitions are left out before the folds are made, so only words that are examples of
    several intents can be in both."""
    conflicting, examples = candidate.get("conflicting"), candidate.get("examples") or 0
    if conflicting is None or not examples:
        return None
    return at_most("overlap", round(conflicting / examples, 4), MOST_OVERLAP, what="Share of words that are examples of several intents")


def _enough(intents: list[Any]) -> Gate:
    few = [one["intent"] for one in intents if one["examples"] < FEWEST_EXAMPLES]
    why = f"fewer than {FEWEST_EXAMPLES} examples: {', '.join(few[:10])}" if few else f"every intent has {FEWEST_EXAMPLES} examples or more"
    return Gate(name="examples", passed=not few, why=why)


def _heard(intents: list[Any]) -> Gate:
    deaf = [one["intent"] for one in intents if one["recall"] == 0]
    why = f"never recognised in cross-validation: {', '.join(deaf[:10])}" if deaf else "every intent is recognised at least sometimes"
    return Gate(name="recall", passed=not deaf, why=why)


def _no_worse(intents: list[Any], champion: Metrics | None) -> Gate:
    """Over the intents that both know: a new intent may cost what it costs, but not what worked."""
    before = {one["intent"]: one["recall"] for one in (champion or {}).get("intents") or []}
    shared = [one for one in intents if one["intent"] in before]
    if not shared:
        return not_worse("champion", _mean([one["recall"] for one in intents]), None, margin=MARGIN, what="Mean recall")
    margin = max(MARGIN, MARGIN_COUNT / max(1, sum(one["examples"] for one in shared)))
    mine, theirs = _mean([one["recall"] for one in shared]), _mean([before[one["intent"]] for one in shared])
    return not_worse("champion", mine, theirs, margin=margin, what=f"Mean recall of the {len(shared)} intents that both know")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
