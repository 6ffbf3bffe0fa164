"""How the report of a triage model looks on its page."""

from typing import Any

from mcp_platform.ml.models import ModelVersion
from validation.core.risk import MEANINGS


def report(row: ModelVersion) -> dict[str, Any]:
    """What templates/validation/triage_model.html needs."""
    metrics = row.metrics
    lines = [("This model", metrics.get("model") or {}, None)]
    lines += [(f"Baseline: {name}", found, (metrics.get("gains") or {}).get(name)) for name, found in (metrics.get("baselines") or {}).items()]
    if metrics.get("champion"):
        lines.append(("The champion then", metrics["champion"], (metrics.get("gains") or {}).get("champion")))
    return {
        "lines": [_line(name, found, gain) for name, found, gain in lines],
        "depths": sorted({int(depth) for _, found, _ in lines for depth in found.get("precision_at") or {}}),
        "counts": {name: metrics.get(name) for name in ("dispositions", "train", "train_confirmed", "held_out", "held_out_confirmed", "left_out")},
        "importance": [{**one, "meaning": MEANINGS.get(one["feature"], one["feature"].replace("_", " "))} for one in metrics.get("importance") or []],
    }


def _line(name: str, found: dict[str, Any], gain: dict[str, float] | None) -> dict[str, Any]:
    return {
        "name": name,
        "average_precision": found.get("average_precision"),
        "roc_auc": found.get("roc_auc"),
        "precision_at": [value for _, value in sorted((found.get("precision_at") or {}).items(), key=lambda pair: int(pair[0]))],
        "gain": gain,
    }
