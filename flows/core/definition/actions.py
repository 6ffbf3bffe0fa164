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
    texts,
    written,
    wrong,
)
from flows.core.types import (
    Action,
    ActionType,
    CallIntegration,
    ClearVariable,
    IntegrationConfig,
    Json,
    LogEvent,
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
COMMON: Final = {"on_error": Field(one_of(OnError), OnError.CONTINUE, terse=True), "goto": Field(NAMED_OR_EMPTY, "", terse=True)}
REPLACES: Final = Kind(
    lambda at: one_of(Mode, "unknown_mode").read(at) is Mode.REPLACE, False, lambda replace: (Mode.REPLACE if replace else Mode.PUSH).value
)

FIELDS: Final[dict[ActionType, Fields]] = {
    ActionType.SEND_MESSAGE: {"text": Field(texts())},
    ActionType.SET_VARIABLE: {
        "name": Field(IDENTIFIED),
        "value": Field(JSON, None, terse=True),
        "expression": Field(OPTIONAL_EXPRESSION, "", terse=True),
    },
    ActionType.CLEAR_VARIABLE: {"name": Field(IDENTIFIED)},
    ActionType.CALL_INTEGRATION: INTEGRATION,
    ActionType.LOG_EVENT: {"name": Field(NAMED), "data": Field(map_of(text(), 100), {}, terse=True)},
    ActionType.TRIGGER_FLOW: {
        "flow_id": Field(NAMED),
        "mode": Field(REPLACES, False),
        "inputs": Field(EXPRESSIONS, {}, terse=True),
        "outputs": Field(map_of(IDENTIFIED, 200, IDENTIFIED), {}, terse=True),
    },
}


def read_action(at: At) -> Action:
    if not isinstance(at.value, dict):
        return wrong(at, "an object with `type`", ClearVariable(name=""))
    problems_before = len(at.problems)
    kind = Field(one_of(ActionType, "unknown_action_type")).read(at.key("type"))
    if len(at.problems) > problems_before:
        return ClearVariable(name="")
    values = record(at, {**COMMON, **FIELDS[kind]}, also=("type",))
    refuse_loose_goto(at, values)
    common = {name: values.pop(name) for name in COMMON}
    return MAKE[kind](at, common, values)


def refuse_loose_goto(at: At, values: dict[str, Any]) -> None:
    if (values["on_error"] is OnError.GOTO) != bool(values["goto"]):
        at.key("goto").refuse("missing", "`goto` names the state to go to when `on_error` is goto.", "both or neither")


def make_set_variable(at: At, common: dict[str, Any], values: dict[str, Any]) -> Action:
    if at.value.get("expression") in (None, "") and "value" not in at.value:
        at.refuse("missing", "set_variable has a `value` or an `expression`.", "one of them")
    if values["expression"] and values["value"] is not None:
        at.refuse("conflicting_fields", "set_variable has both a `value` and an `expression`.", "one of them")
    return SetVariable(**common, **values)


def make_call(_at: At, common: dict[str, Any], values: dict[str, Any]) -> Action:
    return CallIntegration(**common, call=make_integration(values))


def make_integration(values: dict[str, Any]) -> IntegrationConfig:
    return IntegrationConfig(**{**values, "method": str(values["method"])})


MAKE: Final[dict[ActionType, Callable[[At, dict[str, Any], dict[str, Any]], Action]]] = {
    ActionType.SEND_MESSAGE: lambda _at, common, values: SendMessage(**common, **values),
    ActionType.SET_VARIABLE: make_set_variable,
    ActionType.CLEAR_VARIABLE: lambda _at, common, values: ClearVariable(**common, **values),
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
    common = written({name: getattr(action, name) for name in COMMON}, COMMON)
    return {"type": kind.value, **body, **common}


ACTIONS: Final = list_of(Kind(read_action, ClearVariable(name=""), write_action), 50)
