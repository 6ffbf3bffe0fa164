"""Details of slots, texts, intents and variables that are legal JSON but do not work."""

from collections.abc import Iterator
from typing import Final

import re2

from flows.core.definition.reading import json_step, listed, suggestion
from flows.core.lint import rich
from flows.core.lint.structure import warning
from flows.core.program import names_of, variables_set
from flows.core.sentences import SENTENCES
from flows.core.sites import all_actions, rule_path, state_path
from flows.core.types import (
    ClearVariable,
    Condition,
    Flow,
    Messages,
    Problem,
    ResponseConfig,
    SetVariable,
    SlotFillingConfig,
    SlotRule,
    SlotType,
    StateType,
    Transition,
    TriggerFlow,
)


def check(flow: Flow) -> list[Problem]:
    return [*slots(flow), *prompts(flow), *patterns(flow), *texts(flow), *ignored(flow), *variables(flow), *rich.check(flow), *sentences(flow)]


NUMBERS: Final = frozenset((SlotType.INTEGER, SlotType.NUMBER, SlotType.MONEY))
WORDS: Final = frozenset((SlotType.TEXT, SlotType.PATTERN, SlotType.EMAIL, SlotType.URL))
USED_BY: Final = {
    "choices": frozenset((SlotType.ENUM,)),
    "choices_from": frozenset((SlotType.ENUM,)),
    "multiple": frozenset((SlotType.ENUM, SlotType.PRODUCT)),
    "categories": frozenset((SlotType.PRODUCT,)),
    "units": frozenset((SlotType.NUMBER,)),
    "minimum": NUMBERS,
    "maximum": NUMBERS,
    "min_length": WORDS,
    "max_length": WORDS,
    "pattern": frozenset((SlotType.PATTERN, SlotType.TEXT)),
}


def slots(flow: Flow) -> Iterator[Problem]:
    for name, rule in flow.slots.items():
        yield from rule_problems(flow, name, rule)


def rule_problems(flow: Flow, name: str, rule: SlotRule) -> Iterator[Problem]:
    path = rule_path(flow, name, "type")
    if rule.type is SlotType.ENUM and not rule.choices and not rule.choices_from:
        yield Problem(path=f"{path}.choices", code="no_choices", message=f'The enum slot "{name}" has no choices.', expected="a list of choices")
    if rule.type is SlotType.PATTERN and not rule.pattern:
        yield Problem(path=f"{path}.pattern", code="no_pattern", message=f'The slot "{name}" has no pattern.', expected="a regular expression (RE2)")
    for field, types in USED_BY.items():
        if getattr(rule, field) not in (None, (), "", False, {}) and rule.type not in types:
            place = f"{rule_path(flow, name, field)}.{field}"
            yield warning(place, "ignored_field", f"A slot of type {rule.type} does not use `{field}`.", ", ".join(sorted(types)))
    values = [choice.value.casefold() for choice in rule.choices]
    if len(set(values)) < len(values):
        yield Problem(path=f"{path}.choices", code="duplicate", message="A choice is listed twice.", expected="each value once")


def prompts(flow: Flow) -> Iterator[Problem]:
    for state in flow.states.values():
        if not isinstance(state.config, SlotFillingConfig):
            continue
        path = f"{state_path(state.name)}.config"
        if not state.config.required_slots and not state.config.optional_slots:
            yield warning(f"{path}.required_slots", "no_slots", "This state asks for nothing.", "at least one slot")
        for slot in state.config.required_slots:
            if not state.config.prompts.get(slot):
                yield warning(f"{path}.prompts", "no_prompt", f'Nothing asks the user for the slot "{slot}".', f"a text for {slot}")


def patterns(flow: Flow) -> Iterator[Problem]:
    for name, rule in flow.slots.items():
        yield from pattern_problem(f"{rule_path(flow, name, 'pattern')}.pattern", rule.pattern)
    for intent in flow.intents.values():
        for index, pattern in enumerate(intent.patterns):
            yield from pattern_problem(f"$.intents{json_step(intent.name)}.patterns[{index}]", pattern)
        if not (intent.patterns or intent.keywords or intent.examples):
            yield warning(
                f"$.intents{json_step(intent.name)}", "empty_intent", "Nothing a user says means this intent.", "patterns, keywords or examples"
            )


def pattern_problem(path: str, pattern: str) -> Iterator[Problem]:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        re2.compile(pattern, options=options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        yield Problem(path=path, code="bad_pattern", message=f"This is no regular expression: {reason[:200]}.", expected="RE2 syntax")


def texts(flow: Flow) -> Iterator[Problem]:
    for path, found in all_texts(flow):
        if not found or has_default(found, flow.default_locale):
            continue
        yield warning(
            path, "no_default_text", f"There is no text for the default locale {flow.default_locale}.", f'"default" or "{flow.default_locale}"'
        )
    for state in flow.states.values():
        if isinstance(state.config, ResponseConfig) and not any(state.config.response_templates.values()):
            yield warning(f"{state_path(state.name)}.config.response_templates", "no_text", "This state says nothing.", "a text")


def has_default(found: Messages, locale: str) -> bool:
    return any(key in found for key in ("default", locale, locale.partition("-")[0]))


def all_texts(flow: Flow) -> Iterator[tuple[str, Messages]]:
    yield from rich.all_messages(flow)
    for name, rule in flow.slots.items():
        yield f"{rule_path(flow, name, 'message')}.message", rule.message
        yield f"{rule_path(flow, name, 'confirm')}.confirm", rule.confirm
    for intent in flow.intents.values():
        yield f"$.intents{json_step(intent.name)}.labels", intent.labels


def sentences(flow: Flow) -> Iterator[Problem]:
    for name in flow.texts:
        if name not in SENTENCES:
            path = f"$.metadata.texts{json_step(name)}"
            message = f'The engine has no sentence "{name[:64]}"{suggestion(name, SENTENCES) or "."}'
            yield warning(path, "unknown_sentence", message, listed(SENTENCES))


VALUED: Final = frozenset((Condition.INTENT_MATCH, Condition.SLOT_FILLED, Condition.TIMEOUT, Condition.INTEGRATION_ERROR))


def ignored(flow: Flow) -> Iterator[Problem]:
    for state in flow.states.values():
        for transition in state.transitions:
            path = f"{state_path(state.name)}.transitions[{transition.index}]"
            yield from ignored_fields(path, transition)
            if transition.condition is Condition.SLOT_FILLED and not transition.condition_value and state.type is not StateType.SLOT_FILLING:
                message = "Without a slot, slot_filled means the required slots of a slot_filling state."
                yield Problem(path=f"{path}.condition_value", code="missing", message=message, expected="the name of a slot")


def ignored_fields(path: str, transition: Transition) -> Iterator[Problem]:
    if transition.expression and transition.condition is not Condition.EXPRESSION:
        yield warning(f"{path}.expression", "ignored_field", f"A transition on {transition.condition} does not look at `expression`.", "nothing here")
    if transition.condition_value and transition.condition not in VALUED:
        yield warning(
            f"{path}.condition_value", "ignored_field", f"A transition on {transition.condition} does not look at `condition_value`.", "nothing here"
        )


def variables(flow: Flow) -> Iterator[Problem]:
    known = {*flow.variables, *variables_set(flow)}
    loops = {name for _, _, action in all_actions(flow) for name in names_of(action.for_each)}
    for path, _, action in all_actions(flow):
        if isinstance(action, ClearVariable) and action.name and action.name not in known:
            yield warning(f"{path}.name", "unknown_variable", f'There is no variable "{action.name}".', "a variable of this flow")
        for name in assigned(action):
            if name not in flow.variables and name not in loops:
                yield warning(path, "undeclared_variable", f'The variable "{name}" is not declared.', f'"{name}" in `variables`')


def assigned(action: object) -> tuple[str, ...]:
    if isinstance(action, SetVariable):
        return (action.name,) if action.name else ()
    return tuple(action.outputs) if isinstance(action, TriggerFlow) else ()
