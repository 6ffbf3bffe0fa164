"""What an intent model must fulfil before it answers users. Pure: from the reports of two cross-validations to verdicts."""

from typing import Any, Final

from mcp_platform.ml.core.gates import Gate, Metrics, at_least, not_worse

FEWEST_EXAMPLES: Final = 3  # of each intent
LEAST_ACCEPTED: Final = 0.6  # share of examples that were told right, above the bar
MARGIN: Final = 0.02
MARGIN_COUNT: Final = 1.5  # examples: one more or less told right is no difference


def judge(candidate: Metrics, champion: Metrics | None) -> list[Gate]:
    intents = candidate.get("intents") or []
    return [
        _enough(intents),
        _heard(intents),
        at_least("accuracy", candidate.get("accepted_accuracy", 0.0), LEAST_ACCEPTED, what="Share of examples understood in cross-validation"),
        _no_worse(intents, champion),
    ]


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
