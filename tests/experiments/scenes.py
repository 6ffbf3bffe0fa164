"""A small permit desk with an experiment on its question, and people who talk to it."""

from collections.abc import Mapping
from typing import Any

from conversations import services as talking
from experiments import services
from experiments.models import Experiment
from flows.models import FlowVersion
from mcp_platform.tenancy.models import Tenant
from tests import factories
from tests.playbook import ending, flow, response, to

DESK = flow(
    "desk",
    states={
        "hello": response("Welcome to the desk.", to("ask")),
        "ask": {
            "type": "slot_filling",
            "config": {"required_slots": ["storeys"], "prompts": {"storeys": "How many storeys?"}},
            "transitions": [to("done", "slot_filled")],
        },
        "done": ending("{{ slots.storeys }} storeys, noted."),
    },
    slots={"storeys": {"type": "integer", "minimum": 1, "maximum": 200}},
)
SHORTER = {"states": {"ask": {"config": {"prompts": {"storeys": "Storeys?"}}}}}
PLAN: Mapping[str, Any] = {
    "key": "shorter",
    "name": "A shorter question",
    "flow": "desk",
    "variants": [
        {"key": "control", "is_control": True, "percentage": 50.0},
        {"key": "short", "percentage": 50.0, "modifications": SHORTER},
    ],
    "metrics": [{"metric": "completed", "role": "primary"}],
}


def desk(tenant: Tenant) -> FlowVersion:
    """The flow runs, and there are metrics."""
    services.save_metric(tenant, fields={"key": "completed", "name": "Completed", "measure": "completion"}, by=None)
    services.save_metric(tenant, fields={"key": "refused", "name": "Refused values", "measure": "slot_retries"}, by=None)
    return factories.published(tenant, DESK)


def planned(tenant: Tenant, **more: Any) -> Experiment:
    return services.create(tenant, fields={**PLAN, **more}, by=None)


def started(tenant: Tenant, **more: Any) -> Experiment:
    row = planned(tenant, **more)
    services.validate(tenant, key=row.key, by=None)
    return services.start(tenant, key=row.key, by=None)


def begun(tenant: Tenant, user: str = "", **more: Any) -> Any:
    """A conversation that waits for its first message."""
    return talking.start(tenant, flow_id="desk", user_ref=user, **more)


def say(tenant: Tenant, conversation: Any, text: str) -> dict[str, Any]:
    return talking.process_message(tenant, conversation_id=conversation.conversation_id, content={"type": "text", "text": text}).reply
