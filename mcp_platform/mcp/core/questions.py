"""Slots of a flow as JSON Schema: the arguments of its tool, and the form of one question."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from flows.core.types import Flow, Messages, Rich, SlotFillingConfig, SlotRule, SlotType

Schema = dict[str, Any]

MOST_CHOSEN: Final = 100  # of choices that are known only while the flow runs
_SPAN: Final = {"start": {"type": "string"}, "end": {"type": "string"}}


def _text(rule: SlotRule) -> Schema:
    found: Schema = {"type": "string"}
    if rule.min_length is not None:
        found["minLength"] = rule.min_length
    if rule.max_length is not None:
        found["maxLength"] = rule.max_length
    return found


def _formatted(name: str) -> Callable[[SlotRule], Schema]:
    return lambda rule: {"type": "string", "format": name}


def _number(kind: str) -> Callable[[SlotRule], Schema]:
    def schema(rule: SlotRule) -> Schema:
        found: Schema = {"type": kind}
        if rule.minimum is not None:
            found["minimum"] = rule.minimum
        if rule.maximum is not None:
            found["maximum"] = rule.maximum
        return found

    return schema


def _choices(rule: SlotRule) -> Schema:
    if not rule.choices or rule.choices_from:  # they are known only while the flow runs
        return {"type": "array", "items": {"type": "string"}, "maxItems": MOST_CHOSEN} if rule.multiple else {"type": "string"}
    values = [choice.value for choice in rule.choices]
    one: Schema = {"type": "string", "enum": values}
    return {"type": "array", "items": one, "maxItems": len(values)} if rule.multiple else one


def _span(rule: SlotRule) -> Schema:
    return {"type": "object", "properties": dict(_SPAN), "required": ["start", "end"], "additionalProperties": False}


def _file(rule: SlotRule) -> Schema:
    names = ("url", "name", "content_type", "id")
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "additionalProperties": False}


SCHEMAS: Final[Mapping[SlotType, Callable[[SlotRule], Schema]]] = {
    SlotType.TEXT: _text,
    SlotType.INTEGER: _number("integer"),
    SlotType.NUMBER: _number("number"),
    SlotType.MONEY: _number("number"),
    SlotType.BOOLEAN: lambda rule: {"type": "boolean"},
    SlotType.DATE: _formatted("date"),
    SlotType.TIME: lambda rule: {"type": "string", "description": "HH:MM"},
    SlotType.DATETIME: _formatted("date-time"),
    SlotType.EMAIL: _formatted("email"),
    SlotType.PHONE: _text,
    SlotType.URL: _formatted("uri"),
    SlotType.ENUM: _choices,
    SlotType.PATTERN: _text,
    SlotType.PRODUCT: _text,
    SlotType.ATTACHMENT: _file,
    SlotType.DATE_RANGE: _span,
    SlotType.TIME_RANGE: _span,
}
# A form has flat fields: what has parts is asked for in words.
_IN_WORDS: Final = frozenset({SlotType.ATTACHMENT, SlotType.DATE_RANGE, SlotType.TIME_RANGE})


def of_slot(rule: SlotRule, description: str = "") -> Schema:
    found = SCHEMAS[rule.type](rule)
    told = " ".join(part for part in (description, found.pop("description", ""), _units(rule)) if part)
    return {**found, "description": told} if told else found


def _units(rule: SlotRule) -> str:
    stored = next((word for word, factor in rule.units.items() if factor == 1), "")
    return f"In {stored}." if stored else ""


def of_flow(flow: Flow) -> Schema:
    """The arguments of a flow's tool: every slot that it asks for. None is required: what is left out is asked for, or was not needed."""
    asked = prompts(flow)
    rules = {name: rule for name, rule in flow.slots.items() if name in asked and not rule.sensitive}
    return {"type": "object", "properties": {name: of_slot(rule, asked[name]) for name, rule in sorted(rules.items())}}


def prompts(flow: Flow) -> dict[str, str]:
    """Slot -> the question for it, for every slot that a state asks for or takes."""
    found: dict[str, str] = {}
    for state in flow.states.values():
        if isinstance(state.config, SlotFillingConfig):
            for name in (*state.config.required_slots, *state.config.optional_slots):
                found[name] = found.get(name) or plain(state.config.prompts.get(name, {}), flow.default_locale)
    return found


def plain(messages: Messages, locale: str) -> str:
    """The text in this language, without placeholders that only a conversation can fill."""
    chosen = messages.get(locale) or messages.get("default") or next(iter(messages.values()), "")
    text = chosen.text if isinstance(chosen, Rich) else chosen
    return "" if "{{" in text else text


def form(rule: SlotRule, question: str) -> Schema:
    """The form for one slot: an object with one field, named as the slot."""
    field = {"type": "string"} if rule.type in _IN_WORDS else of_slot(rule)
    return {"type": "object", "properties": {rule.name: {**field, "title": question[:200] or rule.name}}, "required": [rule.name]}


def free_form(question: str) -> Schema:
    """The form where any words will do."""
    return {"type": "object", "properties": {"answer": {"type": "string", "title": question[:200] or "Answer"}}, "required": ["answer"]}


def spoken(value: Any) -> str:
    """A form's value as the words that a person would have typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_each(value))
    return str(value)


def _each(values: Iterable[Any]) -> list[str]:
    return [str(one) for one in values]
