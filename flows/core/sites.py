"""Every place of a flow where an expression or a template stands, with its JSONPath: one walk for compiling, checking and comparing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from flows.core.definition.reading import json_step
from flows.core.types import (
    Action,
    CallIntegration,
    Condition,
    ConditionConfig,
    EndConfig,
    Flow,
    Handler,
    IntegrationConfig,
    IntentConfig,
    LogEvent,
    ResponseConfig,
    SendMessage,
    SetVariable,
    SlotFillingConfig,
    State,
    StateConfig,
    Texts,
    TriggerFlow,
    WaitConfig,
)


class Kind(StrEnum):
    GUARD = "guard"  # must be bool
    VALUE = "value"
    RESPONSE = "response"  # over `response`, the data that an integration returned
    RULE = "rule"  # over `value`, the answer to a slot; must be bool
    MESSAGE = "message"  # a template that sees `value`
    TEMPLATE = "template"


class Moment(StrEnum):
    """When it is evaluated, as far as it matters for what is filled by then."""

    ENTRY = "entry"
    GUARD = "guard"
    TAKEN = "taken"  # with the transition `transition`
    EXIT = "exit"
    ASKING = "asking"  # for the slot `slot`
    ANYTIME = "anytime"  # handlers, slot rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    path: str
    kind: Kind
    source: str
    state: str = ""
    moment: Moment = Moment.ANYTIME
    transition: int = -1  # index, for TAKEN and GUARD
    action: int = -1  # index in its list; -1 for what is not part of an action
    slot: str = ""  # of a rule, a message or a prompt
    variable: str = ""  # what the value is stored in


TEMPLATES: Final = frozenset((Kind.TEMPLATE, Kind.MESSAGE))


def sites(flow: Flow) -> Iterator[Site]:
    for state in flow.states.values():
        yield from state_sites(state)
    for handler in flow.handlers:
        yield from handler_sites(handler)
    yield from slot_sites(flow)


def state_path(name: str) -> str:
    return f"$.states{json_step(name)}"


def state_sites(state: State) -> Iterator[Site]:
    path = state_path(state.name)
    found = (
        *CONFIGS[type(state.config)](state.config, f"{path}.config"),
        *actions_sites(state.entry_actions, f"{path}.entry_actions", Moment.ENTRY),
        *actions_sites(state.exit_actions, f"{path}.exit_actions", Moment.EXIT),
        *transition_sites(state, f"{path}.transitions"),
    )
    return (replace(site, state=state.name) for site in found)


def text_sites(texts: Texts, path: str, **more: Any) -> Iterator[Site]:
    """The path of a single default text is that of the field: the author may have written a plain string."""
    alone = set(texts) == {"default"}
    for key, source in texts.items():
        yield Site(**{"kind": Kind.TEMPLATE, **more, "path": path if alone else f"{path}{json_step(key)}", "source": source})


def mapping_sites(expressions: Mapping[str, str], path: str, kind: Kind, moment: Moment) -> Iterator[Site]:
    for key, source in expressions.items():
        variable = key if kind is Kind.RESPONSE else ""
        yield Site(path=f"{path}{json_step(key)}", kind=kind, source=source, moment=moment, variable=variable)


def slot_filling_sites(config: SlotFillingConfig, path: str) -> Iterator[Site]:
    for field, prompts in (("prompts", config.prompts), ("retry_prompts", config.retry_prompts)):
        for slot, texts in prompts.items():
            yield from text_sites(texts, f"{path}.{field}{json_step(slot)}", moment=Moment.ASKING, slot=slot)


def integration_sites(config: IntegrationConfig, path: str, moment: Moment = Moment.ENTRY) -> Iterator[Site]:
    yield Site(path=f"{path}.endpoint", kind=Kind.TEMPLATE, source=config.endpoint, moment=moment)
    yield from mapping_sites(config.request_mapping, f"{path}.request_mapping", Kind.VALUE, moment)
    yield from mapping_sites(config.response_mapping, f"{path}.response_mapping", Kind.RESPONSE, moment)


def end_sites(config: EndConfig, path: str) -> Iterator[Site]:
    yield from text_sites(config.response_templates, f"{path}.response_templates", moment=Moment.ENTRY)
    yield from mapping_sites(config.outputs, f"{path}.outputs", Kind.VALUE, Moment.ENTRY)


CONFIGS: Final[dict[type[StateConfig], Callable[[Any, str], Iterator[Site]]]] = {
    ResponseConfig: lambda config, path: text_sites(config.response_templates, f"{path}.response_templates", moment=Moment.ENTRY),
    IntentConfig: lambda config, path: text_sites(config.prompt, f"{path}.prompt", moment=Moment.ENTRY),
    WaitConfig: lambda config, path: text_sites(config.prompt, f"{path}.prompt", moment=Moment.ENTRY),
    SlotFillingConfig: slot_filling_sites,
    IntegrationConfig: integration_sites,
    ConditionConfig: lambda _config, _path: iter(()),
    EndConfig: end_sites,
}


def transition_sites(state: State, path: str) -> Iterator[Site]:
    for transition in state.transitions:
        here = f"{path}[{transition.index}]"
        if transition.condition is Condition.EXPRESSION:
            yield Site(path=f"{here}.expression", kind=Kind.GUARD, source=transition.expression, moment=Moment.GUARD, transition=transition.index)
        for site in actions_sites(transition.actions, f"{here}.actions", Moment.TAKEN):
            yield replace(site, transition=transition.index)


# ── actions ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def actions_sites(actions: tuple[Action, ...], path: str, moment: Moment) -> Iterator[Site]:
    for index, action in enumerate(actions):
        for site in ACTIONS.get(type(action), no_sites)(action, f"{path}[{index}]"):
            yield replace(site, moment=moment, action=index)


def no_sites(_action: Action, _path: str) -> Iterator[Site]:
    return iter(())


def set_variable_sites(action: SetVariable, path: str) -> Iterator[Site]:
    if action.expression:
        yield Site(path=f"{path}.expression", kind=Kind.VALUE, source=action.expression, variable=action.name)


def log_sites(action: LogEvent, path: str) -> Iterator[Site]:
    for key, source in action.data.items():
        yield Site(path=f"{path}.data{json_step(key)}", kind=Kind.TEMPLATE, source=source)


ACTIONS: Final[dict[type[Action], Callable[[Any, str], Iterator[Site]]]] = {
    SendMessage: lambda action, path: text_sites(action.text, f"{path}.text"),
    SetVariable: set_variable_sites,
    CallIntegration: lambda action, path: integration_sites(action.call, path),
    LogEvent: log_sites,
    TriggerFlow: lambda action, path: mapping_sites(action.inputs, f"{path}.inputs", Kind.VALUE, Moment.ENTRY),
}


# ── handlers and slots ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def handler_sites(handler: Handler) -> Iterator[Site]:
    path = f"$.global_handlers{json_step(handler.name)}"
    yield from text_sites(handler.texts, f"{path}.response_templates")
    yield from actions_sites(handler.actions, f"{path}.actions", Moment.ANYTIME)


def slot_sites(flow: Flow) -> Iterator[Site]:
    for name, rule in flow.slots.items():
        if rule.expression:
            path = f"{rule_path(flow, name, 'expression')}.expression"
            yield Site(path=path, kind=Kind.RULE, source=rule.expression, slot=name)
        if rule.message:
            yield from text_sites(rule.message, f"{rule_path(flow, name, 'message')}.message", kind=Kind.MESSAGE, slot=name)


def rule_path(flow: Flow, slot: str, field: str) -> str:
    """Where the author wrote this field of the slot's rule: in a state's `validation_rules`, or else in `slots`."""
    for state in flow.states.values():
        if isinstance(state.config, SlotFillingConfig) and field in state.config.validation_rules.get(slot, ()):
            return f"{state_path(state.name)}.config.validation_rules{json_step(slot)}"
    return f"$.slots{json_step(slot)}"


def all_actions(flow: Flow) -> Iterator[tuple[str, str, Action]]:
    """(path, state, action) of every action; state is "" for handlers."""
    for state in flow.states.values():
        yield from state_actions(state)
    for handler in flow.handlers:
        for index, action in enumerate(handler.actions):
            yield f"$.global_handlers{json_step(handler.name)}.actions[{index}]", "", action


def state_actions(state: State) -> Iterator[tuple[str, str, Action]]:
    path = state_path(state.name)
    lists = [("entry_actions", state.entry_actions), ("exit_actions", state.exit_actions)]
    lists += [(f"transitions[{transition.index}].actions", transition.actions) for transition in state.transitions]
    for place, actions in lists:
        for index, action in enumerate(actions):
            yield f"{path}.{place}[{index}]", state.name, action
