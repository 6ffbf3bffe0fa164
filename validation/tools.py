"""What this app offers to machines: flows, and the Model Context Protocol. A tool sees one tenant; a stranger's building is not there."""

from collections.abc import Mapping
from typing import Any, Final

from mcp_platform.toolkit import Tool
from validation.core.rules import CATEGORIES, Severity
from validation.queries.board import ORDERS
from validation.services import explaining

BUILDING: Final = {
    "type": "string",
    "maxLength": 200,
    "description": "Id or name of the building; may be left out where there is only one",
}


def _run(tenant: Any, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
    house = explaining.building(tenant, arguments.get("building", ""))
    return explaining.run_and_wait(tenant, house, seconds=arguments.get("wait_seconds", 20), by=actor)


def _findings(tenant: Any, arguments: Mapping[str, Any], _actor: str) -> dict[str, Any]:
    house = explaining.building(tenant, arguments.get("building", ""))
    filters = {name: arguments.get(name) for name in ("severity", "category", "outcome", "rule", "state", "text")}
    order = arguments.get("ordering", "ml_score")
    return explaining.findings(tenant, house, filters=filters, ordering=order, limit=arguments.get("limit", 10))


def _explain(tenant: Any, arguments: Mapping[str, Any], _actor: str) -> dict[str, Any]:
    house = explaining.building(tenant, arguments.get("building", ""))
    names = {"element": "element", "finding_id": "finding", "rule": "rule"}
    return explaining.explain(tenant, house, **{name: arguments.get(given, "") for name, given in names.items()})


STANDING: Final = {
    "building": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "project": {"type": "string"}}},
    "score": {"type": ["number", "null"], "description": "0 to 100; null before the first check"},
    "coverage": {"type": ["number", "null"], "description": "Share of checks that could be evaluated"},
    "status": {"type": "string"},
    "violations": {"type": "integer"},
    "not_evaluable": {"type": "integer"},
    "waived": {"type": "integer"},
    "by_severity": {"type": "object", "additionalProperties": {"type": "integer"}},
}

RUN = Tool(
    name="validation.run",
    title="Check a building",
    description="Checks the newest model of a building against the rules in force for its permit, and says how it stands. A check that takes longer "
    "than wait_seconds goes on; ask for the findings later.",
    scope="validation:run",
    call=_run,
    input_schema={
        "type": "object",
        "properties": {"building": BUILDING, "wait_seconds": {"type": "number", "minimum": 0, "maximum": 25}},
        "additionalProperties": False,
    },
    output_schema={
        "type": "object",
        "properties": {
            "run": {"type": "string"},
            "state": {"enum": ["done", "running"]},
            **STANDING,
            "missing_facts": {"type": "array", "items": {"type": "object"}},
            "text": {"type": "string"},
        },
        "required": ["run", "state", "building", "text"],
    },
    idempotent=True,  # a second check of the same model finds the same
)

FINDINGS = Tool(
    name="validation.findings",
    title="Findings of a building",
    description="What the last check of a building found and nobody has settled, in the order in which it should be looked at.",
    scope="validation:read",
    call=_findings,
    input_schema={
        "type": "object",
        "properties": {
            "building": BUILDING,
            "severity": {"enum": [one.value for one in Severity]},
            "category": {"enum": list(CATEGORIES)},
            "outcome": {"enum": ["fail", "not_evaluable"]},
            "state": {"enum": ["open", "acknowledged", "in_progress", "fixed", "waived", "false_positive", "reopened"]},
            "rule": {"type": "string", "maxLength": 80, "description": "Key of a rule"},
            "text": {"type": "string", "maxLength": 200, "description": "Words in messages, names of elements, rules"},
            "ordering": {"enum": sorted(ORDERS)},
            "limit": {"type": "integer", "minimum": 1, "maximum": explaining.MOST_LISTED},
        },
        "additionalProperties": False,
    },
    output_schema={
        "type": "object",
        "properties": {
            **STANDING,
            "total": {"type": "integer"},
            "findings": {"type": "array", "items": {"type": "object"}},
            "text": {"type": "string"},
        },
        "required": ["building", "total", "findings", "text"],
    },
    idempotent=True,
)

EXPLAIN = Tool(
    name="validation.explain",
    title="Why something fails",
    description="Where the code says it, what is required and what the model has, on which facts that stands, and what would fix it. For one "
    "finding, or for the element that a name, a tag or a question such as “why does door 12 fail?” names.",
    scope="validation:read",
    call=_explain,
    input_schema={
        "type": "object",
        "properties": {
            "building": BUILDING,
            "finding": {"type": "string", "maxLength": 64, "description": "Id of a finding"},
            "element": {"type": "string", "maxLength": 500, "description": "Name, tag or global id of an element, or a question about it"},
            "rule": {"type": "string", "maxLength": 80, "description": "Key of a rule: only its findings"},
        },
        "anyOf": [{"required": ["finding"]}, {"required": ["element"]}],
        "additionalProperties": False,
    },
    output_schema={
        "type": "object",
        "properties": {
            "building": {"type": "object"},
            "element": {"type": "string"},
            "total": {"type": "integer"},
            "explanations": {"type": "array", "items": {"type": "object"}},
            "text": {"type": "string"},
        },
        "required": ["explanations", "text"],
    },
    idempotent=True,
)

TOOLS: tuple[Tool, ...] = (RUN, FINDINGS, EXPLAIN)
