"""What the walk through all doors (tests/platform/test_walk.py) finds of IDS and BCF files: the calls.

A call: method and path, what the owner gets, body, what a stranger gets (404 when none is said). Bodies are JSON here; a form is wanted.
"""

from typing import Any

BUILDING = "validation/buildings/{building_id}"
VERSION = "validation/rule-sets/{rule_set_id}/versions/{version_id}"

FILES: tuple[tuple[Any, ...], ...] = (
    ("POST validation/ids/audit", 415, {}, 415),
    ("POST validation/ids/check", 415, {}, 415),
    (f"GET {BUILDING}/bcf",),
    (f"POST {BUILDING}/bcf", 415, {}),
    (f"GET {VERSION}/ids", 404),  # no rule of this one came from an IDS file
    (f"POST {VERSION}/ids", 415, {}),
)
