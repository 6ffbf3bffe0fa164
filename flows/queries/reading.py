"""What a definition and its problems say, for those who show or follow them."""

from collections.abc import Iterable
from dataclasses import asdict

from flows.core.sites import all_actions
from flows.core.types import Flow as Definition
from flows.core.types import Problem, TriggerFlow


def flows_used(parsed: Definition) -> frozenset[str]:
    """The flow_ids that this flow can start: its trigger_flow actions and its handlers."""
    triggered = {action.flow_id for _, _, action in all_actions(parsed) if isinstance(action, TriggerFlow)}
    return frozenset(triggered | {handler.flow_id for handler in parsed.handlers if handler.flow_id})


def as_errors(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Problems as the `errors` of a problem document."""
    return [{**asdict(found), "severity": found.severity.value} for found in problems]
