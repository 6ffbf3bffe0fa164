"""Conversations of a flow over some days: how many were begun and completed, where they stopped, how well they were understood and how fast."""

from collections.abc import Mapping
from typing import Any, Final

from reports.core import charts, series
from reports.core.blocks import Block, Cover, Figure, Paragraph
from reports.core.kinds import telling
from reports.core.kinds.telling import Kind, Told

Json = Any
BODY: Final = ("flow", "since", "until", "version", "environment", "channel", "counted_at", "earlier", "days", "funnel", "versions")


def compose(gathered: Mapping[str, Json]) -> dict[str, Json]:
    """gathered: the head, what BODY names, and `now`: the overview of conversations.analytics."""
    return {**telling.head(gathered), **{name: gathered[name] for name in BODY}, "summary": gathered["now"]}


def cover(told: Told) -> Cover:
    found, words = told.document, told.words
    summary = found["summary"]
    rate, satisfied = summary["completion_rate"], summary["satisfaction"]["mean_share"]
    facts = [
        ("flow", found["flow"]["name"]),
        ("period", f"{found['since']} – {found['until']} (UTC)"),
        ("version", found["version"]),
        ("environment", found["environment"]),
        ("channel", found["channel"]),
        ("starts", summary["starts"]),
        ("completed", summary["completed"]),
        ("counted_at", telling.shown_moment(found["counted_at"]) if found["counted_at"] else ""),
        *telling.identity(told),
    ]
    figures = (
        charts.gauge(None if rate is None else 100 * rate, words["completion_rate"]),
        charts.gauge(None if satisfied is None else 100 * satisfied, words["satisfaction"], colour=charts.GOOD),
    )
    return Cover(figures=figures, facts=told.pairs(facts).rows)


def _control(told: Told) -> list[Block]:
    found = told.document
    about = [
        ("flow", f"{found['flow']['name']} ({found['flow']['flow_id']})"),
        ("period", f"{found['since']} – {found['until']} (UTC)"),
        ("period_before", f"{found['earlier']['since']} – {found['earlier']['until']} (UTC)"),
        ("version", found["version"]),
        ("environment", found["environment"]),
        ("channel", found["channel"]),
        ("counted_at", telling.shown_moment(found["counted_at"]) if found["counted_at"] else ""),
    ]
    return [told.pairs([*about, *telling.identity(told)]), *telling.history(told)]


def _summary(told: Told) -> list[Block]:
    now, earlier = told.document["summary"], told.document["earlier"]
    counts = [_compared(told.words[name], now[name], earlier[name]) for name in COUNTS]
    shares = [_compared(told.words[name], now[name], earlier[name]) for name in ("completion_rate", "handoff_rate")]
    shares.append(_compared(told.words["satisfaction"], now["satisfaction"]["mean_share"], earlier["satisfaction"]["mean_share"]))
    speeds = [_compared(told.words[f"latency_{name}"], now["latency_ms"][name], earlier["latency_ms"][name]) for name in ("p50", "p95", "p99")]
    ends = [(name, count) for name, count in telling.most_first(now["completions"])]
    columns = [("what", 3), ("now", 1, "whole"), ("period_before", 1.3, "whole"), ("change", 1, "change")]
    return [
        told.note("analytics.text"),
        told.table("counts", columns, counts),
        told.table("rates", [("what", 3), ("now", 1, "share"), ("period_before", 1.3, "share"), ("change_points", 1, "points")], _in_points(shares)),
        told.table("latency", [("what", 3), ("now", 1, "ms"), ("period_before", 1.3, "ms"), ("change_ms", 1, "points")], speeds),
        told.heading("completions"),
        told.listed("completions", [("what", 3), ("count", 1, "whole")], ends),
    ]


COUNTS: Final = ("starts", "completed", "handoffs", "not_ended", "missed", "escalated", "failed_turns", "called_as_sub_flow")


def _compared(name: str, now: Json, earlier: Json) -> tuple[Json, ...]:
    return (name, now, earlier, None if now is None or earlier is None else now - earlier)


def _in_points(rows: list[tuple[Json, ...]]) -> list[tuple[Json, ...]]:
    """A change of a share in percentage points."""
    return [(*row[:3], None if row[3] is None else 100 * row[3]) for row in rows]


def _days(told: Told) -> list[Block]:
    days = told.document["days"]
    drawn = [{"at": one["day"], "starts": one["starts"], "completed": min(one["completed"], one["starts"])} for one in days]
    forms: Mapping[str, Any] = {"completion_rate": "share", "satisfaction": "share", "p50_ms": "ms", "p95_ms": "ms"}
    columns = [("day", 1.2, "day"), *((name, share, forms.get(name, "whole")) for name, share in DAY_COLUMNS.items())]
    return [
        Figure(drawing=series.columns(drawn, "starts", "completed", told.words)),
        told.table("section.days", columns, [(one["day"], *(one[name] for name in DAY_COLUMNS)) for one in days]),
    ]


DAY_COLUMNS: Final[Mapping[str, float]] = {
    "starts": 0.9,
    "completed": 1.2,
    "completion_rate": 1.2,
    "handoffs": 1.0,
    "turns": 0.8,
    "faults": 0.8,
    "missed": 1.25,
    "p50_ms": 0.9,
    "p95_ms": 0.9,
    "satisfaction": 1.3,
}


def _funnel(told: Told) -> list[Block]:
    states = told.document["funnel"]["states"]
    if not states:
        return [told.note("nothing")]
    names = ("reached", "reached_share", "visits", "stopped", "stopped_share", "ended", "handoffs", "missed", "escalated")
    forms: Mapping[str, Any] = {"reached_share": "share", "stopped_share": "share"}
    columns = [("state", 2.2), *((name, 1.3 if name == "missed" else 1, forms.get(name, "whole")) for name in names)]
    moves = [(one["from_state"], one["to_state"], one["count"]) for one in told.document["funnel"]["moves"]]
    return [
        told.note("funnel.text"),
        Figure(drawing=series.funnel([(one["state"], one["reached"], one["reached_share"]) for one in states])),
        told.table("section.funnel", columns, [(one["state"], *(one[name] for name in names)) for one in states]),
        told.heading("moves"),
        told.listed("moves", [("from_state", 2), ("to_state", 2), ("count", 1, "whole")], moves),
    ]


def _versions(told: Told) -> list[Block]:
    names = ("version", "starts", "completed", "completion_rate", "handoff_rate", "missed", "p95_ms", "satisfaction")
    forms: Mapping[str, Any] = {"completion_rate": "share", "handoff_rate": "share", "p95_ms": "ms", "satisfaction": "share"}
    rows = [tuple(one[name] for name in names) for one in told.document["versions"]]
    return [told.listed("section.versions", [(name, 1, forms.get(name, "whole")) for name in names], rows)]


def _understanding(told: Told) -> list[Block]:
    summary, words = told.document["summary"], told.words
    slots = [tuple(one[name] for name in ("slot", "filled", "refused", "corrected", "refusals_per_answer")) for one in summary["slots"]]
    total = sum(one["count"] for one in summary["intents"]) or 1
    intents = [(one["intent"], one["count"], one["count"] / total) for one in summary["intents"]]
    sure = [(f"{one['lower']} – {float(one['lower']) + 0.1:.1f}", one["count"]) for one in summary["confidence"]]
    return [
        Paragraph(text=f"{words['missed']}: {summary['missed']:,}; {words['escalated']}: {summary['escalated']:,}"),
        told.heading("intents"),
        told.listed("intents", [("intent", 4), ("count", 1, "whole"), ("share", 1, "share")], intents),
        told.heading("confidence"),
        told.table("confidence", [("confidence", 3), ("count", 1, "whole")], sure),
        told.heading("slots"),
        told.listed(
            "slots", [("slot", 3), ("filled", 1, "whole"), ("refused", 1, "whole"), ("corrected", 1, "whole"), ("refusals", 1.2, "number")], slots
        ),
    ]


def _integrations(told: Told) -> list[Block]:
    summary = told.document["summary"]
    rows = [
        (one["integration_id"], one["calls"], one["failed"], one["failure_rate"], one["mean_ms"], _counted(one["faults"]))
        for one in summary["integrations"]
    ]
    columns = [
        ("integration", 2),
        ("calls", 0.8, "whole"),
        ("failed", 0.8, "whole"),
        ("failure_rate", 1, "share"),
        ("mean_ms", 1, "ms"),
        ("faults", 3),
    ]
    faults = telling.most_first(summary["faults"])
    return [
        told.listed("section.integrations", columns, rows),
        told.heading("faults"),
        told.listed("faults", [("error_code", 4), ("count", 1, "whole")], faults),
    ]


def _counted(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{name}: {count}" for name, count in sorted(counts.items()))


def _satisfaction(told: Told) -> list[Block]:
    found = told.document["summary"]["satisfaction"]
    scores = [(f"{one['score']:g} / {one['scale']}", one["count"]) for one in found["scores"]]
    mean = found["mean_share"]
    about = [("answers", found["answers"]), ("declined", found["declined"]), ("mean", found["mean"])]
    return [
        told.pairs([*about, ("satisfaction", None if mean is None else f"{100 * mean:.1f} %")]),
        told.listed("section.satisfaction", [("score", 3), ("count", 1, "whole")], scores),
    ]


def _measures(told: Told) -> list[Block]:
    return [Paragraph(text=text) for text in told.words["measures.text"].split("\n")]


KIND: Final = Kind(
    compose=compose,
    cover=cover,
    sections={
        "control": _control,
        "summary": _summary,
        "days": _days,
        "funnel": _funnel,
        "versions": _versions,
        "understanding": _understanding,
        "integrations": _integrations,
        "satisfaction": _satisfaction,
        "measures": _measures,
        "verification": telling.verification,
    },
    rows="days",
    columns=("day", *DAY_COLUMNS),
    alone=frozenset(("summary", "days", "funnel")),
)
