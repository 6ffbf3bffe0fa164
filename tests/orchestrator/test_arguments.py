"""Arguments against the schema of somebody else's server: faults are found, and the schema can do us no harm."""

import time
from typing import Any

import pytest

from mcp_platform.orchestrator.core import arguments
from mcp_platform.orchestrator.core.answers import Answer

CLOCK = {
    "type": "object",
    "properties": {"zone": {"type": "string"}, "pattern": {"type": "integer"}},
    "required": ["zone"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("given", "path"),
    [({"zone": "UTC"}, ""), ({"zone": "UTC", "pattern": 1}, ""), ({}, "$"), ({"zone": 1}, "$.zone"), ({"zone": "UTC", "pattern": "x"}, "$.pattern"),
     ({"zone": "UTC", "more": 1}, "$")],
)  # fmt: skip
def test_the_first_fault_is_named(given: dict[str, Any], path: str) -> None:
    assert arguments.fault_of(given, schema=CLOCK, key="clock")[0] == path


HOSTILE: dict[str, Any] = {
    "a slow pattern": {"properties": {"zone": {"pattern": "^(a+)+$"}}},
    "slow names": {"patternProperties": {"^(a+)+$": {"type": "integer"}}, "additionalProperties": False},
    "a reference outside": {"$ref": "http://169.254.169.254/latest/meta-data"},
    "a reference to itself": {"$ref": "#"},
    "no such type": {"type": "colour"},
    "no schema": {"properties": 3},
    "each item with each": {"properties": {"many": {"uniqueItems": True}}},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_left_to_its_server(name: str) -> None:
    long = "a" * 40 + "!"
    began = time.process_time()
    assert arguments.fault_of({"zone": long, long: "x", "many": [*range(30_000), "x", {}]}, schema=HOSTILE[name], key=name) == ("", "")
    assert time.process_time() - began < 30  # the pattern would take years


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        (Answer(server="s", tool="t", structured={"a": 1}, content=({"type": "text", "text": "x"},)), {"a": 1}),
        (Answer(server="s", tool="t", content=({"type": "text", "text": '{"a": [1]}'},)), {"a": [1]}),
        (Answer(server="s", tool="t", content=({"type": "text", "text": "12"},)), "12"),
        (Answer(server="s", tool="t", content=({"type": "text", "text": "{not json"},)), "{not json"),
        (Answer(server="s", tool="t"), []),
        (
            Answer(server="s", tool="t", content=({"type": "image", "data": "", "mimeType": "image/png"},)),
            [{"type": "image", "data": "", "mimeType": "image/png"}],
        ),
    ],
)
def test_an_answer_as_flows_see_it(answer: Answer, plain: Any) -> None:
    assert answer.plain() == plain
