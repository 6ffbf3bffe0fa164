"""A period of a project: what was found and what was put right between its first and its last day, and what people did."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reports.core import charts, series
from reports.core.blocks import Block, Column, Cover, Figure, Heading, Paragraph, Table, shown
from reports.core.document import numbered, table
from reports.core.kinds import telling
from reports.core.kinds.telling import CHANGE_COLUMNS, Kind, Told, in_order

Json = Any
DONE_BY_HAND: Final = ("comment", "state", "assignee", "due", "waiver")


def compose(gathered: Mapping[str, Json]) -> dict[str, Json]:
    """gathered: the head, project, parties, since, until, time_zone, and `buildings`: of each its name, runs [{at, score, coverage, status,
    by_severity, trigger, building}], before and after ({score, coverage, status, at, findings: failures by severity} or None), opened and
    resolved (findings), handled (what → count), waivers, models, days_to_fix.
    """
    buildings = gathered["buildings"]
    opened = numbered({"building": one["name"], **found} for one in buildings for found in one["opened"])
    resolved = numbered({"building": one["name"], **found} for one in buildings for found in one["resolved"])
    days = sorted(day for one in buildings for day in one["days_to_fix"])
    runs = sorted((run for one in buildings for run in one["runs"]), key=lambda run: (run["at"], run["building"]))
    return {
        **telling.head(gathered),
        **{name: gathered[name] for name in ("since", "until", "time_zone", "parties")},
        "summary": {
            "buildings": len(buildings),
            "checks": len(runs),
            "opened": len(opened),
            "resolved": len(resolved),
            "findings_before": _total(buildings, "before"),
            "findings_after": _total(buildings, "after"),
            "by_severity": {
                name: {"before": _total(buildings, "before", name), "after": _total(buildings, "after", name)} for name in charts.SEVERITIES
            },
            "opened_by_category": table(opened, "category"),
            "median_days_to_fix": days[len(days) // 2] if days else None,
            "handled": {name: sum(one["handled"].get(name, 0) for one in buildings) for name in DONE_BY_HAND},
        },
        "buildings": [{name: one[name] for name in ("id", "name", "before", "after")} for one in buildings],
        "runs": runs,
        "opened": opened,
        "resolved": resolved,
        "changes": [{"change": "opened", **one} for one in opened] + [{"change": "resolved", **one} for one in resolved],
        "waivers": [{"building": one["name"], **row} for one in buildings for row in one["waivers"]],
        "models": [{"building": one["name"], **row} for one in buildings for row in one["models"]],
    }


def _total(buildings: Sequence[Mapping[str, Json]], when: str, severity: str = "") -> int:
    names = (severity,) if severity else charts.SEVERITIES
    return sum(one[when]["by_severity"].get(name, 0) for one in buildings if one[when] for name in names)


def cover(told: Told) -> Cover:
    found, words = told.document, told.words
    summary = found["summary"]
    status = words["period.status"].format(opened=summary["opened"], resolved=summary["resolved"])
    facts = [
        ("period", span(found)),
        *telling.project_facts(told),
        *(("buildings", summary["buildings"]), ("checks", summary["checks"])),
        *telling.identity(told),
    ]
    return Cover(status=status, colour="#1f2933", facts=told.pairs(facts).rows)


def span(found: Mapping[str, Json]) -> str:
    return f"{found['since']} – {found['until']} ({found['time_zone']})"


def _control(told: Told) -> list[Block]:
    rows = [tuple(one[name] for name in ("building", "revision", "file_name", "at", "state", "sha256")) for one in told.document["models"]]
    columns = [("building", 1.3), ("model_revision", 0.7), ("file", 1.8), ("uploaded", 1.1, "moment"), ("state", 0.8), ("sha256", 3)]
    return [
        told.pairs([("period", span(told.document)), *telling.identity(told)]),
        *telling.history(told),
        told.heading("models_of_period"),
        told.listed("models_of_period", columns, rows),
    ]


def _summary(told: Told) -> list[Block]:
    summary, words = told.document["summary"], told.words
    severities = [(words[name], parts["before"], parts["after"]) for name, parts in in_order(summary["by_severity"], charts.SEVERITIES)]
    handled = "; ".join(f"{words['handled.' + name]}: {count}" for name, count in in_order(summary["handled"], DONE_BY_HAND) if count)
    blocks: list[Block] = [
        told.note("period.text"),
        told.pairs(
            [
                ("findings_before", summary["findings_before"]),
                ("findings_after", summary["findings_after"]),
                ("opened", summary["opened"]),
                ("resolved", summary["resolved"]),
                ("median_days_to_fix", summary["median_days_to_fix"]),
                ("handled", handled),
            ]
        ),
        told.heading("before_after"),
        Figure(drawing=series.before_after(severities, words)),
        told.table("buildings", BUILDINGS, [_building(one) for one in told.document["buildings"]]),
    ]
    if summary["opened_by_category"]:
        blocks += [told.heading("opened_by_category"), Figure(drawing=charts.matrix(summary["opened_by_category"], words))]
    return blocks


BUILDINGS: Final = (
    *(("building", 2), ("score_before", 1, "score"), ("score_after", 1, "score"), ("change", 1, "points")),
    *(("findings_before", 1, "whole"), ("findings_after", 1, "whole"), ("status", 1.8)),
)


def _building(one: Mapping[str, Json]) -> tuple[Json, ...]:
    before, after = one["before"] or {}, one["after"] or {}
    scores: tuple[Json, Json] = before.get("score"), after.get("score")
    change = None if None in scores else scores[1] - scores[0]
    counts = (sum(state["by_severity"].values()) if state else None for state in (before, after))
    return (one["name"], *scores, change, *counts, after.get("status", ""))


def _trend(told: Told) -> list[Block]:
    blocks: list[Block] = []
    for one in told.document["buildings"]:
        points = [
            {**run, "coverage": None if run["coverage"] is None else 100 * run["coverage"]}
            for run in told.document["runs"]
            if run["building"] == one["name"]
        ]
        if len(points) > 1:
            blocks += [Heading(text=one["name"]), Figure(drawing=charts.trend(points, told.words, height=105))]
    rows = [
        (run["at"], run["building"], run["trigger"], run["score"], run["coverage"], *(run["by_severity"].get(name, 0) for name in charts.SEVERITIES))
        for run in told.document["runs"]
    ]
    columns = [("date", 1.3, "moment"), ("building", 1.7), ("trigger", 0.9), ("score", 0.8, "score"), ("coverage", 0.8, "share")]
    severities = [(name, 0.6, "whole") for name in charts.SEVERITIES]
    return [*blocks, told.heading("checks"), told.listed("checks", [*columns, *severities], rows)]


def changes(told: Told, name: str) -> list[Block]:
    """The findings that were opened, or resolved."""
    found = told.document[name]
    if not found:
        return [Paragraph(text=told.words["nothing"])]
    texts = [
        (
            *(one["number"], one["building"], f"{one['rule']} {one['section']}".strip(), one["title"]),
            " ".join(text for text in (one["name"], one["subject"]) if text),
            *(one["storey_name"], one["required_text"], one["actual_text"], one["message"]),
        )
        for one in found
    ]
    keys = ("number", "building", "rule", "name", "element", "storey", "required", "actual", "message")
    shares = (0.75, 1.1, 1.6, 1.6, 1.7, 0.9, 1.0, 0.8, 2.3)
    columns = tuple(
        Column(title=told.words[key], share=share, form="whole" if key == "number" else "text") for key, share in zip(keys, shares, strict=True)
    )
    return [Table(name=told.words[name], columns=columns, rows=texts, chips=[charts.COLOURS.get(one["severity"], "#7b8794") for one in found])]


def _handled(told: Told) -> list[Block]:
    rows = [(told.words[f"handled.{name}"], count) for name, count in in_order(told.document["summary"]["handled"], DONE_BY_HAND)]
    days = told.document["summary"]["median_days_to_fix"]
    said = Paragraph(text=f"{told.words['median_days_to_fix']}: {shown(days, 'whole')}")
    return [told.table("handled", [("what", 4), ("count", 1, "whole")], rows), said]


KIND: Final = Kind(
    compose=compose,
    cover=cover,
    sections={
        "control": _control,
        "summary": _summary,
        "trend": _trend,
        "opened": lambda told: changes(told, "opened"),
        "resolved": lambda told: changes(told, "resolved"),
        "handled": _handled,
        "waivers": telling.waivers,
        "signoff": telling.signoff,
        "verification": telling.verification,
    },
    rows="changes",
    columns=("change", "number", "building", *CHANGE_COLUMNS),
    alone=frozenset(("summary", "trend")),
)
