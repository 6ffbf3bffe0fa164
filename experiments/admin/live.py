"""The live page of an experiment: a part of it is asked for again every few seconds while somebody looks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from experiments import queries, services
from experiments.admin import drawing
from experiments.admin.frame import Framed
from experiments.models import Experiment

Json = dict[str, Any]
NEXT: Mapping[str, str] = {
    "better": "Decide: publish it, or let it run on to know more about the rest.",
    "worse": "Stop it, and keep the base.",
    "harm": "Stop it; a guardrail says that people are worse off.",
    "mismatch": "Stop it and look for what keeps units from their arms; then rebase for a new phase.",
    "undecided": "Wait, or stop if the cost below is no reason to go on.",
    "wait": "Wait until the planned units are there.",
    "optimises": "Nothing: it shifts the weights by itself.",
}
LOOKS: Mapping[str, str] = {"better": "success", "harm": "danger", "mismatch": "danger", "worse": "warning"}


class Live(Framed):
    """Mixed into the page of an experiment."""

    def live_page(self, request: HttpRequest, row: Experiment) -> HttpResponse:
        return self.show(
            request,
            "experiments/live_page.html",
            title=row.name,
            live_url=self.to("live", row.pk),
            is_live=row.state in ("running", "paused"),
            forces=list(row.forces.select_related("variant")) if row.state not in ("decided", "archived") else [],
            press={verb: self.to("press", row.pk, verb) for verb in ("ramp", "step", "count", "force", "unforce")},
            **self.frame(request, row, "live"),
            **numbers(row),
        )

    def live_part(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """What changes while it runs; the page puts it in place of the old one."""
        row = self.row(request, pk)
        press = {verb: self.to("press", row.pk, verb) for verb in ("ramp", "step", "count")}
        context = {**self.frame(request, row, "live"), **numbers(row), "press": press}
        return TemplateResponse(request, "experiments/live.html", context, headers={"Cache-Control": "no-store"})


def numbers(row: Experiment) -> Json:
    """Context of templates/experiments/live.html."""
    found = row.findings or {}
    standing = services.standing(row)
    variants = list(row.variants.all())
    keys = [one.key for one in variants]
    tested = [one.key for one in variants if not one.is_control]
    metrics = found.get("metrics", [])
    code = found.get("verdict", {}).get("code", "")
    primary = next((one for one in metrics if one["role"] == "primary"), None)
    return {
        "findings": found,
        "standing": standing,
        "next": NEXT.get(code, ""),
        "look": LOOKS.get(code, ""),
        "forest": drawing.forest(found) if found else {"is_empty": True},
        "metrics": [_metric(one) for one in metrics],
        "guardrails": [_guardrail(one) for one in metrics if one["role"] == "guardrail"],
        "exposure": drawing.exposure(standing["exposure"], keys, standing["sizing"]["units_per_arm"]),
        "effect": drawing.effect(standing["effect"], tested, primary["shape"] if primary else "share"),
        "arms": _arms(row, found, standing),
        "arm_keys": list(enumerate(keys)),
        "funnel": [_state(one, index) for index, one in enumerate(standing["funnel_lift"]) if _reached(one)],
        "unreached": [one["state"] for one in standing["funnel_lift"] if not _reached(one)],
        "counted": _ago(row, timezone.now()),
        "stopping": _stopping(standing["stopping"], primary, standing["progress"]),
        "cards": _cards(row, found, standing, primary),
        "ramp": [_step(one) for one in standing["ramp"]],
        "to_go": days(standing["progress"]["days_missing"]),
        "silent": row.state == "running" and not found.get("exposed"),
        "last_exposure": queries.last_exposure(row),
        "now": timezone.now(),
    }


def _ago(row: Experiment, now: datetime) -> str:
    if row.counted_at is None:
        return ""
    seconds = max(int((now - row.counted_at).total_seconds()), 0)
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else days(seconds / 86400)


def _reached(state: Json) -> bool:
    return any(arm["reached"] for arm in state["arms"])


def _metric(metric: Json) -> Json:
    arms = []
    for arm in metric["arms"]:
        difference = arm.get("difference") or {}
        lower, upper = difference.get("lower"), difference.get("upper")
        lift = arm.get("lift") or {}
        arms.append(
            {
                **arm,
                "value": drawing.told(metric, arm["value"]),
                "said": drawing.told(metric, difference.get("value"), signed=True) if not arm["control"] else "",
                "within": f"{drawing.told(metric, lower, signed=True)} … {drawing.told(metric, upper, signed=True)}"
                if lower is not None
                else drawing.unsaid(arm),
                "lifted": drawing.percent(lift.get("value"), signed=True) if lift else "–",
                "tone": drawing.tone(metric, arm) if not arm["control"] else "",
                "chance": drawing.percent(arm["bayes"]["chance_to_win"]) if arm.get("bayes") else "",
            }
        )
    return {**metric, "arms": arms}


def _guardrail(metric: Json) -> Json:
    """Of each arm: is it worse for sure, by more than accepted; might it be; or is it known to hold?"""
    up = metric["higher_is_better"]
    arms = []
    for arm in (one for one in metric["arms"] if not one["control"]):
        difference = arm.get("difference") or {}
        worst = difference.get("lower") if up else difference.get("upper")
        holds = worst is not None and (worst > -metric["margin"] if up else worst < metric["margin"])
        state, colour = ("broken", "danger") if arm["harm"] else ("holds", "success") if holds else ("not known yet", "")
        arms.append({"key": arm["key"], "state": state, "colour": colour, "worst": drawing.told(metric, worst, signed=True)})
    return {"label": metric["label"], "margin": drawing.told(metric, metric["margin"]) if metric["margin"] else "", "arms": arms}


def _arms(row: Experiment, found: Json, standing: Json) -> list[Json]:
    """Units of each arm against the plan, and against the part of all that it should have."""
    exposed = found.get("exposed", 0)
    needed = standing["sizing"]["units_per_arm"]
    return [
        {
            **arm,
            "index": index,
            "width": min(100.0, round(100 * arm["exposed"] / needed, 1)) if needed else 0,
            "expected": round(exposed * arm["share"]),
            "got": drawing.percent(arm["exposed"] / exposed) if exposed else "–",
            "planned": drawing.percent(arm["share"]),
        }
        for index, arm in enumerate(found.get("arms", []))
    ]


def _state(one: Json, index: int) -> Json:
    arms = []
    for place, arm in enumerate(one["arms"]):
        difference = arm.get("difference") or {}
        value = difference.get("value")
        arms.append(
            {
                **arm,
                "index": place,
                "width": round(100 * arm["share"], 1) if arm["share"] is not None else 0,
                "share": drawing.percent(arm["share"]),
                "said": "" if value is None else f"{value * 100:+.1f}",
                "p": "" if arm.get("adjusted_p_value") is None else _p(arm["adjusted_p_value"]),
            }
        )
    return {**one, "arms": arms, "index": index}


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _stopping(found: Json | None, primary: Json | None, progress: Json) -> Json | None:
    if found is None or primary is None:
        return None
    per = 1000 if primary["shape"] == "share" else 1
    choices = [
        {
            "arm": one["arm"],
            "loss": f"{one['loss'] * per:,.1f} of 1,000" if per == 1000 else drawing.number(one["loss"]),
        }
        for one in found["choices"]
    ]
    return {
        **found,
        "choices": choices,
        "power": drawing.percent(found["power"], digits=0) if found["power"] is not None else "",
        "planned": drawing.percent(found["power_planned"], digits=0),
        "effect": drawing.told(primary, found["effect_planned"]) if primary["shape"] != "share" else f"{found['effect_planned'] * 100:g} points",
        "smallest": (drawing.number(found["smallest_effect"]) if primary["shape"] != "share" else f"{found['smallest_effect'] * 100:.1f} points")
        if found["smallest_effect"] is not None
        else "",
        "days": days(progress["days_missing"]),
        "better": "fewer" if not primary["higher_is_better"] else "more",
    }


def days(value: float | None) -> str:
    if value is None:
        return ""
    return "less than an hour" if value < 1 / 24 else f"{value * 24:.0f} hours" if value < 2 else f"{value:,.0f} days"


def _cards(row: Experiment, found: Json, standing: Json, primary: Json | None) -> list[Json]:
    progress, ratio = standing["progress"], found.get("sample_ratio", {})
    best = _best(primary)
    return [
        {
            "title": "Exposed",
            "value": f"{found.get('exposed', 0):,}",
            "note": f"{progress['units_a_day']:,.0f} a day" if progress["units_a_day"] else "they met a difference",
        },
        {
            "title": "Of the plan",
            "value": drawing.percent(progress["share"], digits=0),
            "note": f"{days(progress['days_missing'])} to go" if progress["days_missing"] else f"{progress['units_per_arm']:,} units in each arm",
        },
        {
            "title": primary["label"] if primary else "Primary metric",
            "value": drawing.percent(best["lift"]["value"], signed=True) if best and best.get("lift") else "–",
            "note": _within(best) if best else "nothing is counted yet",
            "alarm": bool(best and drawing.tone(primary or {}, best) == "bad"),
        },
        {
            "title": "Shared out as planned?",
            "value": "–" if not found.get("exposed") else "moves" if ratio.get("p_value") is None else "No" if ratio.get("alarm") else "Yes",
            "note": f"p = {ratio['p_value']:.3f}, alarm below {ratio['threshold']:g}" if ratio.get("p_value") is not None else "no test of it",
            "alarm": bool(ratio.get("alarm")),
        },
    ]


def _best(primary: Json | None) -> Json | None:
    """The arm whose difference is the best one."""
    arms = [one for one in (primary or {}).get("arms", ()) if not one["control"] and (one.get("difference") or {}).get("value") is not None]
    up = 1 if (primary or {}).get("higher_is_better", True) else -1
    return max(arms, key=lambda one: one["difference"]["value"] * up, default=None)


def _within(arm: Json) -> str:
    lift = arm.get("lift") or {}
    if lift.get("lower") is None:
        return f"{arm['key']}; too early for an interval"
    return f"{arm['key']}: {drawing.percent(lift['lower'], signed=True)} … {drawing.percent(lift['upper'], signed=True)}"


def _step(one: Json) -> Json:
    waits = []
    if one["min_hours"]:
        waits.append(f"{one['min_hours']:g} hours")
    if one["min_units"]:
        waits.append(f"{one['min_units']:,} units")
    return {**one, "percent": drawing.percent(one["coverage"], digits=0 if one["coverage"] * 100 % 1 == 0 else 1), "waits": " and ".join(waits)}
