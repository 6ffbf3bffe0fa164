"""An experiment: what was asked, of whom, what the numbers say, and what was decided."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reports.core import series
from reports.core.blocks import Block, Cover, Figure, Heading, Paragraph
from reports.core.document import canonical
from reports.core.kinds import telling
from reports.core.kinds.telling import Kind, Told

Json = Any
BODY: Final = ("plan", "numbers", "counted_at", "days", "funnel", "decisions", "chain", "variants", "metrics")
NO_NUMBERS: Final[Mapping[str, Json]] = {"mode": "", "alpha": None, "arms": [], "exposed": 0, "sample_ratio": None, "metrics": [], "breaches": []}
ESTIMATE_COLUMNS: Final = (
    *("metric", "label", "role", "shape", "arm", "control_units", "units", "control", "value", "difference", "lower", "upper", "method"),
    *("lift_value", "lift_lower", "lift_upper", "p_value", "significant", "better", "harm", "chance_to_win"),
)
COLOURS: Final = {"better": "#2f855a", "harm": "#a4161a", "worse": "#a4161a", "mismatch": "#a4161a"}


def compose(gathered: Mapping[str, Json]) -> dict[str, Json]:
    """gathered: the head and what BODY names; `numbers` is the document of experiments.core.analysis, {} before the first count."""
    numbers = {**NO_NUMBERS, **gathered["numbers"]}
    estimates = list(_estimates(numbers, {one["key"]: one["name"] for one in gathered["metrics"]}))
    verdict = numbers.get("verdict") or {"code": "uncounted", "arm": "", "sentence": ""}
    return {
        **telling.head(gathered),
        **{name: gathered[name] for name in BODY},
        "numbers": numbers,
        "summary": {
            "verdict": verdict,
            "exposed": numbers["exposed"],
            "sample_ratio": numbers["sample_ratio"],
            "breaches": len(numbers["breaches"]),
            "decided": gathered["decisions"][-1] if gathered["decisions"] else None,
        },
        "estimates": estimates,
    }


def _estimates(numbers: Mapping[str, Json], names: Mapping[str, str]) -> Iterator[dict[str, Json]]:
    """One row for each metric and arm that is not the control."""
    for metric in numbers["metrics"]:
        control = next((arm for arm in metric["arms"] if arm["control"]), {"value": None, "units": 0})
        for arm in metric["arms"]:
            if arm["control"]:
                continue
            found, lift = arm.get("difference") or {}, arm.get("lift") or {}
            yield {
                "metric": metric["key"],
                "label": names.get(metric["key"]) or metric["label"],
                "role": metric["role"],
                "shape": metric["shape"],
                "arm": arm["key"],
                "control_units": control["units"],
                "units": arm["units"],
                "control": control["value"],
                "value": arm["value"],
                **{name: found.get(name) for name in ("lower", "upper", "method")},
                "difference": found.get("value"),
                **{f"lift_{name}": lift.get(name) for name in ("value", "lower", "upper")},
                "p_value": arm.get("adjusted_p_value", arm.get("p_value")),
                "significant": arm.get("significant", False),
                "better": _better(found, metric["higher_is_better"]),
                "harm": arm.get("harm", False),
                "chance_to_win": (arm.get("bayes") or {}).get("chance_to_win"),
            }


def _better(found: Mapping[str, Json], up: bool) -> bool | None:
    """None while the interval holds zero."""
    lower, upper = found.get("lower"), found.get("upper")
    if lower is None or upper is None or lower <= 0 <= upper:
        return None
    return (lower > 0) is up


def cover(told: Told) -> Cover:
    found, words = told.document, told.words
    plan, summary = found["plan"], found["summary"]
    verdict = summary["verdict"]
    facts = [
        ("hypothesis", plan["hypothesis"]),
        ("flow", plan["flow"]),
        ("environment", plan["environment"]),
        ("state", plan["state"]),
        ("started", str(plan["started_at"])[:16].replace("T", " ")),
        ("stopped_at", str(plan["stopped_at"])[:16].replace("T", " ")),
        ("exposed", summary["exposed"]),
        ("counted_at", telling.shown_moment(found["counted_at"]) if found["counted_at"] else ""),
        ("decided", _decided(summary["decided"])),
        *telling.identity(told),
    ]
    return Cover(status=verdict_text(verdict, words), colour=COLOURS.get(verdict["code"], "#8a5a00"), facts=told.pairs(facts).rows)


def verdict_text(verdict: Mapping[str, Json], words: Mapping[str, str]) -> str:
    return words.get(f"verdict.{verdict['code']}", verdict["code"]).format(arm=verdict["arm"])


def _decided(one: Mapping[str, Json] | None) -> str:
    return " · ".join(text for text in (one["verdict"], one["variant"], one["by"], str(one["at"])[:10]) if text) if one else ""


def _control(told: Told) -> list[Block]:
    plan = told.document["plan"]
    about = [("experiment", f"{plan['name']} ({plan['key']})"), ("base", plan["base"]), ("sha256", plan["base_sha256"]), ("phase", plan["phase"])]
    counted = told.document["counted_at"]
    moments = [("counted_at", telling.shown_moment(counted) if counted else "")]
    return [told.pairs([*about, *moments, *telling.identity(told)]), *telling.history(told)]


def _summary(told: Told) -> list[Block]:
    found, words = told.document, told.words
    summary, ratio = found["summary"], found["summary"]["sample_ratio"]
    primary = [one for one in found["estimates"] if one["role"] == "primary"]
    blocks: list[Block] = [Paragraph(text=verdict_text(summary["verdict"], words), look="large")]
    if ratio is not None:
        blocks.append(Paragraph(text=words["srm.alarm" if ratio["alarm"] else "srm.clean"].format(p=f"{ratio['p_value']:.4g}"), look="plain"))
    blocks += [
        told.heading("arms"),
        told.listed("arms", [("arm", 2), ("share", 1, "share"), ("exposed", 1, "whole")], _arms(told)),
        told.heading("primary_metrics"),
        *_lifts(told, primary),
    ]
    if found["plan"]["stop_reason"]:
        blocks.append(Paragraph(text=f"{words['stopped']}: {found['plan']['stop_reason']}", look="strong"))
    return blocks


def _arms(told: Told) -> list[tuple[Json, ...]]:
    control = told.words["control_arm"]
    return [(f"{one['key']} ({control})" if one["control"] else one["key"], one["share"], one["exposed"]) for one in told.document["numbers"]["arms"]]


def _lifts(told: Told, rows: list[dict[str, Json]]) -> list[Block]:
    if not rows:
        return [told.note("nothing")]
    drawn = [
        {
            "name": f"{one['label']} · {one['arm']}",
            "value": one["lift_value"],
            "low": one["lift_lower"],
            "high": one["lift_upper"],
            "better": one["better"],
        }
        for one in rows
    ]
    known = [row for row in drawn if None not in (row["value"], row["low"], row["high"])]
    return [*([Figure(drawing=series.intervals(known))] if known else [told.note("lift.unknown")]), _estimates_table(told, rows)]


def _estimates_table(told: Told, rows: list[dict[str, Json]]) -> Block:
    columns = [
        *(("metric", 1.8), ("arm", 0.9), ("units", 0.8, "whole"), ("control_value", 0.9), ("value", 0.9), ("difference", 1.1)),
        *(("interval", 2.0), ("lift", 0.9), ("p_value", 0.8), ("certain", 1.0)),
    ]
    return told.table("estimates", columns, [_row(one, told.words) for one in rows])


def _row(one: Mapping[str, Json], words: Mapping[str, str]) -> tuple[Json, ...]:
    share = one["shape"] == "share"
    interval = "–" if one["lower"] is None else f"{_figure(one['lower'], share, True)} … {_figure(one['upper'], share, True)}"
    certain = words["harm"] if one["harm"] else words["better" if one["better"] else "worse"] if one["better"] is not None else words["open"]
    lift = None if one["lift_value"] is None else f"{100 * one['lift_value']:+.1f} %".replace("-", "−")
    values = (_figure(one["control"], share), _figure(one["value"], share), _figure(one["difference"], share, True))
    p_value = None if one["p_value"] is None else "< 0.0001" if one["p_value"] < 0.0001 else f"{one['p_value']:.4f}"
    return (one["label"], one["arm"], one["units"], *values, interval, lift, p_value, certain)


def _figure(value: float | None, share: bool, signed: bool = False) -> str:
    if value is None:
        return "–"
    sign = "+" if signed else ""
    return (f"{100 * value:{sign}.2f} %" if share else f"{value:{sign},.4g}").replace("-", "−")


def _design(told: Told) -> list[Block]:
    found, words = told.document, told.words
    plan = found["plan"]
    who = [
        *(("unit", plan["unit"]), ("allocation", plan["allocation"]), ("coverage_of_experiment", f"{100 * plan['coverage']:g} %")),
        *(("namespace", plan["namespace"]), ("holdout", plan["holdout"]), ("seed", plan["seed"])),
        ("targeting", canonical(plan["targeting"]) if plan["targeting"] else ""),
    ]
    test = [
        *(("stats_mode", words.get(f"mode.{plan['stats_mode']}", plan["stats_mode"])), ("alpha", plan["alpha"]), ("power", plan["power"])),
        *(("minimum_effect", plan["minimum_effect"]), ("baseline", plan["baseline"])),
        *(("starts_at", plan["starts_at"]), ("ends_at", plan["ends_at"])),
    ]
    arms = [(one["key"], one["name"], one["percentage"], one["version"], canonical(one["modifications"])) for one in found["variants"]]
    asked = [(one["name"], one["role"], one["measure"], one["of"], one["margin"]) for one in found["metrics"]]
    return [
        Paragraph(text=plan["hypothesis"] or "–"),
        told.pairs([*who, *test]),
        Heading(text=words["variants"]),
        told.table("variants", [("arm", 1.2), ("name", 1.6), ("percentage", 0.9, "number"), ("version", 0.8), ("modifications", 5)], arms),
        Heading(text=words["section.metrics"]),
        told.listed("asked", [("metric", 2.4), ("role", 1.2), ("measure", 1.6), ("of", 1.6), ("margin_allowed", 1, "number")], asked),
    ]


def _metrics(told: Told) -> list[Block]:
    return _lifts(told, [one for one in told.document["estimates"] if one["role"] != "guardrail"])


def _guardrails(told: Told) -> list[Block]:
    rows = [one for one in told.document["estimates"] if one["role"] == "guardrail"]
    if not rows:
        return [told.note("guardrails.none")]
    said = "guardrails.harm" if any(one["harm"] for one in rows) else "guardrails.held"
    return [told.note(said, "strong"), *_lifts(told, rows)]


def _exposure(told: Told) -> list[Block]:
    days = told.document["days"]
    if not days:
        return [told.note("nothing")]
    arms = list(dict.fromkeys(arm for day in days for arm in day["arms"]))
    rows = [(day["day"], arm, day["arms"][arm]["units"], _values(day["arms"][arm]["metrics"])) for day in days for arm in arms if arm in day["arms"]]
    control = next((one["key"] for one in told.document["variants"] if one["control"]), "")
    drawn = [
        {
            "at": day["day"],
            "all_arms": sum(arm["units"] for arm in day["arms"].values()),
            "control_arm": day["arms"].get(control, {"units": 0})["units"],
        }
        for day in days
    ]
    return [
        Figure(drawing=series.columns(drawn, "all_arms", "control_arm", told.words)),
        told.table("section.exposure", [("day", 1, "day"), ("arm", 1.2), ("exposed", 1, "whole"), ("section.metrics", 5)], rows),
    ]


def _values(metrics: Mapping[str, float | None]) -> str:
    return "; ".join(f"{name} {value:.4g}" for name, value in sorted(metrics.items()) if value is not None)


def _funnel(told: Told) -> list[Block]:
    rows = [(one["state"], one["arm"], one["units"], one["reached"]) for one in told.document["funnel"]]
    return [
        told.note("funnel.many"),
        told.listed("section.funnel", [("state", 3), ("arm", 1.4), ("units", 1, "whole"), ("reached", 1, "share")], rows),
    ]


def _decision(told: Told) -> list[Block]:
    found, words = told.document, told.words
    rows = [tuple(one[name] for name in ("number", "at", "verdict", "variant", "by", "reason", "digest")) for one in found["decisions"]]
    columns = [("number", 0.5, "whole"), ("when", 1.2, "moment"), ("verdict", 0.9), ("arm", 0.9), ("by", 1.2), ("reason", 2.4), ("sha256", 2.8)]
    said = words["chain.whole"] if found["chain"] == "whole" else words["chain.broken"].format(number=found["chain"])
    return [told.listed("section.decision", columns, rows, "decisions.none"), *([Paragraph(text=said)] if rows else [])]


def _method(told: Told) -> list[Block]:
    mode = told.document["numbers"]["mode"] or told.document["plan"]["stats_mode"]
    return [Paragraph(text=told.words[key]) for key in (f"method.{mode}", "method.corrections", "method.srm") if key in told.words]


KIND: Final = Kind(
    compose=compose,
    cover=cover,
    sections={
        "control": _control,
        "summary": _summary,
        "design": _design,
        "metrics": _metrics,
        "guardrails": _guardrails,
        "exposure": _exposure,
        "funnel": _funnel,
        "decision": _decision,
        "method": _method,
        "signoff": telling.signoff,
        "verification": telling.verification,
    },
    rows="estimates",
    columns=ESTIMATE_COLUMNS,
    alone=frozenset(("summary", "metrics")),
)
