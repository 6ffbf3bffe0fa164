"""What stands in a compliance report, section after section (docs/reports.md). Each section is one function of the document."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reportlab.platypus.doctemplate import NextPageTemplate
from reportlab.platypus.flowables import CondPageBreak, Flowable, PageBreak, Spacer

from reports.core import charts
from reports.core.drawing import Drawing
from reports.core.kinds.telling import UNNAMED, shown_moment
from reports.core.labels import labels
from reports.core.plans import drawing_of
from reports.render.pdf.flowables import BODY, SMALL, TITLE, Beside, Cell, Column, Grid, Heading, Picture, Row, Style, Words
from reports.render.pdf.tags import Structure

Json = Any
MOST_PRINTED: Final = 5_000  # findings; the rest stands in the attachment
MOST_INDEXED: Final = 5_000
LARGE = Style(size=13, bold=True, after=3)
STATUS_COLOURS: Final = {"non-compliant": "#a4161a", "indeterminate": "#8a5a00"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What every section needs: the document, its words, the structure it is tagged in, where it can be verified."""

    document: Mapping[str, Json]
    words: Mapping[str, str]
    structure: Structure
    verify_url: str
    content_sha256: str
    brand: Mapping[str, Json]

    def text(self, value: object, style: Style = BODY, **more: Any) -> Words:
        return Words(self.structure, value, style, **more)

    def heading(self, name: str, level: int = 1) -> Heading:
        return Heading(self.structure, self.words[name], level)

    def grid(self, columns: Sequence[tuple[str, float] | Column], rows: Iterable[Sequence[object]], **more: Any) -> Grid:
        made = [column if isinstance(column, Column) else Column(title=self.words[column[0]], share=column[1]) for column in columns]
        return Grid(self.structure, made, [Row(cells) for cells in rows], **more)

    def listed(self, columns: Sequence[tuple[str, float] | Column], rows: Sequence[Sequence[object]]) -> Flowable:
        """The grid, or the words that there is nothing to list."""
        return self.grid(columns, rows) if rows else self.text(self.words["nothing"])

    def picture(self, drawing: Drawing, **more: Any) -> Picture:
        return Picture(self.structure, drawing, **more)

    def pairs(self, rows: Iterable[tuple[str, object]]) -> Grid:
        """Name and value, without those that have none."""
        shown = [(self.words[name], value) for name, value in rows if value not in (None, "", [], {})]
        return Grid(self.structure, [Column(title="", share=1, bold=True), Column(title="", share=3)], [Row(pair) for pair in shown], most_lines=30)


def tell(
    document: Mapping[str, Json],
    structure: Structure,
    *,
    verify_url: str,
    content_sha256: str,
    brand: Mapping[str, Json],
    contents: Sequence[Flowable],
) -> list[Flowable]:
    """All flowables in order; `contents` is put behind the cover."""
    telling = Telling(
        document=document, words=labels(document["locale"]), structure=structure, verify_url=verify_url, content_sha256=content_sha256, brand=brand
    )
    story: list[Flowable] = [*_cover(telling), NextPageTemplate("body"), PageBreak(), *contents]
    for name in document["sections"]:
        section = SECTIONS[name](telling)
        if section:
            story += [PageBreak() if name in ON_A_NEW_PAGE else CondPageBreak(140), *held(section)]
    return story


def held(section: Sequence[Flowable]) -> list[Flowable]:
    """A heading goes to the next page where only itself would fit. (ReportLab's keepWithNext would take the whole table with it.)"""
    return [part for flowable in section for part in ((CondPageBreak(90), flowable) if isinstance(flowable, Heading) else (flowable,))]


def _cover(telling: Telling) -> list[Flowable]:
    found, words = telling.document, telling.words
    project, building, summary = found["project"], found["building"], found["summary"]
    status = summary["status"]
    story: list[Flowable] = [
        Spacer(1, 60),
        telling.text(words[f"report.{found['kind']}"], Style(size=11, colour="#616e7c", after=4)),
        telling.text(found["title"], TITLE),
        Spacer(1, 16),
        telling.text(status, Style(size=15, bold=True, colour=STATUS_COLOURS.get(status, "#2f855a"), after=10)),
        Beside(
            [
                (telling.picture(charts.gauge(summary["score"], words["score"])), 1),
                (telling.picture(charts.gauge(_percent(summary["coverage"]), words["coverage"], colour=charts.GOOD)), 1),
                (Spacer(1, 1), 1),
            ]
        ),
        Spacer(1, 10),
        telling.pairs(
            [
                ("project", project.get("name")),
                ("building", building.get("name")),
                ("address", project.get("address")),
                ("permit_number", project.get("permit_number")),
                ("permit_date", project.get("permit_application_date")),
                ("jurisdiction", _named(project.get("jurisdiction") or {})),
                ("code_basis", "; ".join(_edition(one) for one in found["basis"]["editions"])),
                ("model", _model(found["model"])),
                ("date", shown_moment(found["made_at"])),
                ("issued", shown_moment(found.get("issued_at", ""))),
                ("report_number", found["number"]),
                ("revision", found["revision"]),
                ("supersedes", found["supersedes"]),
            ]
        ),
        Spacer(1, 8),
    ]
    return [*story, *seal(telling)]


def seal(telling: Telling) -> list[Flowable]:
    """The square code and the address of the verify page."""
    if not telling.verify_url:
        return []
    from reports.render.pdf.codes import square

    words = telling.words
    said = telling.text(f"{words['verify_at']}: {telling.verify_url}", SMALL, link=telling.verify_url)
    return [Beside([(telling.picture(square(telling.verify_url), most_height=72), 1), (said, 4)])]


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _named(thing: Mapping[str, Json]) -> str:
    return " ".join(str(thing[key]) for key in ("code", "name") if thing.get(key))


def _edition(edition: Mapping[str, Json]) -> str:
    return " ".join(str(edition[key]) for key in ("title", "edition") if edition.get(key))


def _model(model: Mapping[str, Json]) -> str:
    return ", ".join(str(model[key]) for key in ("file_name", "schema") if model.get(key))


def _control(telling: Telling) -> list[Flowable]:
    found = telling.document
    model, basis = found["model"], found["basis"]
    story: list[Flowable] = [
        telling.heading("control"),
        telling.pairs(
            [
                ("report_number", found["number"]),
                ("revision", found["revision"]),
                ("supersedes", found["supersedes"]),
                ("file", model.get("file_name")),
                ("sha256", model.get("sha256")),
                ("schema", model.get("schema")),
                ("application", model.get("application")),
                ("integrity", model.get("integrity_text")),
                ("elements", model.get("elements")),
                ("engine", found["engine"].get("version")),
                ("distribution", ", ".join(found["engine"].get("distribution", ()))),
                ("asked_at", shown_moment(found.get("asked_at", ""))),
                ("handling_as_of", shown_moment(found.get("as_of", ""))),
            ]
        ),
        telling.heading("code_basis", 2),
        telling.listed(
            [("edition", 3), ("publisher", 2), ("in_force_from", 1.2), ("legal_reference", 2)],
            [(_edition(one), one.get("publisher", ""), one.get("effective_from", ""), one.get("legal_reference", "")) for one in basis["editions"]],
        ),
        telling.heading("rule_sets", 2),
        telling.listed(
            [("name", 3), ("revision", 1), ("sha256", 4)],
            [(one.get("title", one.get("slug", "")), one.get("version", ""), one.get("sha256", "")) for one in basis["rule_sets"]],
        ),
    ]
    if basis["amendments"]:
        rows = [(one.get("jurisdiction", ""), one.get("rule", ""), one.get("action", ""), one.get("citation", "")) for one in basis["amendments"]]
        story += [telling.heading("amendments", 2), telling.grid([("jurisdiction", 1.4), ("rule", 2), ("kind", 1.3), ("source", 3)], rows)]
    if found["history"]:
        rows = [(one["revision"], shown_moment(one["made_at"]), one["number"], one.get("sha256", "")) for one in found["history"]]
        story += [telling.heading("history", 2), telling.grid([("revision", 0.6), ("date", 1.6), ("report_number", 1.6), ("sha256", 4)], rows)]
    return story


def _summary(telling: Telling) -> list[Flowable]:
    found, words = telling.document, telling.words
    summary = found["summary"]
    parts = summary["outcomes"]
    colours = {"pass": "#2f855a", "fail": "#a4161a", "not_evaluable": "#8a5a00", "not_applicable": "#cbd2d9"}
    top = set(summary["top"])
    by_number = {one["number"]: one for one in found["findings"][: max(top, default=0)] if one["number"] in top}
    story: list[Flowable] = [
        telling.heading("summary"),
        Beside(
            [
                (telling.picture(charts.gauge(summary["score"], words["score"])), 1),
                (telling.picture(charts.gauge(_percent(summary["coverage"]), words["coverage"], colour=charts.GOOD)), 1),
                (telling.text(words["formula"], SMALL), 2),
            ]
        ),
        telling.text(f"{words['status']}: {summary['status']}", LARGE),
        telling.heading("outcomes", 2),
        telling.picture(charts.shares([(words.get(f"{name}.count", words[name]), parts[name], colour) for name, colour in colours.items()])),
        telling.heading("matrix", 2),
        telling.picture(charts.matrix(summary["by_category"], words)),
    ]
    if summary["by_storey"]:
        rows = charts.parts(summary["by_storey"])
        story += [telling.heading("by_storey", 2), telling.picture(charts.bars(rows, words))]
    if len(summary["trend"]) > 1:
        story += [telling.heading("trend", 2), telling.picture(charts.trend(summary["trend"], words))]
    if summary["top"]:
        story += [telling.heading("top", 2), _findings_grid(telling, [by_number[number] for number in summary["top"]])]
    return story


def _scope(telling: Telling) -> list[Flowable]:
    found, words = telling.document, telling.words
    story: list[Flowable] = [telling.heading("scope"), telling.text(words["scope.text"])]
    if found["model"].get("state") == "partial":
        story.append(telling.text(words["scope.partial"], Style(bold=True)))
    story.append(telling.heading("assumptions", 2))
    if found["assumptions"]:
        assumed = [(one["fact"], one["note"], one["findings"]) for one in found["assumptions"]]
        story.append(telling.grid([("fact", 1.5), ("assumptions", 5), ("count", 0.7)], assumed))
    else:
        story.append(telling.text(words["assumptions.none"]))
    story.append(telling.heading("not_evaluable", 2))
    if found["not_evaluable"]:
        rows = [(one["rule"], one.get("title", ""), ", ".join(one["missing"]), one["subjects"]) for one in found["not_evaluable"]]
        story.append(telling.grid([("rule", 2), ("name", 2.4), ("missing", 3), ("subjects", 0.8)], rows))
    else:
        story.append(telling.text(words["not_evaluable.none"]))
    if found["unlock"]:
        unlocking = [(one["fact"], one["rules"], one["subjects"]) for one in found["unlock"]]
        story += [telling.heading("unlock", 2), telling.grid([("fact", 4), ("rules", 1), ("subjects", 1)], unlocking)]
    return story


def _findings(telling: Telling) -> list[Flowable]:
    found, words = telling.document["findings"], telling.words
    story: list[Flowable] = [telling.heading("findings")]
    if not found:
        return [*story, telling.text(words["findings.none"])]
    if len(found) > MOST_PRINTED:
        note = words["findings.capped"].format(shown=MOST_PRINTED, total=len(found), attachment="findings.xlsx")
        story.append(telling.text(note, Style(bold=True)))
    printed = found[:MOST_PRINTED]
    for severity in charts.SEVERITIES:
        rows = [one for one in printed if one["severity"] == severity]
        if rows:
            story += [Heading(telling.structure, f"{words[severity]} ({len(rows)})", 2), _findings_grid(telling, rows, full=True)]
    return story


def _findings_grid(telling: Telling, findings: Sequence[Mapping[str, Json]], *, full: bool = False) -> Grid:
    columns = [("number", 0.5), ("rule", 1.9), ("element", 1.7), ("storey", 0.9), ("required", 1.1), ("actual", 1.1), ("message", 3)]
    if full:
        columns += [("evidence", 2.8)]
    return telling.grid(columns, (_finding_row(one, full) for one in findings), most_lines=16)


def _finding_row(one: Mapping[str, Json], full: bool) -> list[object]:
    rule = f"{one['rule']} {one['section']}".strip()
    element = " ".join(text for text in (one["name"], one["tag"], one["subject"]) if text)
    where = " ".join(text for text in (one["storey_name"], one["at_text"]) if text)
    said = one["message"] + (f" [{one['waiver']}]" if one["waiver"] else "")
    row: list[object] = [Cell(text=one["number"], chip=charts.COLOURS.get(one["severity"], "#7b8794")), rule, element, where]
    row += [one["required_text"], one["actual_text"], " ".join(text for text in (said, one["margin_text"], one["responsible"]) if text)]
    return [*row, one["evidence_text"]] if full else row


def _plans(telling: Telling) -> list[Flowable]:
    story: list[Flowable] = []
    for plan in telling.document["plans"]:
        story += [Heading(telling.structure, plan["name"], 2), telling.picture(drawing_of(plan["drawing"]), most_height=520)]
    return [telling.heading("plans"), *story] if story else []


def _passed(telling: Telling) -> list[Flowable]:
    rows = [(one["rule"], one.get("title", ""), one.get("section", ""), one["subjects"]) for one in telling.document["passed"]]
    shown = (
        telling.grid([("rule", 2), ("name", 4), ("section", 1.4), ("subjects", 0.8)], rows) if rows else telling.text(telling.words["passed.none"])
    )
    return [telling.heading("passed"), shown]


def _waivers(telling: Telling) -> list[Flowable]:
    rows = [
        (one["number"], one["rule"], one["kind"], one["justification"], one["approver"], one["authority_reference"], one["expires_on"] or "–")
        for one in telling.document["waivers"]
    ]
    columns = [("number", 0.6), ("rule", 1.6), ("kind", 1.1), ("justification", 3), ("approver", 1.2), ("authority", 1.2), ("expires", 0.9)]
    return [telling.heading("waivers"), telling.grid(columns, rows) if rows else telling.text(telling.words["waivers.none"])]


def _data_quality(telling: Telling) -> list[Flowable]:
    rows = [(one["kind"], one["detail"], one["count"]) for one in telling.document["data_quality"]]
    shown = telling.grid([("kind", 2), ("message", 5), ("count", 0.8)], rows) if rows else telling.text(telling.words["data_quality.none"])
    return [telling.heading("data_quality"), shown]


def _signoff(telling: Telling) -> list[Flowable]:
    parties = telling.document["parties"] or UNNAMED
    rows = [(one.get("role", ""), one.get("name", ""), one.get("licence", ""), "\u00a0", "\u00a0") for one in parties]
    grid = telling.grid([("role", 1.4), ("name", 2), ("licence", 1.2), ("date_signed", 1.2), ("signature", 2.6)], rows)
    for row in grid.rows:
        row.tall = 34.0  # room for a hand
    return [telling.heading("signoff"), telling.text(telling.words["signoff.text"]), grid]


def _element_index(telling: Telling) -> list[Flowable]:
    listed = telling.document["elements"][:MOST_INDEXED]
    rows = [(one["global_id"], one["ifc_class"], one["name"], one["storey_name"], ", ".join(map(str, one["findings"]))) for one in listed]
    return (
        [telling.heading("element_index"), telling.grid([("element", 2), ("kind", 1.5), ("name", 2.2), ("storey", 1.2), ("findings", 1.6)], rows)]
        if rows
        else []
    )


def _verification(telling: Telling) -> list[Flowable]:
    words = telling.words
    return [
        telling.heading("verification"),
        telling.text(words["verification.text"]),
        telling.pairs([("content_sha256", telling.content_sha256), ("verify_at", telling.verify_url), ("report_number", telling.document["number"])]),
        *seal(telling),
    ]


SECTIONS: Final[Mapping[str, Callable[[Telling], list[Flowable]]]] = {
    "control": _control,
    "summary": _summary,
    "scope": _scope,
    "findings": _findings,
    "plans": _plans,
    "passed": _passed,
    "waivers": _waivers,
    "data_quality": _data_quality,
    "signoff": _signoff,
    "element_index": _element_index,
    "verification": _verification,
}
ON_A_NEW_PAGE: Final = frozenset(("control", "summary", "scope", "findings", "plans", "passed", "signoff", "element_index"))
