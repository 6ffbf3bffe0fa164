"""Hypothesis strategies: flows of every shape that `definition.export` can write, and documents that are broken in every way."""

import json
from typing import Any

from hypothesis import strategies as st

from flows.core.types import ActionType, Condition, HandlerMode, HandlerTrigger, SlotType, StateType
from tests.flows import samples

STATES = ["start", "middle", "other-one", "last_1"]
SLOTS = ["a", "b_2", "long_slot_name"]
VARIABLES = ["x", "y", "total"]
INTENTS = ["yes", "no", "order-status"]

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00{}"), min_size=1, max_size=12).filter(str.strip)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
texts = words | st.dictionaries(st.sampled_from(["default", "en", "de-AT", "sms", "de/sms"]), words, max_size=3)
expressions = st.sampled_from(["true", "variables.x == 1", "filled.a", "size(message.text) > 3", "[1, 2].exists(n, n > 1)"])
mappings = st.dictionaries(st.sampled_from(VARIABLES), expressions, max_size=2)
objects = st.dictionaries(words, json_values, max_size=2)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def together(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {key: value for part in found for key, value in part.items()})


def record(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields)


call_fields = together(
    record(integration_id=st.sampled_from(["crm", "stock-2"]), endpoint=words),
    maybe(
        method=st.sampled_from(["GET", "POST", "DELETE"]),
        timeout_ms=st.integers(100, 30_000),
        retry_config=objects,
        request_mapping=st.dictionaries(words, expressions, max_size=2),
        response_mapping=mappings,
        error_handling=objects,
    ),
)
buttons = st.lists(
    words
    | together(
        record(label=words),
        st.sampled_from([{}, {"url": "https://example.com/{{ variables.x }}"}, {"text": "so"}, {"intent": "yes"}, {"slots": {"a": 1}}]),
    ),
    max_size=3,
)
pictures = st.lists(together(record(url=st.just("https://example.com/p.png")), maybe(alt=words)), max_size=2)
cards = st.lists(together(record(title=words), maybe(subtitle=words, image=st.just("https://example.com/c.png"), buttons=buttons)), max_size=2)
rich = together(
    record(buttons=st.lists(words, min_size=1, max_size=2)),
    maybe(text=words, quick_replies=buttons, cards=cards, images=pictures, layout=st.sampled_from(["list", "carousel"])),
)
messages = texts | rich | st.dictionaries(st.sampled_from(["default", "en", "de-AT", "sms", "de/sms"]), words | rich, max_size=3)
looped = st.sampled_from(["variables.y", {"items": "[1, 2]", "item": "it", "index": "i", "page_size": 2}])
common = maybe(when=expressions, for_each=looped)
undoing = st.lists(
    st.sampled_from(
        [
            {"type": "send_message", "text": "undone"},
            {"type": "log_event", "name": "undone"},
            {"type": "call_integration", "integration_id": "crm", "endpoint": "/undo"},
        ]
    ),
    max_size=2,
)

action_bodies: dict[ActionType, st.SearchStrategy[dict[str, Any]]] = {
    ActionType.SEND_MESSAGE: together(record(text=messages), maybe(delay_ms=st.integers(0, 5000))),
    ActionType.SET_VARIABLE: record(name=st.sampled_from(VARIABLES), value=json_values)
    | record(name=st.sampled_from(VARIABLES), expression=expressions)
    | record(slot=st.sampled_from(SLOTS), value=json_values),
    ActionType.CLEAR_VARIABLE: record(name=st.sampled_from(VARIABLES)) | record(slot=st.sampled_from(SLOTS)),
    ActionType.CALL_INTEGRATION: together(call_fields, maybe(compensation=undoing)),
    ActionType.LOG_EVENT: together(record(name=st.just("seen")), maybe(data=st.dictionaries(st.just("key"), words, max_size=1))),
    ActionType.TRIGGER_FLOW: together(
        record(flow_id=st.just("sub")),
        maybe(
            mode=st.sampled_from(["push", "replace"]),
            inputs=mappings,
            outputs=st.dictionaries(st.sampled_from(VARIABLES), st.just("out")),
            on_cancel=st.sampled_from(["continue", "cancel"]),
        ),
    ),
}
on_error = st.sampled_from([{}, {"on_error": "fail"}, {"on_error": "continue"}, {"on_error": "goto", "goto": "start"}])
actions = st.lists(
    st.sampled_from(list(ActionType)).flatmap(lambda kind: together(st.just({"type": kind.value}), action_bodies[kind], on_error, common)), max_size=2
)

condition_values = {
    Condition.INTENT_MATCH: st.sampled_from(["", *INTENTS]),
    Condition.SLOT_FILLED: st.sampled_from(["", *SLOTS]),
    Condition.TIMEOUT: st.sampled_from(["", "500", "PT30S", "P1DT2H", 1500]),
}


def transition_on(condition: Condition) -> st.SearchStrategy[dict[str, Any]]:
    expression = record(expression=expressions) if condition is Condition.EXPRESSION else st.just({})
    value = condition_values.get(condition, st.just(""))
    return together(
        record(condition=st.just(condition.value), target_state=st.sampled_from(STATES)),
        expression,
        maybe(condition_value=value, priority=st.integers(0, 1000), actions=actions),
    )


transitions = st.lists(st.sampled_from(list(Condition)).flatmap(transition_on), max_size=3)
slot_lists = st.lists(st.sampled_from(SLOTS), unique=True, max_size=3)
prompts = st.dictionaries(st.sampled_from(SLOTS), messages, max_size=2)
masked = st.lists(st.sampled_from(["h1", "h2"]), unique=True)
every_config = maybe(
    interruptible=st.booleans() | st.just("filled.a"), compensation=undoing, masked_handlers=masked, timeout_ms=st.integers(0, 10**9)
)
intent_body = maybe(patterns=st.just(["so be it", r"/\bok\b/"]), keywords=st.just(["fine"]), examples=st.just(["ok then"]))
generated = together(record(prompt=words), maybe(fallback=texts, timeout_ms=st.integers(100, 30_000), context=mappings))
response_options = maybe(generate=generated, response_type=words, delay_ms=st.integers(0, 5000), personalization=st.booleans())
by_slot = st.dictionaries(st.sampled_from(SLOTS), expressions, max_size=2)
slot_options = maybe(
    default_values=by_slot,
    default_responses=prompts,
    prefill=by_slot,
    ask_again=slot_lists,
    csat=together(record(score=st.just("stars")), maybe(comment=st.just("why"), scale=st.integers(2, 10))),
    optional_slots=slot_lists,
    prompts=prompts,
    retry_prompts=prompts,
    max_retries=st.integers(1, 5),
    validation_rules=st.just({"v": {"type": "integer", "minimum": 2}}),
)
intent_items = st.sampled_from([*INTENTS, "yes: of course", "no: /^n+o$/"]) | together(record(intent=st.sampled_from(INTENTS)), intent_body)
configs: dict[StateType, st.SearchStrategy[dict[str, Any]]] = {
    StateType.RESPONSE: together(record(response_templates=messages), response_options),
    StateType.INTENT: together(
        record(intent_patterns=st.lists(intent_items, max_size=3)),
        maybe(
            confidence_threshold=st.floats(0, 1) | st.integers(0, 1),
            fallback_intent=st.sampled_from(INTENTS),
            prompt=messages,
            disambiguation_margin=st.floats(0, 1),
        ),
    ),
    StateType.SLOT_FILLING: together(record(required_slots=slot_lists), slot_options),
    StateType.INTEGRATION: call_fields,
    StateType.CONDITION: st.just({}),
    StateType.WAIT: maybe(prompt=messages, handoff=maybe(queue=words, reason=words)),
    StateType.END: maybe(response_templates=messages, completion_type=st.just("done"), outputs=mappings, whole=st.booleans()),
}


def state_of(kind: StateType) -> st.SearchStrategy[dict[str, Any]]:
    common = every_config.map(lambda found: {key: value for key, value in found.items() if kind is not StateType.INTEGRATION or key != "timeout_ms"})
    return together(
        record(type=st.just(kind.value), config=together(configs[kind], common)),
        maybe(transitions=transitions, entry_actions=actions, exit_actions=actions, metadata=objects),
    )


rules = st.sampled_from([kind.value for kind in SlotType] + ["size(string(value)) > 2"]) | together(
    maybe(type=st.sampled_from([kind.value for kind in SlotType]), pattern=st.just("[a-z]+"), message=texts, sensitive=st.booleans()),
    maybe(minimum=st.integers(0, 5), maximum=st.floats(6, 1e6), min_length=st.integers(0, 3), max_length=st.integers(3, 9), region=st.just("AT")),
    maybe(multiple=st.booleans(), choices_from=st.just("variables.y"), units=st.just({"m": 1, "ft": 0.3048}), confirm=texts),
    maybe(choices=st.lists(words | together(record(value=words), maybe(synonyms=st.lists(words, max_size=2), labels=texts)), max_size=3)),
)
variables = st.dictionaries(
    st.sampled_from(VARIABLES), json_values | together(record(type=st.just("double")), maybe(initial=st.integers(0, 9) | st.floats(0, 9)))
)
handlers = st.sampled_from(list(HandlerMode)).flatmap(
    lambda mode: together(
        st.sampled_from(
            [
                {"on": "intent", "value": "yes"},
                {"on": "command", "value": "help"},
                {"on": "event", "value": "idle"},
                {"on": HandlerTrigger.ERROR.value},
            ]
        ),
        st.just({"mode": mode.value, **({"target_state": "start"} if mode is HandlerMode.GOTO else {"flow_id": "sub"})}),
        maybe(response_templates=messages, actions=actions, priority=st.integers(0, 1000), when=expressions),
    )
)
sign = maybe(patterns=st.lists(words.filter(str.isalnum), max_size=2), keywords=st.lists(words, max_size=2), examples=st.lists(words, max_size=2))
intents = st.dictionaries(st.sampled_from(INTENTS), together(sign, maybe(labels=texts.filter(lambda found: isinstance(found, dict)))))
meta = record(
    triggers=st.just(["yes", {"intent": "no", "replace": True, "confidence": 0.6}]), texts=st.just({"help": {"de": "So geht es."}, "stop": "Bye"})
)

documents: st.SearchStrategy[dict[str, Any]] = together(
    record(
        flow_id=st.sampled_from(["f", "flow-2"]),
        name=words,
        initial_state=st.sampled_from(STATES),
        states=st.dictionaries(st.sampled_from(STATES), st.sampled_from(list(StateType)).flatmap(state_of), min_size=1),
    ),
    maybe(
        version=words, description=words, tenant_id=words, slots=st.dictionaries(st.sampled_from(SLOTS), rules), variables=variables, intents=intents,
        global_handlers=st.dictionaries(st.sampled_from(["h1", "h2"]), handlers), metadata=objects | st.just({"default_locale": "de"}) | meta,
    ),
)  # fmt: skip


@st.composite
def damaged_documents(draw: st.DrawFn) -> Any:
    """A good sample of which a few values, anywhere, are replaced by anything."""
    document = json.loads(json.dumps(draw(st.sampled_from(samples.good_flows()))))
    for _ in range(draw(st.integers(1, 4))):
        damage(document, draw)
    return document


def damage(node: Any, draw: st.DrawFn) -> None:
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return
    key = draw(st.sampled_from(keys))
    if isinstance(node[key], dict | list) and node[key] and draw(st.integers(0, 4)):
        damage(node[key], draw)
    else:
        node[key] = draw(anything)
