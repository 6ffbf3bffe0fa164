"""What the browser finds in the story of the chat: a published flow, an owner, and an agent. Runs as a process of its own."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")

import django

OWNER, AGENT, PASSWORD, TENANT = "ada", "bob", "correct horse battery staple", "office"


def desk() -> dict[str, object]:
    """Asks two questions, one of them with choices."""
    return {
        "flow_id": "desk",
        "name": "Front desk",
        "initial_state": "welcome",
        "metadata": {"default_locale": "en", "handoff": {"queue": "permits", "priority": 10, "sla_seconds": 60}},
        "slots": {
            "storeys": {"type": "integer", "minimum": 1, "maximum": 200},
            "kind": {
                "type": "enum",
                "choices": [{"value": "office", "labels": {"en": "Office", "de": "Büro"}}, {"value": "school", "labels": {"en": "School"}}],
            },
        },
        "states": {
            "welcome": {
                "name": "welcome",
                "type": "response",
                "config": {
                    "response_templates": {"en": "Welcome to the front desk.", "de": "Willkommen."},
                    "typing_indicator": True,
                    "delay_ms": 300,
                },
                "transitions": [{"condition": "expression", "expression": "true", "target_state": "ask"}],
            },
            "ask": {
                "name": "ask",
                "type": "slot_filling",
                "config": {
                    "required_slots": ["kind", "storeys"],
                    "prompts": {"kind": {"en": "What is it going to be?", "de": "Was soll es werden?"}, "storeys": {"en": "How many storeys?"}},
                },
                "transitions": [{"condition": "slot_filled", "target_state": "done"}],
            },
            "done": {
                "name": "done",
                "type": "end",
                "config": {"response_templates": {"en": "{{ slots.storeys }} storeys, noted. See https://example.org/permits for the form."}},
            },
        },
    }


def build() -> None:
    from conversations import handoff
    from flows import services as flows
    from mcp_platform.tenancy import scope, services
    from mcp_platform.tenancy.models import Role, User

    with scope.platform_scope():
        owner = User.objects.create_superuser(OWNER, "ada@example.com", PASSWORD, first_name="Ada")
        tenant = services.create_tenant(slug=TENANT, name="Office of Ada", owner=owner)
        agent = User.objects.create_user(AGENT, "bob@example.com", PASSWORD, first_name="Bob", last_name="Builder", is_staff=True)
        services.add_member(tenant, user=agent, role=Role.AGENT, by=None)
        flows.import_flow(tenant, document=desk(), by=owner)
        flows.publish(tenant, flow_id="desk", by=owner)
        handoff.save_canned(tenant, shortcut="hours", texts={"en": "We are here from 8 to 4."})


if __name__ == "__main__":
    django.setup()
    build()
    sys.exit(0)
