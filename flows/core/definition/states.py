"""States with their configurations and transitions, and the flow's handlers."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from flows.core.definition.actions import ACTIONS, EXPRESSIONS, IDENTIFIED_OR_EMPTY, INTEGRATION, UNDO, make_integration
from flows.core.definition.reading import (
    EXPRESSION,
    FLAG,
    IDENTIFIED,
    JSON_OBJECT,
    NAME,
    NAME_RULE,
    NAMED,
    NAMED_OR_EMPTY,
    OPTIONAL_EXPRESSION,
    At,
    Field,
    Fields,
    Kind,
    integer,
    list_of,
    map_of,
    matching,
    number,
    one_of,
    record,
    text,
    texts,
    written,
    wrong,
)
from flows.core.definition.rich import messages, object_kind
from flows.core.definition.vocabulary import RULES, read_intent_pattern
from flows.core.durations import MAX_MS, milliseconds
from flows.core.types import (
    Condition,
    ConditionConfig,
    Csat,
    EndConfig,
    Generate,
    Handler,
    HandlerMode,
    HandlerTrigger,
    Handoff,
    IntegrationConfig,
    Intent,
    IntentConfig,
    Json,
    ResponseConfig,
    SlotFillingConfig,
    State,
    StateConfig,
    StateType,
    Transition,
    WaitConfig,
)

MAX_STATES: Final = 1_000
MAX_TRANSITIONS: Final = 200


PROMPTS: Final = map_of(messages(), 500, IDENTIFIED)
SLOTS: Final = list_of(IDENTIFIED, 200, distinct=True)
INTENT_NAMES: Final = Kind(list_of(Kind(read_intent_pattern, Intent(name="")), 200).read, (), lambda intents: [intent.name for intent in intents])

GENERATE: Final = {
    "prompt": Field(text(empty=False)),
    "fallback": Field(texts(), {}, terse=True),
    "timeout_ms": Field(integer(100, 30_000), 8_000, terse=True),
    "context": Field(map_of(EXPRESSION, 50, IDENTIFIED), {}, terse=True),
}
CSAT: Final = {
    "score": Field(IDENTIFIED),
    "comment": Field(IDENTIFIED_OR_EMPTY, "", terse=True),
    "scale": Field(integer(2, 10), 5, terse=True),
}
HANDOFF: Final = {"queue": Field(text(100), "", terse=True), "reason": Field(text(500), "", terse=True)}


def optional(make: type, fields: Fields) -> Kind:
    inner = object_kind(make, fields, None)
    return Kind(inner.read, None, lambda value: None if value is None else inner.write(value))


def read_interruptible(at: At) -> bool | str:
    """A flag, or CEL that is asked when somebody interrupts."""
    return str(EXPRESSION.read(at)) if isinstance(at.value, str) else bool(FLAG.read(at))


EVERY_CONFIG: Final = {
    "interruptible": Field(Kind(read_interruptible, True), True, terse=True),
    "masked_handlers": Field(list_of(NAMED, 100, distinct=True), (), terse=True),
}
COMPENSATED: Final = {"compensation": Field(UNDO, (), terse=True)}
TIMEOUT: Final = {"timeout_ms": Field(integer(0, MAX_MS), 0, terse=True)}

CONFIGS: Final[dict[StateType, Fields]] = {
    StateType.RESPONSE: {
        "response_templates": Field(messages(bare=False)),
        "response_type": Field(text(40, empty=False), "text"),
        "personalization": Field(FLAG, True),
        "typing_indicator": Field(FLAG, True),
        "delay_ms": Field(integer(0, 5_000), 0),
        "generate": Field(optional(Generate, GENERATE), None, terse=True),
        **TIMEOUT,
    },
    StateType.INTENT: {
        "intent_patterns": Field(INTENT_NAMES),
        "confidence_threshold": Field(number(0, 1), 0.7),
        "fallback_intent": Field(NAMED_OR_EMPTY, ""),
        "context_aware": Field(FLAG, True),
        "prompt": Field(messages(), {}, terse=True),
        "disambiguation_margin": Field(number(0, 1), 0.1, terse=True),
        **TIMEOUT,
    },
    StateType.SLOT_FILLING: {
        "required_slots": Field(SLOTS),
        "optional_slots": Field(SLOTS, ()),
        "validation_rules": Field(RULES, {}),
        "prompts": Field(PROMPTS, {}),
        "retry_prompts": Field(PROMPTS, {}),
        "max_retries": Field(integer(1, 5), 3),
        "default_values": Field(EXPRESSIONS, {}, terse=True),
        "default_responses": Field(PROMPTS, {}, terse=True),
        "prefill": Field(EXPRESSIONS, {}, terse=True),
        "ask_again": Field(SLOTS, (), terse=True),
        "csat": Field(optional(Csat, CSAT), None, terse=True),
        **TIMEOUT,
    },
    StateType.INTEGRATION: INTEGRATION,
    StateType.CONDITION: TIMEOUT,
    StateType.WAIT: {"prompt": Field(messages(), {}, terse=True), "handoff": Field(optional(Handoff, HANDOFF), None, terse=True), **TIMEOUT},
    StateType.END: {
        "response_templates": Field(messages(bare=False), {}, terse=True),
        "completion_type": Field(NAMED, "completed", terse=True),
        "whole": Field(FLAG, False, terse=True),
        "outputs": Field(EXPRESSIONS, {}, terse=True),
        **TIMEOUT,
    },
}


def without_timeout(make: Callable[..., StateConfig]) -> Callable[[dict[str, Any]], StateConfig]:
    return lambda values: make(**{name: value for name, value in values.items() if name != "timeout_ms"})


def make_intent(values: dict[str, Any]) -> StateConfig:
    names = tuple(dict.fromkeys(intent.name for intent in values.pop("intent_patterns") if intent.name))
    return without_timeout(IntentConfig)({"intents": names, **values})


MAKE: Final[dict[StateType, Callable[[dict[str, Any]], StateConfig]]] = {
    StateType.RESPONSE: without_timeout(ResponseConfig),
    StateType.INTENT: make_intent,
    StateType.SLOT_FILLING: without_timeout(SlotFillingConfig),
    StateType.INTEGRATION: make_integration,
    StateType.CONDITION: without_timeout(ConditionConfig),
    StateType.WAIT: lambda values: WaitConfig(**values),
    StateType.END: without_timeout(EndConfig),
}


def read_condition_value(at: At) -> str:
    """A string; an integer is taken too, because a duration in milliseconds reads best as a number."""
    if isinstance(at.value, int) and not isinstance(at.value, bool) and abs(at.value) < 10**15:
        return str(at.value)
    return str(text(200).read(at))


TRANSITION: Final = {
    "condition": Field(one_of(Condition, "unknown_condition")),
    "condition_value": Field(Kind(read_condition_value, ""), ""),
    "expression": Field(OPTIONAL_EXPRESSION, ""),
    "target_state": Field(NAMED),
    "priority": Field(integer(0, 1_000), 100),
    "actions": Field(ACTIONS, ()),
}


def read_transition(at: At) -> Transition:
    values = record(at, TRANSITION)
    if isinstance(at.value, dict):
        refuse_condition_faults(at, values)
    return Transition(index=int(at.step) if isinstance(at.step, int) else 0, **values)


def refuse_condition_faults(at: At, values: Mapping[str, Any]) -> None:
    condition, value = values["condition"], values["condition_value"]
    if condition is Condition.EXPRESSION and at.value.get("expression") in (None, ""):
        at.key("expression").refuse("missing", "A transition on `expression` has an expression.", "a CEL expression of type bool")
    if condition is Condition.TIMEOUT and value and milliseconds(value) is None:
        at.key("condition_value").refuse("bad_duration", "This is no duration.", 'milliseconds ("30000") or ISO 8601 ("PT30S"), at most 366 days')


def write_transition(transition: Transition) -> Json:
    return written({name: getattr(transition, name) for name in TRANSITION}, TRANSITION)


TRANSITIONS: Final = list_of(Kind(read_transition, None, write_transition), MAX_TRANSITIONS)


STATE: Final = {
    "type": Field(one_of(StateType, "unknown_state_type")),
    "transitions": Field(TRANSITIONS, ()),
    "entry_actions": Field(ACTIONS, ()),
    "exit_actions": Field(ACTIONS, ()),
    "metadata": Field(JSON_OBJECT, {}),
}


def read_state(at: At) -> State:
    """A state whose type is not known reads as a condition state: its references are still checked."""
    if not isinstance(at.value, dict):
        return wrong(at, f"an object with {', '.join(STATE)}", replace(BLANK_STATE, name=str(at.step)))
    refuse_other_name(at)
    known = at.value.get("type") in list(StateType)
    values = record(at, STATE, also=("name", "config"))
    kind = values["type"] if known else StateType.CONDITION
    config, common = read_config(at.key("config"), kind) if known else (ConditionConfig(), {})
    return State(**{**values, "name": str(at.step), "type": kind, "config": config, **common})


BLANK_STATE: Final = State(name="", type=StateType.CONDITION, config=ConditionConfig())


def refuse_other_name(at: At) -> None:
    if at.value.get("name") not in (None, at.step):
        at.key("name").refuse("wrong_name", "The name is not the key of this state.", f'"{str(at.step)[:64]}"')


def read_config(at: At, kind: StateType) -> tuple[StateConfig, dict[str, Any]]:
    fields = {**EVERY_CONFIG, **COMPENSATED, **CONFIGS[kind]}
    found = At({}, at.problems, at.parent, at.step) if at.value is None else at
    values = record(found, fields)
    flag = values.pop("interruptible")
    common = {
        "interruptible": flag if isinstance(flag, bool) else True,
        "interruptible_when": flag if isinstance(flag, str) else "",
        "masked_handlers": frozenset(values.pop("masked_handlers")),
        "compensation": values.pop("compensation"),
    }
    if kind is not StateType.INTEGRATION:
        common["timeout_ms"] = values["timeout_ms"]
    return MAKE[kind](values), common


def write_state(state: State) -> Json:
    body = written({name: getattr(state, name) for name in STATE}, STATE)
    return {"name": state.name, "type": body.pop("type"), "config": write_config(state), **body}


def write_config(state: State) -> Json:
    fields = CONFIGS[state.type]
    values = {name: getattr(state.config, name, None) for name in fields}
    if isinstance(state.config, IntentConfig):
        values["intent_patterns"] = [Intent(name=name) for name in state.config.intents]
    if not isinstance(state.config, IntegrationConfig):
        values["timeout_ms"] = state.timeout_ms
    common = {
        "interruptible": state.interruptible_when or state.interruptible,
        "masked_handlers": tuple(sorted(state.masked_handlers)),
        "compensation": state.compensation,
    }
    return {**written(values, fields), **written(common, {**EVERY_CONFIG, **COMPENSATED})}


STATES: Final = map_of(Kind(read_state, BLANK_STATE, write_state), MAX_STATES)


class CommandName(StrEnum):
    RESTART = "restart"
    STOP = "stop"
    HUMAN = "human"
    HELP = "help"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    REPEAT = "repeat"


HANDLER: Final = {
    "on": Field(one_of(HandlerTrigger, "unknown_trigger")),
    "value": Field(matching(NAME, NAME_RULE, empty=True), "", terse=True),
    "mode": Field(one_of(HandlerMode, "unknown_mode"), HandlerMode.INLINE),
    "response_templates": Field(messages(bare=False), {}, terse=True),
    "flow_id": Field(NAMED_OR_EMPTY, "", terse=True),
    "target_state": Field(NAMED_OR_EMPTY, "", terse=True),
    "actions": Field(ACTIONS, (), terse=True),
    "priority": Field(integer(0, 1_000), 100),
    "when": Field(OPTIONAL_EXPRESSION, "", terse=True),
}
NAMING: Final = frozenset((HandlerTrigger.INTENT, HandlerTrigger.COMMAND, HandlerTrigger.EVENT))
NEEDS: Final = {HandlerMode.PUSH: "flow_id", HandlerMode.REPLACE: "flow_id", HandlerMode.GOTO: "target_state"}


def read_handler(at: At) -> Handler:
    return read_handler_of(at, HANDLER)


def read_handler_of(at: At, fields: Fields) -> Handler:
    values = record(at, fields)
    if isinstance(at.value, dict):
        refuse_handler_faults(at, values)
    return Handler(name=str(at.step), texts=values.pop("response_templates"), **values)


def refuse_handler_faults(at: At, values: Mapping[str, Any]) -> None:
    needed = NEEDS.get(values["mode"])
    if needed and at.value.get(needed) in (None, ""):
        at.key(needed).refuse("missing", f"A handler in mode {values['mode']} has `{needed}`.", "a name")
    if values["on"] in NAMING and at.value.get("value") in (None, ""):
        at.key("value").refuse("missing", f"A handler on {values['on']} says which one.", "a name")
    if values["on"] is HandlerTrigger.COMMAND and values["value"]:
        one_of(CommandName, "unknown_command").read(at.key("value"))


def write_handler(handler: Handler) -> Json:
    values = {name: getattr(handler, "texts" if name == "response_templates" else name) for name in HANDLER}
    return written(values, HANDLER)


HANDLERS: Final = map_of(Kind(read_handler, None, write_handler), 200)
