"""A project: its buildings side by side as their last checks found them, everything that is open, and who has to do it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reports.core import charts
from reports.core.blocks import Block, Cover, Figure, Heading, Paragraph
from reports.core.document import MOST_TOP, assumptions, numbered, outcomes, ranked, table
from reports.core.kinds import telling
from reports.core.kinds.telling import Kind, Told

Json = Any
KEPT: Final = (
    *(
        "id",
        "rule",
        "title",
        "section",
        "edition",
        "severity",
        "category",
        "discipline",
        "subject",
        "name",
        "tag",
        "ifc_class",
        "storey_name",
        "at_text",
        "box",
    ),
    *("required", "actual", "margin", "unit", "required_text", "actual_text", "margin_text", "message", "state", "responsible", "due", "waiver"),
)
ORDER: Final = ("non-compliant", "indeterminate")


def compose(gathered: Mapping[str, Json]) -> dict[str, Json]:
    """gathered: the head, project, parties, today, unchecked (names of buildings without a check), checks: of each building what
    `reports.core.document.compose` asks for, and points, possible, evaluated, unknown, checked_at.
    """
    checks = gathered["checks"]
    findings = numbered(_kept(one["building"], found) for one in checks for found in one["findings"])
    still = [one for one in findings if not one["waiver"]]
    return {
        **telling.head(gathered),
        "summary": {
            **_score(checks),
            "status": _status(checks, gathered["unchecked"]),
            "buildings": len(checks) + len(gathered["unchecked"]),
            "unchecked": gathered["unchecked"],
            "outcomes": _outcomes(checks),
            "findings": len(findings),
            "waived": len(findings) - len(still),
            "overdue": sum(_overdue(one, gathered["today"]) for one in still),
            "by_severity": {name: sum(one["severity"] == name for one in findings) for name in charts.SEVERITIES},
            "by_category": table(findings, "category"),
            "by_building": ranked(findings, "building"),
            "by_discipline": ranked(findings, "discipline"),
            "top": [one["number"] for one in still[:MOST_TOP]],
        },
        "buildings": [_building(one, findings) for one in checks],
        "responsible": _responsible(still, gathered["today"]),
        "basis": _basis(checks),
        "assumptions": assumptions([found for one in checks for found in one["findings"]]),
        "findings": findings,
        "not_evaluable": [{"building": one["building"]["name"], **row} for one in checks for row in one["not_evaluable"]],
        "waivers": [{"building": one["building"]["name"], **row} for one in checks for row in one["waivers"]],
        "parties": gathered["parties"],
    }


def _kept(building: Mapping[str, Json], found: Mapping[str, Json]) -> dict[str, Json]:
    return {"building": building["name"], "building_id": building["id"], **{name: found.get(name) for name in KEPT}}


def _score(checks: Sequence[Mapping[str, Json]]) -> dict[str, float | None]:
    """The same formula over all checks together: not a mean of the buildings' scores."""
    points, possible = sum(one["points"] for one in checks), sum(one["possible"] for one in checks)
    evaluated, unknown = sum(one["evaluated"] for one in checks), sum(one["unknown"] for one in checks)
    return {
        "score": round(100 * points / possible, 4) if possible else None,
        "coverage": round(evaluated / (evaluated + unknown), 4) if evaluated + unknown else None,
    }


def _status(checks: Iterable[Mapping[str, Json]], unchecked: Sequence[str]) -> str:
    """The worst of its buildings; one that was not checked leaves it indeterminate."""
    found = {one["status"] for one in checks}
    return next((name for name in ORDER if name in found), "indeterminate" if unchecked or not found else "compliant to the rules checked")


def _outcomes(checks: Iterable[Mapping[str, Json]]) -> dict[str, int]:
    parts = [outcomes(one["counts"]) for one in checks]
    return {name: sum(part[name] for part in parts) for name in ("pass", "fail", "not_applicable", "not_evaluable")}


def _building(check: Mapping[str, Json], findings: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    name = check["building"]["name"]
    own = [one for one in findings if one["building"] == name]
    return {
        **check["building"],
        **{key: check[key] for key in ("score", "coverage", "status", "checked_at", "model", "engine", "trend", "unlock")},
        "outcomes": outcomes(check["counts"]),
        "findings": len(own),
        "waived": sum(bool(one["waiver"]) for one in own),
        "by_severity": {severity: sum(one["severity"] == severity for one in own) for severity in charts.SEVERITIES},
        "by_storey": ranked(own, "storey_name"),
    }


def _overdue(one: Mapping[str, Json], today: str) -> bool:
    return bool(one["due"]) and one["due"] < today


def _responsible(findings: Iterable[Mapping[str, Json]], today: str) -> list[dict[str, Json]]:
    rows: dict[str, list[Mapping[str, Json]]] = {}
    for one in findings:
        rows.setdefault(one["responsible"], []).append(one)
    made = [
        {
            "name": name,
            "findings": len(own),
            "critical": sum(one["severity"] == "critical" for one in own),
            "overdue": sum(_overdue(one, today) for one in own),
            "next_due": min((one["due"] for one in own if one["due"] and one["due"] >= today), default=""),
        }
        for name, own in rows.items()
    ]
    return sorted(made, key=lambda row: (not row["name"], -row["findings"], row["name"]))


def _basis(checks: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """What any of the checks was judged by, each once."""
    found: dict[str, list[Json]] = {"editions": [], "rule_sets": [], "amendments": []}
    for check in checks:
        for name, rows in found.items():
            rows += [one for one in check["basis"][name] if one not in rows]
    return found


def cover(told: Told) -> Cover:
    summary = told.document["summary"]
    facts = [*telling.project_facts(told), ("buildings", summary["buildings"])]
    facts += [("code_basis", "; ".join(telling.edition(one) for one in told.document["basis"]["editions"])), *telling.identity(told)]
    return Cover(
        status=summary["status"],
        colour=telling.STATUS_COLOURS.get(summary["status"], telling.GOOD),
        figures=telling.figures(told, summary),
        facts=told.pairs(facts).rows,
    )


def _control(told: Told) -> list[Block]:
    rows = [
        (one["name"], one["model"].get("file_name", ""), one["model"].get("schema", ""), one["checked_at"], one["engine"].get("version", ""))
        for one in told.document["buildings"]
    ]
    hashes = [(one["name"], one["model"].get("sha256", ""), one["engine"].get("result_sha256", "")) for one in told.document["buildings"]]
    return [
        told.pairs(telling.identity(told)),
        *telling.history(told),
        told.heading("models"),
        told.listed("models", [("building", 2), ("file", 2.4), ("schema", 0.8), ("checked_at", 1.3, "moment"), ("engine", 0.8)], rows),
        told.listed("hashes", [("building", 1.4), ("model_sha256", 4), ("result_sha256", 4)], hashes),
        *telling.code_basis(told, told.document["basis"]),
    ]


def _summary(told: Told) -> list[Block]:
    summary, words = told.document["summary"], told.words
    blocks: list[Block] = [
        telling.gauges(told, summary),
        Paragraph(text=f"{words['status']}: {summary['status']}", look="large"),
        told.table("buildings", BUILDING_COLUMNS, [_building_row(one) for one in told.document["buildings"]]),
    ]
    if summary["unchecked"]:
        blocks.append(Paragraph(text=f"{words['unchecked']}: {', '.join(summary['unchecked'])}", look="strong"))
    blocks += [told.heading("outcomes"), Figure(drawing=outcome_shares(summary["outcomes"], words))]
    if summary["by_category"]:
        blocks += [told.heading("matrix"), Figure(drawing=charts.matrix(summary["by_category"], words))]
        blocks += [told.heading("by_building"), Figure(drawing=charts.bars(charts.parts(summary["by_building"]), words))]
        blocks += [told.heading("by_discipline"), Figure(drawing=charts.bars(charts.parts(summary["by_discipline"]), words))]
    if summary["top"]:
        top = set(summary["top"])
        blocks += [told.heading("top"), findings_table(told, "top", [one for one in told.document["findings"] if one["number"] in top])]
    return blocks


BUILDING_COLUMNS: Final = (
    *(("building", 2.2), ("score", 0.9, "score"), ("coverage", 0.9, "share"), ("status", 1.7)),
    *(("critical", 0.7, "whole"), ("major", 0.7, "whole"), ("minor", 0.7, "whole"), ("info", 0.7, "whole"), ("waived", 0.7, "whole")),
)


def _building_row(one: Mapping[str, Json]) -> tuple[Json, ...]:
    return (one["name"], one["score"], one["coverage"], one["status"], *(one["by_severity"][name] for name in charts.SEVERITIES), one["waived"])


def outcome_shares(parts: Mapping[str, int], words: Mapping[str, str]) -> Any:
    colours = {"pass": "#2f855a", "fail": "#a4161a", "not_evaluable": "#8a5a00", "not_applicable": "#cbd2d9"}
    return charts.shares([(words.get(f"{name}.count", words[name]), parts[name], colour) for name, colour in colours.items()])


def _buildings(told: Told) -> list[Block]:
    blocks: list[Block] = []
    for one in told.document["buildings"]:
        blocks.append(Heading(text=one["name"]))
        score = f"{told.words['score']} {_percent(one['score'])}, {told.words['coverage']} {_percent(_times_100(one['coverage']))}"
        blocks.append(Paragraph(text=f"{one['status']} · {score} · {told.words['checked_at']} {str(one['checked_at'])[:16].replace('T', ' ')}"))
        if one["by_storey"]:
            blocks.append(Figure(drawing=charts.bars(charts.parts(one["by_storey"]), told.words, most_rows=12)))
        if len(one["trend"]) > 1:
            blocks.append(Figure(drawing=charts.trend(one["trend"], told.words, height=100)))
    return blocks


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


def _times_100(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _findings(told: Told) -> list[Block]:
    found, words = told.document["findings"], told.words
    if not found:
        return [told.note("findings.none")]
    return [findings_table(told, "findings", found, title=words["findings"])]


def findings_table(told: Told, name: str, findings: Sequence[Mapping[str, Json]], *, title: str = "") -> Any:
    """Any findings with their building, most severe first."""
    rows = [
        (
            *(one["number"], one["building"], f"{one['rule']} {one['section']}".strip()),
            " ".join(text for text in (one["name"], one["tag"], one["subject"]) if text),
            " ".join(text for text in (one["storey_name"], one["at_text"]) if text),
            *(one["required_text"], one["actual_text"], one["message"] + (f" [{one['waiver']}]" if one["waiver"] else "")),
            " ".join(text for text in (one["responsible"], one["due"]) if text),
        )
        for one in findings
    ]
    columns = (
        *(("number", 0.75, "whole"), ("building", 1.1), ("rule", 1.8), ("element", 1.8), ("storey", 1.0)),
        *(("required", 1.0), ("actual", 0.8), ("message", 2.7), ("responsible", 1.35)),
    )
    return told.table(name, columns, rows, chips=[charts.COLOURS.get(one["severity"], "#7b8794") for one in findings])


def _who(told: Told) -> list[Block]:
    rows = [
        (one["name"] or told.words["nobody"], one["findings"], one["critical"], one["overdue"], one["next_due"])
        for one in told.document["responsible"]
    ]
    columns = [("responsible", 3), ("findings", 1, "whole"), ("critical", 1, "whole"), ("overdue", 1, "whole"), ("next_due", 1.4)]
    return [told.listed("section.responsible", columns, rows, "findings.none")]


def _unknown(told: Told) -> list[Block]:
    rows = [(one["building"], one["rule"], one.get("title", ""), one["missing"], one["subjects"]) for one in told.document["not_evaluable"]]
    columns = [("building", 1.2), ("rule", 2), ("name", 2.4), ("missing", 3), ("subjects", 0.9, "whole")]
    return [told.note("scope.text"), told.listed("not_evaluable", columns, rows, "not_evaluable.none")]


KIND: Final = Kind(
    compose=compose,
    cover=cover,
    sections={
        "control": _control,
        "summary": _summary,
        "buildings": _buildings,
        "findings": _findings,
        "responsible": _who,
        "not_evaluable": _unknown,
        "waivers": telling.waivers,
        "signoff": telling.signoff,
        "verification": telling.verification,
    },
    rows="findings",
    columns=("number", "building", *(name for name in KEPT if name not in ("id", "box"))),
    alone=frozenset(("control", "summary", "buildings", "findings")),
)
