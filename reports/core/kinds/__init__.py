"""The kinds of reports: how the document of each is composed, and what stands in its sections."""

from collections.abc import Mapping
from typing import Any, Final

from reports.core import document
from reports.core.kinds import analytics, comparison, experiment, period, project
from reports.core.kinds.telling import Kind

Json = Any
# Beside these there is "run", the report of one check, which has its own pages: reports.core.document and reports.render.pdf.story.
KINDS: Final[Mapping[str, Kind]] = {
    "project": project.KIND,
    "period": period.KIND,
    "comparison": comparison.KIND,
    "analytics": analytics.KIND,
    "experiment": experiment.KIND,
}


def compose(gathered: Mapping[str, Json]) -> dict[str, Json]:
    """The document of what was gathered, by its kind."""
    kind = KINDS.get(gathered["kind"])
    return kind.compose(gathered) if kind is not None else document.compose(gathered)
