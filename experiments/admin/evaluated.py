"""What came of an evaluation, made ready for its page."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from experiments.admin import drawing
from experiments.admin.drawing import percent, told

Json = dict[str, Any]
LOOKS: Final = {"holds": "success", "off": "danger", "too_little": "warning"}
ACTS: Final = {
    "answer": ("answers", "#2563eb"),
    "correct": ("corrects something", "#0d9488"),
    "help": ("asks for help", "#9333ea"),
    "command": ("another command", "#64748b"),
    "silent": ("silent until the timer", "#d97706"),
    "gone": ("leaves", "#dc2626"),
}
PLACES_SHOWN: Final = 25
HOW: Final = {"ended": "ended", "gone": "left", "handoff": "handed to a person", "endless": "never ended", "failed": "failed", "waiting": "stuck"}


def _replay_says(results: Mapping[str, Any]) -> str:
    return "; ".join(f"{arm['key']}: {arm['own']} of {arm['total']} part" for arm in results.get("arms", ()) if not arm["control"])


def _simulation_says(results: Mapping[str, Any]) -> str:
    return str(results.get("calibration", {}).get("sentence", ""))


SAYS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {"replay": _replay_says, "simulation": _simulation_says}


def _replayed(results: Mapping[str, Any]) -> Json:
    return {"results": results, "arms": [_replayed_arm(arm) for arm in results.get("arms", ())]}


def _replayed_arm(arm: Mapping[str, Any]) -> Json:
    total = arm["total"] or 1
    more = arm["own"] - arm["own_words_only"]
    rest = total - arm["same"] - arm["own"]
    parts = [("same", arm["same"], "the same"), ("words", arm["own_words_only"], "words only"), ("differs", more, "part"), ("rest", rest, "not told")]
    most = max((point["count"] for point in arm["points"]), default=1)
    return {
        **arm,
        "more": more,
        "rest": rest,
        "share": [{"kind": kind, "count": count, "label": label, "width": f"{count * 100 / total:.2f}"} for kind, count, label in parts if count > 0],
        "points": [{**point, "width": f"{point['count'] * 100 / most:.1f}"} for point in arm["points"][:12]],
    }


def _simulated(results: Mapping[str, Any]) -> Json:
    calibration = results.get("calibration", {})
    arms = results.get("arms", ())
    return {
        "results": results,
        "calibration": calibration,
        "look": LOOKS.get(calibration.get("verdict", ""), ""),
        "compared": [_compared(row) for row in calibration.get("metrics", ())],
        "states": _states(calibration.get("states", ()), arms),
        "keys": [arm["key"] for arm in arms],
        "reliability": reliability(calibration.get("reliability", {})),
        "table": _table(arms),
        "arms": [_simulated_arm(arm) for arm in arms],
        "places": [_place(row) for row in results.get("people", {}).get("places", ())[:PLACES_SHOWN]],
        "acts": [{"label": label, "hue": hue} for label, hue in ACTS.values()],
        "sizing": results.get("power"),
        "curve": drawing.power_curve(results["power"]) if results.get("power") else None,
    }


def _within(metric: Mapping[str, Any], found: Mapping[str, float]) -> str:
    return " … ".join(told(metric, found[name], signed=True) for name in ("lower", "upper"))


def _compared(row: Mapping[str, Any]) -> Json:
    found = row["difference"]
    sure = bool(found) and (found["lower"] > 0 or found["upper"] < 0)
    within = _within(row, found) if found else "–"
    return {"label": row["label"], "logged": told(row, row["logged"]), "simulated": told(row, row["simulated"]), "within": within, "sure": sure}


def _table(arms: Sequence[Mapping[str, Any]]) -> list[Json]:
    """A row for each metric: its value in each arm, with the difference to the control."""
    if not arms:
        return []
    return [
        {"label": metric["label"], "why_not": metric["why_not"], "cells": [_cell(arm["metrics"][index], arm) for arm in arms]}
        for index, metric in enumerate(arms[0]["metrics"])
    ]


def _cell(metric: Mapping[str, Any], arm: Mapping[str, Any]) -> Json:
    found = metric["difference"]
    if not found:
        return {"value": told(metric, metric["value"]), "difference": "", "within": "", "tone": ""}
    sure = found["lower"] > 0 or found["upper"] < 0
    good = (found["value"] > 0) == metric["higher_is_better"]
    return {
        "value": told(metric, metric["value"]),
        "difference": told(metric, found["value"], signed=True),
        "within": _within(metric, found),
        "tone": ("success" if good else "danger") if sure and not arm["words_only"] else "",
    }


def _states(logged: Sequence[Mapping[str, Any]], arms: Sequence[Mapping[str, Any]]) -> list[Json]:
    """How many come to each state: in the log, by the model held against it, and in each arm; new states have no log."""
    held = {row["state"]: row for row in logged}
    names = [*held, *sorted({state for arm in arms for state in arm["states"]} - held.keys())]
    return [_state(name, held.get(name), arms) for name in names]


def _state(name: str, row: Mapping[str, Any] | None, arms: Sequence[Mapping[str, Any]]) -> Json:
    found: Json = {"state": name, "arms": [percent(arm["states"].get(name, 0.0)) for arm in arms], "logged": "–", "simulated": "–", "inside": True}
    if row is None:
        return found
    bar = {"from": f"{row['lower'] * 100:.1f}", "width": f"{(row['upper'] - row['lower']) * 100:.1f}", "at": f"{row['simulated'] * 100:.1f}"}
    return {**found, **bar, "logged": percent(row["logged"]), "simulated": percent(row["simulated"]), "inside": row["inside"], "bar": True}


def _simulated_arm(arm: Mapping[str, Any]) -> Json:
    how = [f"{count} {HOW.get(name, name)}" for name, count in sorted(arm.get("how", {}).items(), key=lambda pair: -pair[1])]
    return {**arm, "how": ", ".join(how), "made_up": percent(arm.get("made_up", 0.0)), "gone_at": arm.get("gone_at", [])[:6]}


def _place(row: Mapping[str, Any]) -> Json:
    slot = row["slot"]
    asked = "a question of its own" if slot.startswith("?") else f"asks for {slot}" if slot else ""
    return {
        **row,
        "asked": asked,
        "model": _bars(row["model"]),
        "logged": _bars(row["logged"]) if row["logged"] else [],
        "intents": ", ".join(f"{name} {percent(share)}" for name, share in row["intents"].items()),
    }


def _bars(shares: Mapping[str, float]) -> list[Json]:
    return [
        {"label": ACTS[act][0], "hue": ACTS[act][1], "told": percent(share), "width": f"{share * 100:.1f}"}
        for act, share in shares.items()
        if share >= 0.001 and act in ACTS
    ]


SIDE: Final = 300  # of the picture
EDGE: Final = 44


def reliability(found: Mapping[str, Any]) -> Json:
    """How often what the model took for so likely has happened: on the diagonal when it is right. Larger dots are of more decisions."""
    bins = found.get("bins", ())
    most = max((one["n"] for one in bins), default=1)
    dots = [
        {
            "x": round(EDGE + one["predicted"] * SIDE, 1),
            "y": round(EDGE / 2 + (1 - one["observed"]) * SIDE, 1),
            "r": round(4 + 9 * (one["n"] / most) ** 0.5, 1),
            "told": f"{one['n']} times {percent(one['predicted'])} likely: {percent(one['observed'])} of them happened",
        }
        for one in bins
    ]
    ticks = [
        {"x": round(EDGE + part * SIDE, 1), "y": round(EDGE / 2 + (1 - part) * SIDE, 1), "label": f"{part * 100:.0f} %"}
        for part in (0, 0.25, 0.5, 0.75, 1)
    ]
    rows = [{"label": f"{one['from'] * 100:.0f}–{one['to'] * 100:.0f} %", **one} for one in bins]
    listed = [{**row, "predicted": percent(row["predicted"]), "observed": percent(row["observed"])} for row in rows]
    size = {"left": EDGE, "right": EDGE + SIDE, "top": EDGE / 2, "bottom": EDGE / 2 + SIDE}
    return {"dots": dots, "ticks": ticks, "rows": listed, "size": size, "error": percent(found.get("error")), "decisions": found.get("decisions", 0)}


SHOWN: Final[Mapping[str, Callable[[Mapping[str, Any]], Json]]] = {"replay": _replayed, "simulation": _simulated}
