"""The demo building: two storeys of offices with deliberate violations (`violations`), the same bytes every time (`write`)."""

from validation.ingest.demo.planted import VIOLATIONS, Violation, violations
from validation.ingest.demo.writer import write

__all__ = ["VIOLATIONS", "Violation", "violations", "write"]
