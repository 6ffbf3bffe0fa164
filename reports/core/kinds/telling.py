"""What the sections of every kind are made from and of: the document, its words, and blocks that more than one kind needs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reports.core import charts
from reports.core.blocks import Block, Column, Cover, Figure, Form, Heading, Pairs, Paragraph, Section, Side, Table
from reports.core.document import moments

Json = Any
HEAD: Final = ("kind", "title", "locale", "units", "made_at", "number", "revision", "supersedes", "sections", "history", "project")
CHANGE_COLUMNS: Final = (
    *("severity", "category", "rule", "title", "section", "edition", "subject", "name", "ifc_class", "storey_name"),
    *("required", "actual", "margin", "unit", "required_text", "actual_text", "margin_text", "message", "state"),
)
UNNAMED: Final = ({"role": "", "name": "", "licence": ""},) * 3  # lines for whoever signs, where nobody is named
STATUS_COLOURS: Final = {"non-compliant": "#a4161a", "indeterminate": "#8a5a00"}
GOOD: Final = "#2f855a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The document and its words; where it can be verified, and by what."""

    document: Mapping[str, Json]
    words: Mapping[str, str]
    content_sha256: str = ""
    verify_url: str = ""

    def heading(self, name: str) -> Heading:
        return Heading(text=self.words[name])

    def note(self, name: str, look: Any = "plain") -> Paragraph:
        return Paragraph(text=self.words[name], look=look)

    def pairs(self, rows: Iterable[tuple[str, Json]]) -> Pairs:
        return Pairs(rows=tuple((self.words[name], value) for name, value in rows if value not in (None, "", [], {})))

    def table(self, name: str, columns: Iterable[Sequence[Any]], rows: Iterable[Sequence[Json]], **more: Any) -> Table:
        """Columns: key of their words, share of the width, form."""
        made = tuple(Column(title=self.words[one[0]], share=one[1], form=_form(one)) for one in columns)
        return Table(name=self.words[name], columns=made, rows=list(rows), **more)

    def listed(self, name: str, columns: Sequence[Any], rows: Sequence[Sequence[Json]], none: str = "nothing", **more: Any) -> Block:
        """The table, or the words that there is nothing to list."""
        return self.table(name, columns, rows, **more) if rows else self.note(none)


def in_order(counts: Mapping[str, Json], names: Sequence[str]) -> list[tuple[str, Json]]:
    """Items in the order of `names`: a document is JSON with sorted keys."""
    return [(name, counts[name]) for name in names if name in counts]


def most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _form(column: Sequence[Any]) -> Form:
    return column[2] if len(column) == 3 else "text"


Tell = Callable[[Told], Sequence[Block]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """compose: gathered → document. cover, sections: document → blocks. rows, columns: the list that is the CSV, and what of each row.

    alone: sections that begin a new page.
    """

    compose: Callable[[Mapping[str, Json]], dict[str, Json]]
    cover: Callable[[Told], Cover]
    sections: Mapping[str, Tell]
    rows: str
    columns: tuple[str, ...]
    alone: frozenset[str] = frozenset()

    def tell(self, told: Told, names: Iterable[str] | None = None) -> list[Section]:
        """The sections that are asked for and have something to say; all of them without `names`."""
        chosen = [name for name in (names if names is not None else self.sections) if name in self.sections]
        made = [(name, self.sections[name](told)) for name in chosen]
        return [
            Section(name=name, title=told.words[f"section.{name}"], blocks=blocks, on_new_page=name in self.alone) for name, blocks in made if blocks
        ]


def head(gathered: Mapping[str, Json]) -> dict[str, Json]:
    """What every document begins with."""
    return {"format": "mcp-report/1", **{name: gathered[name] for name in HEAD}, **moments(gathered)}


def figures(told: Told, summary: Mapping[str, Json]) -> tuple[Any, ...]:
    """Score and coverage as gauges."""
    coverage = summary["coverage"]
    return (
        charts.gauge(summary["score"], told.words["score"]),
        charts.gauge(None if coverage is None else 100 * coverage, told.words["coverage"], colour=charts.GOOD),
    )


def gauges(told: Told, summary: Mapping[str, Json]) -> Side:
    score, coverage = figures(told, summary)
    return Side(parts=((Figure(drawing=score), 1), (Figure(drawing=coverage), 1), (told.note("formula", "small"), 2)))


def identity(told: Told) -> list[tuple[str, Json]]:
    """The lines of the cover that every kind has."""
    found = told.document
    named = [(name, found[key]) for name, key in (("report_number", "number"), ("revision", "revision"), ("supersedes", "supersedes"))]
    dated = [(name, shown_moment(found[key])) for name, key in (("asked_at", "asked_at"), ("issued", "issued_at")) if found.get(key)]
    return [("as_of", shown_moment(found["made_at"])), *dated, *named]


def shown_moment(at: str) -> str:
    return str(at)[:16].replace("T", " ") + (" UTC" if str(at).endswith(("Z", "+00:00")) else str(at)[19:])


def history(told: Told) -> list[Block]:
    rows = [(one["revision"], one["made_at"], one["number"], one["sha256"]) for one in told.document["history"]]
    if not rows:
        return []
    return [
        told.heading("history"),
        told.table("history", [("revision", 0.6), ("as_of", 1.2, "moment"), ("report_number", 1.2), ("sha256", 4)], rows),
    ]


def project_facts(told: Told) -> list[tuple[str, Json]]:
    project = told.document["project"]
    return [
        ("project", project.get("name")),
        ("address", project.get("address")),
        ("permit_number", project.get("permit_number")),
        ("permit_date", project.get("permit_application_date")),
        ("jurisdiction", named(project.get("jurisdiction") or {})),
    ]


def named(thing: Mapping[str, Json]) -> str:
    return " ".join(str(thing[key]) for key in ("code", "name") if thing.get(key))


def edition(one: Mapping[str, Json]) -> str:
    return " ".join(str(one[key]) for key in ("title", "edition") if one.get(key))


def code_basis(told: Told, basis: Mapping[str, Json]) -> list[Block]:
    editions = [(edition(one), one.get("publisher", ""), one.get("effective_from", ""), one.get("legal_reference", "")) for one in basis["editions"]]
    rule_sets = [(one.get("title") or one.get("slug", ""), one.get("version", ""), one.get("sha256", "")) for one in basis["rule_sets"]]
    return [
        told.heading("code_basis"),
        told.listed("code_basis", [("edition", 3), ("publisher", 2), ("in_force_from", 1.2), ("legal_reference", 2)], editions),
        told.heading("rule_sets"),
        told.listed("rule_sets", [("name", 3), ("revision", 1), ("sha256", 4)], rule_sets),
    ]


def signoff(told: Told) -> list[Block]:
    parties = told.document.get("parties") or UNNAMED
    rows = [(one.get("role", ""), one.get("name", ""), one.get("licence", ""), "\u00a0", "\u00a0") for one in parties]
    columns = [("role", 1.4), ("name", 2), ("licence", 1.2), ("date_signed", 1.2), ("signature", 2.6)]
    return [told.note("signoff.text"), told.table("signoff", columns, rows, tall=34.0)]


def verification(told: Told) -> list[Block]:
    about = [("content_sha256", told.content_sha256), ("verify_at", told.verify_url), ("report_number", told.document["number"])]
    return [told.note("verification.text"), told.pairs(about)]


def waivers(told: Told) -> list[Block]:
    rows = [
        tuple(one.get(name) or "–" for name in ("building", "number", "rule", "kind", "state", "justification", "approver", "expires_on"))
        for one in told.document["waivers"]
    ]
    columns = [("building", 1.2), ("number", 0.6), ("rule", 1.6), ("kind", 1.1), ("state", 1), ("justification", 2.6), ("approver", 1.1)]
    return [told.listed("waivers", [*columns, ("expires", 1.1)], rows, "waivers.none")]
