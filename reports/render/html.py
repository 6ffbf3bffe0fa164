"""The document as a page: one file without anything from elsewhere, for the preview and to send. Django's templates escape every text."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from reports.core import charts, kinds
from reports.core.drawing import Drawing
from reports.core.labels import labels
from reports.core.plans import drawing_of
from reports.render import svg, told

Json = Any
MOST_SHOWN: Final = 5_000


def as_html(document: Mapping[str, Json], *, content_sha256: str, verify_url: str = "", brand: Mapping[str, Json] | None = None) -> bytes:
    words = labels(document["locale"])
    if document["kind"] in kinds.KINDS:
        return told.as_html(document, words, content_sha256=content_sha256, verify_url=verify_url, brand=brand or {})
    summary = document["summary"]
    findings = document["findings"]
    text = render_to_string(
        "reports/document.html",
        {
            "document": document,
            "words": words,
            "kind_title": words[f"report.{document['kind']}"],
            "scope_text": words["scope.text"] + (" " + words["scope.partial"] if document["model"].get("state") == "partial" else ""),
            "findings_none": words["findings.none"],
            "waivers_none": words["waivers.none"],
            "data_quality_none": words["data_quality.none"],
            "signoff_text": words["signoff.text"],
            "date_signed": words["date_signed"],
            "plans": [(plan["name"], _picture(drawing_of(plan["drawing"]))) for plan in document["plans"]],
            "summary": summary,
            "status_class": summary["status"].split()[0],
            "score": _picture(charts.gauge(summary["score"], words["score"])),
            "coverage": _picture(
                charts.gauge(None if summary["coverage"] is None else summary["coverage"] * 100, words["coverage"], colour=charts.GOOD)
            ),
            "matrix": _picture(charts.matrix(summary["by_category"], words)),
            "storeys": _picture(charts.bars(charts.parts(summary["by_storey"]), words)),
            "trend": _picture(charts.trend(summary["trend"], words)) if len(summary["trend"]) > 1 else "",
            "outcomes": [(words[name], count) for name, count in summary["outcomes"].items()],
            "groups": _groups(findings[:MOST_SHOWN], words),
            "capped": _capped(len(findings), words),
            "content_sha256": content_sha256,
            "verify_url": verify_url,
            "brand": brand or {},
        },
    )
    return text.encode()


def _capped(total: int, words: Mapping[str, str]) -> str:
    return words["findings.capped"].format(shown=MOST_SHOWN, total=total, attachment="findings.xlsx") if total > MOST_SHOWN else ""


def _picture(drawing: Drawing) -> SafeString:
    return mark_safe(svg.draw(drawing))  # noqa: S308  every text in it has been escaped


def _groups(findings: Sequence[Mapping[str, Json]], words: Mapping[str, str]) -> list[tuple[str, str, list[Mapping[str, Json]]]]:
    found = [(severity, words[severity], [one for one in findings if one["severity"] == severity]) for severity in charts.SEVERITIES]
    return [group for group in found if group[2]]
