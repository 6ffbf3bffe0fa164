"""Two checks of a building side by side: what became of the score, the findings, the rules and the model."""

from collections.abc import Mapping
from typing import Any, Final

from reports.core import charts, series
from reports.core.blocks import Block, Column, Cover, Figure, Paragraph, Table
from reports.core.document import numbered
from reports.core.kinds import telling
from reports.core.kinds.period import changes
from reports.core.kinds.telling import CHANGE_COLUMNS, Kind, Told, in_order

Json = Any
BEFORE: Final = ("actual_text", "required_text", "actual", "required", "severity")
OUTCOMES: Final = ("pass", "fail", "not_applicable", "not_evaluable")


def compose(gathered: Mapping[str, Json]) -> dict[str, Json]:
    """gathered: the head, project, parties, building, before and after (sides), rules_before, rules_after, opened, resolved, changed, unchanged."""
    name = gathered["building"]["name"]
    lists = {key: numbered({"building": name, **one} for one in gathered[key]) for key in ("opened", "resolved", "changed")}
    before, after = gathered["before"], gathered["after"]
    return {
        **telling.head(gathered),
        **{key: gathered[key] for key in ("building", "parties")},
        "before": {key: value for key, value in before.items() if key != "counts"},
        "after": {key: value for key, value in after.items() if key != "counts"},
        "summary": {
            "status": after["status"],
            "score_change": _difference(before["score"], after["score"]),
            "coverage_change": _difference(before["coverage"], after["coverage"]),
            **{key: len(rows) for key, rows in lists.items()},
            "unchanged": gathered["unchanged"],
            "outcomes": {outcome: [before["outcomes"].get(outcome, 0), after["outcomes"].get(outcome, 0)] for outcome in OUTCOMES},
            "by_severity": {
                severity: [before["by_severity"].get(severity, 0), after["by_severity"].get(severity, 0)] for severity in charts.SEVERITIES
            },
        },
        "rules": rules(gathered["rules_before"], gathered["rules_after"]),
        "by_rule": by_rule(before["counts"], after["counts"], {**gathered["rules_before"], **gathered["rules_after"]}),
        **lists,
        "changes": [{"change": key, **one} for key, rows in lists.items() for one in rows],
    }


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else round(after - before, 4)


def rules(before: Mapping[str, Mapping[str, Json]], after: Mapping[str, Mapping[str, Json]]) -> list[dict[str, Json]]:
    """What became of the rules themselves: a finding may come or go because the rule did."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        about = new or old or {}
        what = "rule.added" if old is None else "rule.removed" if new is None else "rule.changed"
        found.append({"rule": key, "title": about["title"], "what": what, "differences": _differences(old or {}, new or {}) if old and new else []})
    return found


def _differences(old: Mapping[str, Json], new: Mapping[str, Json]) -> list[str]:
    names = ("version", "severity", "require")
    said = [f"{name}: {old[name]} → {new[name]}" for name in names if old[name] != new[name]]
    params = sorted(old["parameters"].keys() | new["parameters"].keys())
    return said + [
        f"{name}: {old['parameters'].get(name, '–')} → {new['parameters'].get(name, '–')}"
        for name in params
        if old["parameters"].get(name) != new["parameters"].get(name)
    ]


def by_rule(before: Mapping[str, Json], after: Mapping[str, Json], about: Mapping[str, Json]) -> list[dict[str, Json]]:
    """The rules whose counts differ, those with the greatest difference first."""
    made = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, {}), after.get(key, {})
        row = {"rule": key, "title": about.get(key, {}).get("title", "")}
        for outcome in ("fail", "not_evaluable", "pass"):
            row |= {f"{outcome}_before": old.get(outcome, 0), f"{outcome}_after": new.get(outcome, 0)}
        if any(row[f"{outcome}_before"] != row[f"{outcome}_after"] for outcome in ("fail", "not_evaluable", "pass")):
            made.append(row)
    return sorted(made, key=lambda row: (-abs(row["fail_after"] - row["fail_before"]), row["rule"]))


def cover(told: Told) -> Cover:
    found, words = told.document, told.words
    summary = found["summary"]
    status = words["comparison.status"].format(opened=summary["opened"], resolved=summary["resolved"], changed=summary["changed"])
    facts = [
        *telling.project_facts(told),
        ("building", found["building"]["name"]),
        ("before", _said(found["before"])),
        ("after", _said(found["after"])),
        *telling.identity(told),
    ]
    figures = (
        charts.gauge(found["before"]["score"], f"{words['score']}: {words['before']}", colour=charts.GREY),
        charts.gauge(found["after"]["score"], f"{words['score']}: {words['after']}"),
    )
    return Cover(status=status, colour="#1f2933", figures=figures, facts=told.pairs(facts).rows)


def _said(side: Mapping[str, Json]) -> str:
    model = side["model"]
    named = " · ".join(str(model[key]) for key in ("file_name", "schema") if model.get(key))
    return " · ".join(text for text in (str(side["at"])[:16].replace("T", " "), named, side["status"]) if text)


def _control(told: Told) -> list[Block]:
    sides = [told.document["before"], told.document["after"]]
    lines: list[tuple[str, list[Json]]] = [
        ("date", [str(one["at"])[:16].replace("T", " ") for one in sides]),
        ("file", [one["model"].get("file_name", "") for one in sides]),
        ("model_sha256", [one["model"].get("sha256", "") for one in sides]),
        ("schema", [one["model"].get("schema", "") for one in sides]),
        ("integrity", [one["model"].get("integrity_text", "") for one in sides]),
        ("rule_sets", ["; ".join(f"{each.get('title') or each['slug']} {each['version']}" for each in one["basis"]["rule_sets"]) for one in sides]),
        ("code_basis", ["; ".join(telling.edition(each) for each in one["basis"]["editions"]) for one in sides]),
        ("engine", [one["engine"]["version"] for one in sides]),
        ("result_sha256", [one["engine"]["result_sha256"] for one in sides]),
    ]
    rows = [(told.words[name], *values) for name, values in lines if any(values)]
    return [
        told.pairs(telling.identity(told)),
        *telling.history(told),
        told.heading("sides"),
        told.table("sides", [("what", 1), ("before", 2), ("after", 2)], rows),
    ]


def _summary(told: Told) -> list[Block]:
    found, words = told.document, told.words
    summary = found["summary"]
    lines = [
        (words["score"], found["before"]["score"], found["after"]["score"], summary["score_change"]),
        (words["coverage"], *(None if found[side]["coverage"] is None else 100 * found[side]["coverage"] for side in ("before", "after"))),
    ]
    change = summary["coverage_change"]
    lines[1] = (*lines[1], None if change is None else 100 * change)
    severities = [(words[name], *pair) for name, pair in in_order(summary["by_severity"], charts.SEVERITIES)]
    outcomes = [(words.get(f"{name}.count", words[name]), *pair, pair[1] - pair[0]) for name, pair in in_order(summary["outcomes"], OUTCOMES)]
    return [
        told.note("comparison.text"),
        told.table("scores", [("what", 2), ("before", 1, "score"), ("after", 1, "score"), ("change", 1, "points")], lines),
        told.pairs([(name, summary[name]) for name in ("opened", "resolved", "changed", "unchanged")]),
        told.heading("before_after"),
        Figure(drawing=series.before_after(severities, words)),
        told.heading("outcomes"),
        told.table("outcomes", [("what", 2), ("before", 1, "whole"), ("after", 1, "whole"), ("change", 1, "change")], outcomes),
    ]


def _rules(told: Told) -> list[Block]:
    found = told.document
    rows = [(one["rule"], one["title"], told.words[one["what"]], "; ".join(one["differences"])) for one in found["rules"]]
    names = ("fail", "not_evaluable", "pass")
    counts = [(one["rule"], one["title"], *(one[f"{name}_{when}"] for name in names for when in ("before", "after"))) for one in found["by_rule"]]
    columns = [(f"{name}_{when}", 0.8, "whole") for name in names for when in ("before", "after")]
    return [
        told.listed("section.rules", [("rule", 2), ("name", 2.4), ("change", 0.9), ("differences", 3.4)], rows, "rules.same"),
        told.heading("by_rule"),
        told.listed("by_rule", [("rule", 2.2), ("name", 2.4), *columns], counts),
    ]


def _changed(told: Told) -> list[Block]:
    found = told.document["changed"]
    if not found:
        return [Paragraph(text=told.words["nothing"])]
    texts = [
        (
            *(one["number"], one["rule"], one["title"], " ".join(text for text in (one["name"], one["subject"]) if text), one["storey_name"]),
            *(one["required_text_before"], one["actual_text_before"], one["required_text"], one["actual_text"]),
        )
        for one in found
    ]
    keys = ("number", "rule", "name", "element", "storey", "required_before", "actual_before", "required_after", "actual_after")
    shares = (0.75, 1.6, 1.7, 1.8, 0.9, 1.0, 0.9, 1.0, 0.9)
    columns = tuple(Column(title=told.words[key], share=share) for key, share in zip(keys, shares, strict=True))
    return [Table(name=told.words["changed"], columns=columns, rows=texts, chips=[charts.COLOURS.get(one["severity"], "#7b8794") for one in found])]


KIND: Final = Kind(
    compose=compose,
    cover=cover,
    sections={
        "control": _control,
        "summary": _summary,
        "rules": _rules,
        "opened": lambda told: changes(told, "opened"),
        "resolved": lambda told: changes(told, "resolved"),
        "changed": _changed,
        "signoff": telling.signoff,
        "verification": telling.verification,
    },
    rows="changes",
    columns=("change", "number", "building", *CHANGE_COLUMNS, *(f"{name}_before" for name in BEFORE)),
    alone=frozenset(("summary", "rules")),
)
