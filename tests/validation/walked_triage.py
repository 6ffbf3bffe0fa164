"""What the walk through all doors (tests/platform/test_walk.py) asks of the triage: the calls."""

from typing import Any

TRIAGE: tuple[tuple[Any, ...], ...] = (
    ("GET validation/triage", 200, None, 200),
    ("POST validation/triage/train", 409, {}, 409),  # too few findings have been judged
    ("POST validation/triage/rescore", 202, None, 202),
    ("GET validation/triage/readings", 200, None, 200),
    ("GET validation/triage/findings/{finding_id}",),
)
