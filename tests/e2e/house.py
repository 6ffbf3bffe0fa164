"""What the browser finds: a tenant with one draft, and a superuser. Runs as a process of its own, against the server's database file."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")

import django

USER, PASSWORD, TENANT = "ada", "correct horse battery staple", "office"


def greeting() -> dict[str, object]:
    """Asks for a name and a number of storeys, answers one question in between, ends."""
    return {
        "flow_id": "greeting",
        "name": "Greeting",
        "description": "Asks who is there.",
        "initial_state": "ask",
        "intents": {"ask_why": {"patterns": ["why"]}},
        "global_handlers": {
            "why": {"on": "intent", "value": "ask_why", "mode": "inline", "response_templates": {"default": "To greet you properly."}}
        },
        "states": {
            "ask": {
                "name": "ask",
                "type": "slot_filling",
                "config": {
                    "required_slots": ["storeys"],
                    "validation_rules": {"storeys": "integer"},
                    "prompts": {"storeys": "How many storeys does it have?"},
                },
                "transitions": [{"condition": "slot_filled", "target_state": "judge"}],
            },
            "judge": {
                "name": "judge",
                "type": "condition",
                "config": {},
                "transitions": [
                    {"condition": "expression", "expression": "slots.storeys >= 8", "target_state": "high", "priority": 10},
                    {"condition": "expression", "expression": "true", "target_state": "low"},
                ],
            },
            "high": {"name": "high", "type": "end", "config": {"response_templates": {"default": "{{ slots.storeys }} storeys: a high-rise."}}},
            "low": {"name": "low", "type": "end", "config": {"response_templates": {"default": "{{ slots.storeys }} storeys: not a high-rise."}}},
        },
    }


def build() -> None:
    from flows import services as flows
    from mcp_platform.tenancy import scope, services
    from mcp_platform.tenancy.models import User

    with scope.platform_scope():
        user = User.objects.create_superuser(USER, "ada@example.com", PASSWORD)
        tenant = services.create_tenant(slug=TENANT, name="Office of Ada", owner=user)
        flows.import_flow(tenant, document=greeting(), by=user)


if __name__ == "__main__":
    django.setup()
    build()
    sys.exit(0)
