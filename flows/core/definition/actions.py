"""Actions, and the call of an integration that states and actions share."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from flows.core.definition.reading import (
    EXPRESSION,
    IDENTIFIED,
    JSON,
    JSON_OBJECT,
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
    one_of,
    record,
    text,
    written,
    wrong,
)
from flows.core.definition.rich import messages
from flows.core.types import (
    Action,
    ActionType,
    CallIntegration,
    ClearVariable,
    Each,
    IntegrationConfig,
    Json,
    LogEvent,
    OnCancel,
    OnError,
    SendMessage,
    SetVariable,
    TriggerFlow,
)

EXPRESSIONS: Final = map_of(EXPRESSION, 200, IDENTIFIED)
FIELD_NAME: Final = text(200, empty=False)


class Method(StrEnum):
    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    HEAD = "HEAD"


class Mode(StrEnum):
    PUSH = "push"
    REPLACE = "replace"


INTEGRATION: Final = {
    "integration_id": Field(NAMED),
    "endpoint": Field(text(2_000)),
    "method": Field(one_of(Method), Method.GET),
    "timeout_ms": Field(integer(100, 30_000), 5_000),
    "retry_config": Field(JSON_OBJECT, {}),
    "request_mapping": Field(map_of(EXPRESSION, 200, FIELD_NAME), {}),
    "response_mapping": Field(EXPRESSIONS, {}),
    "error_handling": Field(JSON_OBJECT, {}),
}
IDENTIFIED_OR_EMPTY: Final = Kind(lambda at: IDENTIFIED.read(at) if at.value != "" else "", "")
EACH: Final = {
    "items": Field(EXPRESSION),
    "item": Field(IDENTIFIED, "item", terse=True),
    "index": Field(IDENTIFIED_OR_EMPTY, "", terse=True),
    "page_size": Field(integer(0, 100), 0, terse=True),
}


def undo_kind() -> Kind:
    """What a call's `compensation` holds: actions again, so it is looked up late."""
    return UNDO


def read_each(at: At) -> Each:
    """The list alone, or an object with the names too."""
    return Each(items=EXPRESSION.read(at)) if isinstance(at.value, str) else Each(**record(at, EACH))


def write_each(each: Each | None) -> Json:
    body = written({name: getattr(each, name) for name in EACH}, EACH)
    return body["items"] if set(body) == {"items"} else body


COMMON: Final = {
    "on_error": Field(one_of(OnError), OnError.CONTINUE, terse=True),
    "goto": Field(NAMED_OR_EMPTY, "", terse=True),
    "when": Field(OPTIONAL_EXPRESSION, "", terse=True),
    "for_each": Field(Kind(read_each, None, write_each), None, terse=True),
}
REPLACES: Final = Kind(
    lambda at: one_of(Mode, "unknown_mode").read(at) is Mode.REPLACE, False, lambda replace: (Mode.REPLACE if replace else Mode.PUSH).value
)

FIELDS: Final[dict[ActionType, Fields]] = {
    ActionType.SEND_MESSAGE: {"text": Field(messages()), "delay_ms": Field(integer(0, 5_000), 0, terse=True)},
    ActionType.SET_VARIABLE: {
        "name": Field(IDENTIFIED_OR_EMPTY, "", terse=True),
        "slot": Field(IDENTIFIED_OR_EMPTY, "", terse=True),
        "value": Field(JSON, None, terse=True),
        "expression": Field(OPTIONAL_EXPRESSION, "", terse=True),
    },
    ActionType.CLEAR_VARIABLE: {"name": Field(IDENTIFIED_OR_EMPTY, "", terse=True), "slot": Field(IDENTIFIED_OR_EMPTY, "", terse=True)},
    ActionType.CALL_INTEGRATION: INTEGRATION,
    ActionType.LOG_EVENT: {"name": Field(NAMED), "data": Field(map_of(text(), 100), {}, terse=True)},
    ActionType.TRIGGER_FLOW: {
        "flow_id": Field(NAMED),
        "mode": Field(REPLACES, False),
        "inputs": Field(EXPRESSIONS, {}, terse=True),
        "outputs": Field(map_of(IDENTIFIED, 200, IDENTIFIED), {}, terse=True),
        "on_cancel": Field(one_of(OnCancel), OnCancel.CONTINUE, terse=True),
    },
}
COMPENSATION: Final = {"compensation": Field(Kind(lambda at: undo_kind().read(at), (), lambda value: undo_kind().write(value)), (), terse=True)}
DETACHED: Final = frozenset((ActionType.SEND_MESSAGE, ActionType.LOG_EVENT, ActionType.CALL_INTEGRATION))


def read_action(at: At) -> Action:
    if not isinstance(at.value, dict):
        return wrong(at, "an object with `type`", ClearVariable())
    problems_before = len(at.problems)
    kind = Field(one_of(ActionType, "unknown_action_type")).read(at.key("type"))
    if len(at.problems) > problems_before:
        return ClearVariable()
    more = COMPENSATION if kind is ActionType.CALL_INTEGRATION else {}
    values = record(at, {**COMMON, **FIELDS[kind], **more}, also=("type",))
    refuse_loose_goto(at, values)
    common = {name: values.pop(name) for name in COMMON}
    return MAKE[kind](at, common, values)


def refuse_loose_goto(at: At, values: dict[str, Any]) -> None:
    if (values["on_error"] is OnError.GOTO) != bool(values["goto"]):
        at.key("goto").refuse("missing", "`goto` names the state to go to when `on_error` is goto.", "both or neither")


def refuse_no_goal(at: At, values: dict[str, Any]) -> None:
    """`name` is a variable, `slot` a slot: exactly one of them."""
    if not at.value.get("name") and not at.value.get("slot"):
        at.key("name").refuse("missing", '"name" is missing.', "the name of a variable, or `slot` with that of a slot")
    if at.value.get("name") and at.value.get("slot"):
        at.refuse("conflicting_fields", "This names both a variable and a slot.", "`name` or `slot`")


def read_detached(at: At) -> Action:
    """An action that runs when its flow is not there any more, or that belongs to none: it changes no variables and goes nowhere."""
    action = read_action(at)
    kind = TYPES[type(action)]
    if isinstance(at.value, dict) and at.value.get("type") in list(ActionType) and kind not in DETACHED:
        at.key("type").refuse("unknown_value", f"{kind} does not work here.", ", ".join(sorted(DETACHED)))
    if isinstance(action, CallIntegration) and (action.call.response_mapping or action.compensation):
        at.refuse("conflicting_fields", "There are no variables here that a result could go to.", "no response_mapping, no compensation")
    if action.on_error is not OnError.CONTINUE:
        at.key("on_error").refuse("conflicting_fields", "There is nowhere to go from here.", "continue")
    return action


def make_set_variable(at: At, common: dict[str, Any], values: dict[str, Any]) -> Action:
    refuse_no_goal(at, values)
    if at.value.get("expression") in (None, "") and "value" not in at.value:
        at.refuse("missing", "set_variable has a `value` or an `expression`.", "one of them")
    if values["expression"] and values["value"] is not None:
        at.refuse("conflicting_fields", "set_variable has both a `value` and an `expression`.", "one of them")
    return SetVariable(**common, **values)


def make_clear_variable(at: At, common: dict[str, Any], values: dict[str, Any]) -> Action:
    refuse_no_goal(at, values)
    return ClearVariable(**common, **values)


def make_call(_at: At, common: dict[str, Any], values: dict[str, Any]) -> Action:
    return CallIntegration(**common, compensation=values.pop("compensation"), call=make_integration(values))


def make_integration(values: dict[str, Any]) -> IntegrationConfig:
    return IntegrationConfig(**{**values, "method": str(values["method"])})


MAKE: Final[dict[ActionType, Callable[[At, dict[str, Any], dict[str, Any]], Action]]] = {
    ActionType.SEND_MESSAGE: lambda _at, common, values: SendMessage(**common, **values),
    ActionType.SET_VARIABLE: make_set_variable,
    ActionType.CLEAR_VARIABLE: make_clear_variable,
    ActionType.CALL_INTEGRATION: make_call,
    ActionType.LOG_EVENT: lambda _at, common, values: LogEvent(**common, **values),
    ActionType.TRIGGER_FLOW: lambda _at, common, values: TriggerFlow(**common, replace=values.pop("mode"), **values),
}
TYPES: Final[dict[type, ActionType]] = {
    SendMessage: ActionType.SEND_MESSAGE,
    SetVariable: ActionType.SET_VARIABLE,
    ClearVariable: ActionType.CLEAR_VARIABLE,
    CallIntegration: ActionType.CALL_INTEGRATION,
    LogEvent: ActionType.LOG_EVENT,
    TriggerFlow: ActionType.TRIGGER_FLOW,
}


def write_action(action: Action) -> Json:
    kind = TYPES[type(action)]
    source = action.call if isinstance(action, CallIntegration) else action
    fields = FIELDS[kind]
    values = {name: getattr(source, "replace" if name == "mode" else name) for name in fields}
    body = written(values, fields)
    if isinstance(action, SetVariable) and not action.expression:
        body["value"] = action.value
    if isinstance(action, CallIntegration):
        body |= written({"compensation": action.compensation}, COMPENSATION)
    common = written({name: getattr(action, name) for name in COMMON}, COMMON)
    return {"type": kind.value, **body, **common}


ACTIONS: Final = list_of(Kind(read_action, ClearVariable(), write_action), 50)
UNDO: Final = list_of(Kind(read_detached, ClearVariable(), write_action), 20)
