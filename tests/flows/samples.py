"""Good flows that tests and benchmarks share. Each function gives a fresh document (plain JSON), without errors and without warnings."""

from typing import Any

Document = dict[str, Any]


def transition(condition: str, target: str, value: str = "", **more: Any) -> Document:
    return {"condition": condition, "condition_value": value, "target_state": target, **more}


def order_flow(flow_id: str = "order") -> Document:
    """Two slots, four turns: start; "2" pizzas; "large"; "yes"."""
    return {
        "flow_id": flow_id,
        "name": "Order a pizza",
        "version": "1",
        "description": "Asks for two slots and confirms.",
        "initial_state": "hello",
        "slots": {
            "count": {"type": "integer", "minimum": 1, "maximum": 20, "message": "Between 1 and 20, please."},
            "size": {"type": "enum", "choices": ["small", {"value": "large", "synonyms": ["big", "family"]}]},
        },
        "intents": {
            "yes": {"patterns": ["yes", "/^(ok|sure|yep)$/"], "keywords": ["correct"], "examples": ["yes please", "that is right"]},
            "no": {"patterns": ["no", "wrong"], "examples": ["no, that is wrong"]},
            "prices": {"keywords": ["price"], "examples": ["what does it cost?"]},
        },
        "variables": {"price": 8, "total": {"type": "int"}},
        "states": {
            "hello": {
                "type": "response",
                "config": {"response_templates": {"default": "Hello! Let us order.", "de": "Hallo! Bestellen wir."}},
                "transitions": [transition("expression", "ask", expression="true")],
            },
            "ask": {
                "type": "slot_filling",
                "config": {
                    "required_slots": ["count", "size"],
                    "prompts": {
                        "count": {"default": "How many pizzas?", "de": "Wie viele Pizzen?"},
                        "size": "{{ slots.count }} pizzas. Which size: small or large?",
                    },
                    "retry_prompts": {"count": "A number, please."},
                },
                "transitions": [
                    transition(
                        "slot_filled",
                        "confirm",
                        actions=[
                            {
                                "type": "set_variable",
                                "name": "total",
                                "expression": "slots.count * (slots.size == 'large' ? variables.price + 4 : variables.price)",
                            }
                        ],
                    )
                ],
            },
            "confirm": {
                "type": "intent",
                "config": {
                    "intent_patterns": ["yes", "no"],
                    "prompt": "{{ slots.count }} {{ slots.size }} for {{ variables.total | number(2) }}. Is that right?",
                },
                "transitions": [
                    transition("intent_match", "done", "yes", priority=10),
                    transition("intent_match", "sorry", "no", priority=20),
                ],
            },
            "sorry": {"type": "end", "config": {"response_templates": {"default": "Then not."}, "completion_type": "cancelled"}},
            "done": {
                "type": "end",
                "config": {
                    "response_templates": {"default": "Ordered: {{ slots.count }} {{ slots.size | upper }}."},
                    "outputs": {"total": "variables.total"},
                },
                "entry_actions": [{"type": "log_event", "name": "ordered", "data": {"count": "{{ slots.count }}"}}],
            },
        },
        "global_handlers": {
            "prices": {
                "on": "intent",
                "value": "prices",
                "mode": "inline",
                "response_templates": {"default": "{{ variables.price }} each."},
            },
        },
        "metadata": {"default_locale": "en"},
    }


def order_said() -> list[str]:
    """What a user says to `order_flow`, after the start."""
    return ["2", "large", "yes"]


def big_flow(states: int = 100, flow_id: str = "big") -> Document:
    """A chain of `states` states in groups of three: a response, a slot filling and a condition, and an end."""
    groups = max(1, (states - 1) // 3)
    body: Document = {}
    for number in range(groups):
        following = f"say{number + 1}" if number + 1 < groups else "done"
        body |= group(number, following)
    body["done"] = {"type": "end", "config": {"response_templates": {"default": "Done."}}}
    return {"flow_id": flow_id, "name": "Big", "version": "1", "initial_state": "say0", "variables": {"sum": 0}, "states": body}


def group(number: int, following: str) -> Document:
    slot = f"n{number}"
    return {
        f"say{number}": {
            "type": "response",
            "config": {"response_templates": {"default": f"Step {number}: the sum is {{{{ variables.sum }}}}."}},
            "transitions": [transition("expression", f"ask{number}", expression="true")],
        },
        f"ask{number}": {
            "type": "slot_filling",
            "config": {
                "required_slots": [slot],
                "validation_rules": {slot: {"type": "integer", "minimum": 0}},
                "prompts": {slot: f"Number {number}?"},
            },
            "transitions": [transition("slot_filled", f"check{number}")],
        },
        f"check{number}": {
            "type": "condition",
            "transitions": [
                transition(
                    "expression",
                    following,
                    expression=f"slots.{slot} > {number}",
                    priority=10,
                    actions=[{"type": "set_variable", "name": "sum", "expression": f"variables.sum + slots.{slot}"}],
                ),
                transition("expression", following, expression="true"),
            ],
        },
    }


def sub_flow_pair() -> tuple[Document, Document]:
    """`visit` calls `address` as a sub-flow, which asks for a city and gives it back."""
    return visit_flow(), address_flow()


def visit_flow() -> Document:
    return {
        "flow_id": "visit",
        "name": "Plan a visit",
        "version": "1",
        "initial_state": "collect",
        "variables": {"place": "", "country": "AT"},
        "states": {
            "collect": {
                "type": "response",
                "config": {"response_templates": {"default": "Where shall we come to?"}},
                "entry_actions": [
                    {"type": "trigger_flow", "flow_id": "address", "inputs": {"country": "variables.country"}, "outputs": {"place": "city"}}
                ],
                "transitions": [transition("expression", "bye", expression="true")],
            },
            "bye": {"type": "end", "config": {"response_templates": {"default": "See you in {{ variables.place }}."}}},
        },
    }


def address_flow() -> Document:
    return {
        "flow_id": "address",
        "name": "Ask for an address",
        "version": "1",
        "initial_state": "ask",
        "variables": {"country": "DE"},
        "states": {
            "ask": {
                "type": "slot_filling",
                "config": {
                    "required_slots": ["city"],
                    "validation_rules": {"city": {"type": "text", "min_length": 2}},
                    "prompts": {"city": "Which city in {{ variables.country }}?"},
                },
                "transitions": [transition("slot_filled", "back")],
            },
            "back": {"type": "end", "config": {"outputs": {"city": "slots.city"}}},
        },
    }


def lookup_flow() -> Document:
    """Calls the integration `crm`; waits for a reply with a timeout; has an error branch."""
    return {
        "flow_id": "lookup",
        "name": "Where is my order?",
        "version": "1",
        "initial_state": "ask",
        "variables": {"state_of_order": {"type": "string"}},
        "states": {
            "ask": {
                "type": "slot_filling",
                "config": {
                    "required_slots": ["order_no"],
                    "validation_rules": {"order_no": {"type": "pattern", "pattern": "[A-Z]{2}[0-9]{4}"}},
                    "prompts": {"order_no": "Your order number?"},
                },
                "transitions": [transition("slot_filled", "fetch")],
            },
            "fetch": {
                "type": "integration",
                "config": {
                    "integration_id": "crm",
                    "endpoint": "/orders",
                    "method": "POST",
                    "timeout_ms": 3000,
                    "request_mapping": {"number": "slots.order_no", "at": "string(now)"},
                    "response_mapping": {"state_of_order": "string(response.state)"},
                },
                "transitions": [transition("integration_success", "answer"), transition("integration_error", "apologise")],
            },
            "answer": {
                "type": "wait",
                "config": {"prompt": "It is {{ variables.state_of_order }}. Anything else?", "timeout_ms": 60000},
                "transitions": [transition("any_input", "ask"), transition("timeout", "bye")],
            },
            "apologise": {
                "type": "response",
                "config": {"response_templates": {"default": "I can't reach our order system ({{ error.code }})."}},
                "transitions": [transition("expression", "bye", expression="true")],
            },
            "bye": {"type": "end", "config": {"response_templates": {"default": "Bye."}}},
        },
    }


def good_flows() -> list[Document]:
    return [order_flow(), big_flow(31), *sub_flow_pair(), lookup_flow()]
