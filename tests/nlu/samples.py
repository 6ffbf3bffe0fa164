"""A small data set of our own, made from parts, and a flow that has it as examples."""

from itertools import product
from typing import Any

from tests.playbook import flow

_PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "refund": (
        ("I want", "please give me", "can I get"),
        ("my money back", "a refund for the broken kettle", "a refund of what I paid", "the price back"),
    ),
    "track": (("where is", "when do I get", "please track"), ("my parcel", "the package I ordered", "my delivery", "the shipment")),
    "account": (("I would like to", "how do I", "help me to"), ("open an account", "sign up", "register as a customer", "create a login")),
    "hours": (
        ("what are", "tell me", "I need to know"),
        ("your opening hours", "when the shop is open", "the hours on sunday", "until when you are open"),
    ),
}
ASKED: dict[str, tuple[str, ...]] = {
    "refund": ("reimburse me for this order", "the kettle is broken and I want the money", "refund please"),
    "track": ("has my parcel been sent", "is the delivery on its way", "track the package"),
    "account": ("let me register", "I need a new account", "sign me up"),
    "hours": ("are you open on saturday", "when does the shop open", "opening times please"),
}
STRANGERS = (
    "how many moons does jupiter have", "write a limerick about a sailor", "my knee hurts when I run", "which chess opening is best against e4",
    "translate good morning into finnish", "what is the boiling point of lead", "did you sleep well", "name three painters of the renaissance",
)  # fmt: skip


def examples(most: int = 12) -> list[tuple[str, str]]:
    return [(f"{one} {other}", name) for name, (first, second) in _PARTS.items() for one, other in list(product(first, second))[:most]]


def shop(flow_id: str = "shop", *, most: int = 12, **more: Any) -> Any:
    """Asks what it can do, and answers each of four intents; what nothing takes is a miss."""
    intents: dict[str, Any] = {name: {"examples": []} for name in _PARTS}
    for text, name in examples(most):
        intents[name]["examples"].append(text)
    states: dict[str, Any] = {
        "menu": {
            "name": "menu",
            "type": "intent",
            "config": {"intent_patterns": list(_PARTS), "prompt": {"en": "What can I do for you?"}},
            "transitions": [{"condition": "intent_match", "condition_value": name, "target_state": f"do_{name}"} for name in _PARTS],
        },
        **{
            f"do_{name}": {
                "name": f"do_{name}",
                "type": "response",
                "config": {"response_templates": {"en": f"This is about {name}."}},
                "transitions": [{"condition": "expression", "expression": "true", "target_state": "menu"}],
            }
            for name in _PARTS
        },
    }
    return flow(flow_id, states=states, intents=intents, **{"name": "Shop", **more})
