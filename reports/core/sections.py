"""The kinds of reports, and the sections and formats that each may have, in their usual order."""

from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    "run": "One check",
    "project": "Project",
    "period": "Period",
    "comparison": "Comparison",
    "analytics": "Conversations",
    "experiment": "Experiment",
}
SECTIONS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "run": (
        *("control", "summary", "scope", "findings", "plans", "passed"),
        *("waivers", "data_quality", "signoff", "element_index", "verification"),
    ),
    "project": ("control", "summary", "buildings", "findings", "responsible", "not_evaluable", "waivers", "signoff", "verification"),
    "period": ("control", "summary", "trend", "opened", "resolved", "handled", "waivers", "signoff", "verification"),
    "comparison": ("control", "summary", "rules", "opened", "resolved", "changed", "signoff", "verification"),
    "analytics": ("control", "summary", "days", "funnel", "versions", "understanding", "integrations", "satisfaction", "measures", "verification"),
    "experiment": ("control", "summary", "design", "metrics", "guardrails", "exposure", "funnel", "decision", "method", "signoff", "verification"),
}
SECTIONS: Final = tuple(dict.fromkeys(name for names in SECTIONS_OF.values() for name in names))
FORMATS: Final = ("pdf", "html", "json", "xlsx", "csv", "bcf")
FORMATS_OF: Final[Mapping[str, tuple[str, ...]]] = {kind: FORMATS if kind in ("run", "project", "comparison") else FORMATS[:-1] for kind in KINDS}
