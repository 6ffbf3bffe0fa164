"""What people do with versions of models beside promoting them: look, compare, watch, tell a registry outside."""

from mcp_platform.ml.versions.exporting import export, exported, is_exporting, start_export, untold
from mcp_platform.ml.versions.registry import Comparison, Entry, as_json, card, compare, gates_of, registry
from mcp_platform.ml.versions.watching import drift_of, is_watched, measure, start_measuring, unmeasured

__all__ = [
    "Comparison",
    "Entry",
    "as_json",
    "card",
    "compare",
    "drift_of",
    "export",
    "exported",
    "gates_of",
    "is_exporting",
    "is_watched",
    "measure",
    "registry",
    "start_export",
    "start_measuring",
    "unmeasured",
    "untold",
]
