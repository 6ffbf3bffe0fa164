"""The sections and formats that a report may have, in their usual order."""

from typing import Final

SECTIONS: Final = (
    *("control", "summary", "scope", "findings", "plans", "passed"),
    *("waivers", "data_quality", "signoff", "element_index", "verification"),
)
FORMATS: Final = ("pdf", "html", "json", "xlsx", "csv")
