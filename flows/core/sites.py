"""Every place of a flow where an expression or a template stands, with its JSONPath: one walk for compiling, checking and comparing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from flows.core.definition.reading import json_step
from flows.core.types import (
    Action,
    Button,
    CallIntegration,
    Condition,
    ConditionConfig,
    EndConfig,
    Flow,
    Handler,
    IntegrationConfig,
    IntentConfig,
    LogEvent,
    Messages,
    ResponseConfig,
    Rich,
    SendMessage,
    SetVariable,
    SlotFillingConfig,
    State,
    StateConfig,
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
    ITEMS = "items"  # must be a list
    SENTENCE = "sentence"  # a template that sees the facts of the engine's sentence, as `facts.<name>`


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
    loop: tuple[str, ...] = ()  # variables that the action's own loop sets


TEMPLATES: Final = frozenset((Kind.TEMPLATE, Kind.MESSAGE, Kind.SENTENCE))


def sites(flow: Flow) -> Iterator[Site]:
    for state in flow.states.values():
        yield from state_sites(state)
    for handler in flow.handlers:
        yield from handler_sites(handler)
    yield from slot_sites(flow)
    for name, texts in flow.texts.items():
        yield from text_sites(texts, f"$.metadata.texts{json_step(name)}", kind=Kind.SENTENCE)


def state_path(name: str) -> str:
    return f"$.states{json_step(name)}"


def state_sites(state: State) -> Iterator[Site]:
    path = state_path(state.name)
    found = (
        *CONFIGS[type(state.config)](state.config, f"{path}.config"),
        *interruptible_sites(state, f"{path}.config.interruptible"),
        *actions_sites(state.compensation, f"{path}.config.compensation", Moment.ANYTIME),
        *actions_sites(state.entry_actions, f"{path}.entry_actions", Moment.ENTRY),
        *actions_sites(state.exit_actions, f"{path}.exit_actions", Moment.EXIT),
        *transition_sites(state, f"{path}.transitions"),
    )
    return (replace(site, state=state.name) for site in found)


def interruptible_sites(state: State, path: str) -> Iterator[Site]:
    if state.interruptible_when:
        yield Site(path=path, kind=Kind.GUARD, source=state.interruptible_when)


def text_sites(texts: Messages, path: str, **more: Any) -> Iterator[Site]:
    """The path of a single default text is that of the field: the author may have written a plain string."""
    alone = set(texts) == {"default"}
    for key, message in texts.items():
        here = path if alone else f"{path}{json_step(key)}"
        parts = ((here, message),) if isinstance(message, str) else rich_parts(message, here)
        for place, source in parts:
            yield Site(**{"kind": Kind.TEMPLATE, **more, "path": place, "source": source})


def rich_parts(rich: Rich, path: str) -> Iterator[tuple[str, str]]:
    """(path, template) of every text in a rich message; empty ones are left out."""
    found: list[tuple[str, str]] = [(f"{path}.text", rich.text)]
    for field in ("buttons", "quick_replies"):
        found += button_parts(getattr(rich, field), f"{path}.{field}")
    for index, card in enumerate(rich.cards):
        here = f"{path}.cards[{index}]"
        found += [(f"{here}.{name}", getattr(card, name)) for name in ("title", "subtitle", "image", "url")]
        found += button_parts(card.buttons, f"{here}.buttons")
    for index, picture in enumerate(rich.images):
        found += [(f"{path}.images[{index}].{name}", getattr(picture, name)) for name in ("url", "alt")]
    return ((place, source) for place, source in found if source)


def button_parts(buttons: tuple[Button, ...], path: str) -> list[tuple[str, str]]:
    return [(f"{path}[{index}].{name}", getattr(button, name)) for index, button in enumerate(buttons) for name in ("label", "url", "text")]


def mapping_sites(expressions: Mapping[str, str], path: str, kind: Kind, moment: Moment) -> Iterator[Site]:
    for key, source in expressions.items():
        variable = key if kind is Kind.RESPONSE else ""
        yield Site(path=f"{path}{json_step(key)}", kind=kind, source=source, moment=moment, variable=variable)


def slot_filling_sites(config: SlotFillingConfig, path: str) -> Iterator[Site]:
    for field, prompts in asked_texts(config):
        for slot, texts in prompts.items():
            yield from text_sites(texts, f"{path}.{field}{json_step(slot)}", moment=Moment.ASKING, slot=slot)
    for field, values in (("default_values", config.default_values), ("prefill", config.prefill)):
        for slot, source in values.items():
            yield Site(path=f"{path}.{field}{json_step(slot)}", kind=Kind.VALUE, source=source, moment=Moment.ANYTIME, slot=slot)


def asked_texts(config: SlotFillingConfig) -> tuple[tuple[str, Mapping[str, Messages]], ...]:
    return (("prompts", config.prompts), ("retry_prompts", config.retry_prompts), ("default_responses", config.default_responses))


def response_sites(config: ResponseConfig, path: str) -> Iterator[Site]:
    yield from text_sites(config.response_templates, f"{path}.response_templates", moment=Moment.ENTRY)
    if config.generate is not None:
        here = f"{path}.generate"
        yield Site(path=f"{here}.prompt", kind=Kind.TEMPLATE, source=config.generate.prompt, moment=Moment.ENTRY)
        yield from text_sites(config.generate.fallback, f"{here}.fallback", moment=Moment.ENTRY)
        yield from mapping_sites(config.generate.context, f"{here}.context", Kind.VALUE, Moment.ENTRY)


def integration_sites(config: IntegrationConfig, path: str, moment: Moment = Moment.ENTRY) -> Iterator[Site]:
    yield Site(path=f"{path}.endpoint", kind=Kind.TEMPLATE, source=config.endpoint, moment=moment)
    yield from mapping_sites(config.request_mapping, f"{path}.request_mapping", Kind.VALUE, moment)
    yield from mapping_sites(config.response_mapping, f"{path}.response_mapping", Kind.RESPONSE, moment)


def end_sites(config: EndConfig, path: str) -> Iterator[Site]:
    yield from text_sites(config.response_templates, f"{path}.response_templates", moment=Moment.ENTRY)
    yield from mapping_sites(config.outputs, f"{path}.outputs", Kind.VALUE, Moment.ENTRY)


CONFIGS: Final[dict[type[StateConfig], Callable[[Any, str], Iterator[Site]]]] = {
    ResponseConfig: response_sites,
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


def actions_sites(actions: tuple[Action, ...], path: str, moment: Moment) -> Iterator[Site]:
    for index, action in enumerate(actions):
        here = f"{path}[{index}]"
        each = action.for_each
        loop = (each.item, each.index) if each is not None else ()
        for site in (*ACTIONS.get(type(action), no_sites)(action, here), *common_sites(action, here)):
            # What undoes it runs at another time.
            yield replace(site, loop=(*site.loop, *loop)) if site.action >= 0 else replace(site, moment=moment, action=index, loop=loop)


def common_sites(action: Action, path: str) -> Iterator[Site]:
    if action.when:
        yield Site(path=f"{path}.when", kind=Kind.GUARD, source=action.when)
    if action.for_each is not None:
        yield Site(path=f"{path}.for_each", kind=Kind.ITEMS, source=action.for_each.items)


def no_sites(_action: Action, _path: str) -> Iterator[Site]:
    return iter(())


def set_variable_sites(action: SetVariable, path: str) -> Iterator[Site]:
    if action.expression:
        yield Site(path=f"{path}.expression", kind=Kind.VALUE, source=action.expression, variable=action.name)


def log_sites(action: LogEvent, path: str) -> Iterator[Site]:
    for key, source in action.data.items():
        yield Site(path=f"{path}.data{json_step(key)}", kind=Kind.TEMPLATE, source=source)


def call_sites(action: CallIntegration, path: str) -> Iterator[Site]:
    yield from integration_sites(action.call, path)
    yield from actions_sites(action.compensation, f"{path}.compensation", Moment.ANYTIME)


ACTIONS: Final[dict[type[Action], Callable[[Any, str], Iterator[Site]]]] = {
    SendMessage: lambda action, path: text_sites(action.text, f"{path}.text"),
    SetVariable: set_variable_sites,
    CallIntegration: call_sites,
    LogEvent: log_sites,
    TriggerFlow: lambda action, path: mapping_sites(action.inputs, f"{path}.inputs", Kind.VALUE, Moment.ENTRY),
}


def handler_sites(handler: Handler) -> Iterator[Site]:
    path = f"$.global_handlers{json_step(handler.name)}"
    yield from text_sites(handler.texts, f"{path}.response_templates")
    if handler.when:
        yield Site(path=f"{path}.when", kind=Kind.GUARD, source=handler.when)
    yield from actions_sites(handler.actions, f"{path}.actions", Moment.ANYTIME)


def slot_sites(flow: Flow) -> Iterator[Site]:
    for name, rule in flow.slots.items():
        if rule.expression:
            path = f"{rule_path(flow, name, 'expression')}.expression"
            yield Site(path=path, kind=Kind.RULE, source=rule.expression, slot=name)
        if rule.choices_from:
            path = f"{rule_path(flow, name, 'choices_from')}.choices_from"
            yield Site(path=path, kind=Kind.ITEMS, source=rule.choices_from)
        if rule.confirm:
            yield from text_sites(rule.confirm, f"{rule_path(flow, name, 'confirm')}.confirm", kind=Kind.MESSAGE, slot=name)
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
        yield from nested(handler.actions, f"$.global_handlers{json_step(handler.name)}.actions", "")


def state_actions(state: State) -> Iterator[tuple[str, str, Action]]:
    path = state_path(state.name)
    lists = [("config.compensation", state.compensation), ("entry_actions", state.entry_actions), ("exit_actions", state.exit_actions)]
    lists += [(f"transitions[{transition.index}].actions", transition.actions) for transition in state.transitions]
    for place, actions in lists:
        yield from nested(actions, f"{path}.{place}", state.name)


def nested(actions: tuple[Action, ...], path: str, state: str) -> Iterator[tuple[str, str, Action]]:
    """The actions of a list, and those that undo them."""
    for index, action in enumerate(actions):
        here = f"{path}[{index}]"
        yield here, state, action
        if isinstance(action, CallIntegration):
            yield from nested(action.compensation, f"{here}.compensation", state)
