"""The one document that every format of a report is made of: JSON, frozen once.

`compose` takes what the services have gathered and adds everything that can be computed, so that no renderer counts for itself and the numbers of
all formats agree. Values are SI; the texts beside them (`required_text`…) are in the units and the locale of the jurisdiction.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from reports.core.charts import SEVERITIES

Json: TypeAlias = Any
FORMAT: Final = "mcp-report/1"
MOST_TOP: Final = 10
RANK: Final = {name: place for place, name in enumerate(SEVERITIES)}


def compose(gathered: Mapping[str, Json]) -> dict[str, Json]:
    """The document of what was gathered: findings numbered in the order of their weight, and the summary over them.

    gathered: kind, title, locale, units, made_at, number, revision, supersedes, project, building, basis, model, engine, score, coverage, status,
    counts (rule key -> {pass, fail, not_applicable, not_evaluable}), rules (rule key -> {title, section, category, severity, edition}), findings,
    not_evaluable, unlock, waivers, data_quality, plans, trend, elements, parties, sections.
    """
    findings = numbered(gathered["findings"])
    open_findings = [one for one in findings if not one["waiver"]]
    return {
        "format": FORMAT,
        **{name: gathered[name] for name in HEAD},
        **moments(gathered),
        "summary": {
            "score": gathered["score"],
            "coverage": gathered["coverage"],
            "status": gathered["status"],
            "outcomes": outcomes(gathered["counts"]),
            "findings": len(findings),
            "waived": len(findings) - len(open_findings),
            "by_severity": {name: sum(one["severity"] == name for one in findings) for name in SEVERITIES},
            "by_category": table(findings, "category"),
            "by_storey": ranked(findings, "storey_name"),
            "by_discipline": ranked(findings, "discipline"),
            "trend": gathered["trend"],
            "top": [one["number"] for one in open_findings[:MOST_TOP]],
        },
        "assumptions": assumptions(findings),
        "findings": findings,
        "passed": passed(gathered["counts"], gathered["rules"]),
        "elements": indexed(gathered["elements"], findings),
        **{name: gathered[name] for name in TAIL},
    }


def moments(gathered: Mapping[str, Json]) -> dict[str, str]:
    """asked_at: of the request. as_of: of the rows that can change, such as waivers. issued_at: of the document. made_at is that of its subject."""
    return {name: gathered.get(name, "") for name in ("asked_at", "as_of", "issued_at")}


HEAD: Final = (
    *("kind", "title", "locale", "units", "made_at", "number", "revision", "supersedes", "sections"),
    *("project", "building", "basis", "model", "engine", "history"),
)
TAIL: Final = ("not_evaluable", "unlock", "waivers", "data_quality", "plans", "parties")


def numbered(findings: Iterable[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Most severe first, then by rule, storey and element; numbered from 1. The same findings give the same numbers."""
    ordered = sorted(findings, key=lambda one: (RANK.get(one["severity"], 9), one["rule"], one["storey_name"], one["name"], one["subject"]))
    return [{"number": place, **one} for place, one in enumerate(ordered, 1)]


def indexed(elements: Iterable[Mapping[str, Json]], findings: Iterable[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Each element with the numbers of its findings."""
    numbers: dict[str, list[int]] = {}
    for one in findings:
        numbers.setdefault(one["subject"], []).append(one["number"])
    return [{**element, "findings": numbers.get(element["global_id"], [])} for element in elements]


def outcomes(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for row in counts.values():
        total.update(row)
    return {name: total[name] for name in ("pass", "fail", "not_applicable", "not_evaluable")}


def table(findings: Sequence[Mapping[str, Json]], field: str) -> dict[str, dict[str, int]]:
    """value of `field` -> severity -> count."""
    found: dict[str, Counter[str]] = {}
    for one in findings:
        found.setdefault(one[field] or "–", Counter())[one["severity"]] += 1
    return {name: {severity: found[name][severity] for severity in SEVERITIES} for name in sorted(found)}


def ranked(findings: Sequence[Mapping[str, Json]], field: str) -> list[dict[str, Json]]:
    rows = table(findings, field).items()
    return [{"name": name, **parts} for name, parts in sorted(rows, key=lambda row: (-sum(row[1].values()), row[0]))]


def assumptions(findings: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """What had to be assumed for the findings, and for how many of them."""
    counted = Counter((fact["fact"], fact.get("note", "")) for one in findings for fact in one["evidence"] if fact.get("assumed"))
    return [{"fact": fact, "note": note, "findings": count} for (fact, note), count in sorted(counted.items(), key=lambda row: (-row[1], row[0]))]


def passed(counts: Mapping[str, Mapping[str, int]], rules: Mapping[str, Mapping[str, Json]]) -> list[dict[str, Json]]:
    """The rules that were evaluated and hold everywhere."""
    held = [key for key, row in counts.items() if row.get("pass") and not row.get("fail")]
    return [{"rule": key, **rules.get(key, {}), "subjects": counts[key]["pass"]} for key in sorted(held)]


def canonical(document: Mapping[str, Json]) -> str:
    """The text that the content's SHA-256 is of: keys sorted, no spaces, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256(document: Mapping[str, Json]) -> str:
    return hashlib.sha256(canonical(document).encode()).hexdigest()
