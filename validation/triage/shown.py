"""How the report of a triage model looks on its page, beside other models, and over the days."""

from typing import Any, Final

from mcp_platform.ml.core.comparison import Measure, Style
from mcp_platform.ml.core.drift import Drift, Point, Shift, by_chance, reading
from mcp_platform.ml.models import ModelVersion
from validation.core import ranking
from validation.core.risk import MEANINGS
from validation.models import TriageReading

DAYS: Final = 60
MEASURES: Final = (
    Measure(path="model.average_precision", title="Average precision", style=Style.NUMBER),
    Measure(path="model.roc_auc", title="ROC AUC", style=Style.NUMBER),
    *(Measure(path=f"model.precision_at.{depth}", title=f"Right in the first {depth}") for depth in ranking.DEPTHS),
    Measure(path="accuracy", title="Right at one half"),
    Measure(path="held_out", title="Findings that it was measured on", better=0, style=Style.COUNT),
    Measure(path="train", title="Findings that it learnt from", better=0, style=Style.COUNT),
)


def drift(row: ModelVersion) -> Drift:
    """From the daily readings of the triage: of each feature the index against what the model has learnt from."""
    rows = TriageReading.objects.for_tenant(row.tenant_id).filter(model_version=row.pk).exclude(drift={}).order_by("-day")[:DAYS]
    days = list(rows)[::-1]
    points = tuple(Point(day=one.day, count=one.findings, indices=one.drift) for one in days)
    return Drift(points=points, shifts=_shifts(row, days[-1]) if days else ())


def _shifts(row: ModelVersion, newest: TriageReading) -> tuple[Shift, ...]:
    chance = by_chance(ranking.BINS + 1, row.metrics.get("train") or 0, newest.findings)
    found = [
        Shift(name=name, title=_meaning(name), index=index, chance=chance, reading=reading(index, chance), bins=())
        for name, index in newest.drift.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.index))


def _meaning(feature: str) -> str:
    return MEANINGS.get(feature, feature.replace("_", " "))


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
        "importance": [{**one, "meaning": _meaning(one["feature"])} for one in metrics.get("importance") or []],
    }


def _line(name: str, found: dict[str, Any], gain: dict[str, float] | None) -> dict[str, Any]:
    return {
        "name": name,
        "average_precision": found.get("average_precision"),
        "roc_auc": found.get("roc_auc"),
        "precision_at": [value for _, value in sorted((found.get("precision_at") or {}).items(), key=lambda pair: int(pair[0]))],
        "gain": gain,
    }
