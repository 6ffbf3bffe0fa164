"""How the report of an intent model looks: the heat map of who was taken for whom, and the examples behind each cell."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final

from conversations.nlu.evaluation import NONE
from conversations.nlu.model import OUT_OF_SCOPE
from mcp_platform.ml.models import ModelVersion

MOST_SHOWN: Final = 30  # intents of a heat map that a person can still read


def report(row: ModelVersion) -> dict[str, Any]:
    """What templates/conversations/intent_model.html needs."""
    metrics = row.metrics
    pairs = {(wanted, told): count for wanted, told, count in metrics.get("confusion") or []}
    names = _troubled(pairs)
    columns = [*names, NONE]
    rows = [name for name in [*names, OUT_OF_SCOPE] if any(wanted == name for wanted, _ in pairs)]
    misjudged = _misjudged(metrics)
    return {
        "intents": sorted(metrics.get("intents") or [], key=lambda one: (one["f1"], one["intent"])),
        "columns": columns,
        "heat": [{"intent": name, "cells": _cells(name, columns, pairs, misjudged)} for name in rows],
        "left_out": len({wanted for wanted, _ in pairs if wanted != OUT_OF_SCOPE}) - len(names),
        "misjudged": list(misjudged.values()),
        "calibration": [_bar(one) for one in metrics.get("calibration") or []],
        "facts": [(title, metrics.get(key)) for key, title in FACTS if isinstance(metrics.get(key), int | float)],
    }


FACTS: Final = (
    ("accuracy", "Best intent right"),
    ("accepted_accuracy", "Right and confident enough"),
    ("macro_f1", "Mean F1 of the intents"),
    ("out_of_scope_recall", "Out of scope turned away"),
)


def _troubled(pairs: Mapping[tuple[str, str], int]) -> list[str]:
    """All intents, or those with the most mistakes; in alphabetical order."""
    names = {wanted for wanted, _ in pairs if wanted != OUT_OF_SCOPE}
    if len(names) <= MOST_SHOWN:
        return sorted(names)
    wrong: Counter[str] = Counter()
    for (wanted, told), count in pairs.items():
        if wanted != told and wanted in names:
            wrong[wanted] += count
            wrong[told] += count if told in names else 0
    ranked = sorted(names, key=lambda name: (-wrong[name], name))
    return sorted(ranked[:MOST_SHOWN])


def _cells(wanted: str, columns: list[str], pairs: Mapping[tuple[str, str], int], misjudged: Mapping[tuple[str, str], Any]) -> list[dict[str, Any]]:
    whole = sum(count for (name, _), count in pairs.items() if name == wanted)
    found = []
    for told in columns:
        count = pairs.get((wanted, told), 0)
        right = told == wanted or (wanted == OUT_OF_SCOPE and told == NONE)
        group = misjudged.get((wanted, told))
        found.append(
            {
                "told": told,
                "count": count,
                "percent": round(100 * count / whole) if whole else 0,
                "heat": max(12, round(100 * count / whole)) if count else 0,
                "right": right,
                "anchor": group["anchor"] if group else "",
            }
        )
    return found


def _misjudged(metrics: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    groups: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for one in metrics.get("misjudged") or []:
        groups[one["intent"], one["told"]].append(one)
    ranked = sorted(groups.items(), key=lambda pair: -len(pair[1]))
    return {key: {"anchor": f"m{number}", "intent": key[0], "told": key[1], "examples": examples} for number, (key, examples) in enumerate(ranked)}


def _bar(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "range": f"{one['low']:.1f} to {one['low'] + 0.1:.1f}",
        "count": one["count"],
        "confidence": round(100 * one["confidence"]),
        "right": round(100 * one["right"]),
    }
