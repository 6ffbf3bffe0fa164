"""Slots, intents and variables: the words that the states of a flow use."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from flows.core.definition.reading import (
    EXPRESSION,
    FLAG,
    IDENTIFIED,
    JSON,
    NAME,
    NAMED,
    OPTIONAL_EXPRESSION,
    At,
    Field,
    Kind,
    integer,
    list_of,
    listed,
    map_of,
    matching,
    number,
    one_of,
    record,
    refuse_unknown,
    text,
    texts,
    written,
    wrong,
)
from flows.core.types import Choice, Intent, Json, SlotRule, SlotType, Variable

CHOICE: Final = {
    "value": Field(text(200, empty=False)),
    "synonyms": Field(list_of(text(200, empty=False), 50), (), terse=True),
    "labels": Field(texts(bare=False), {}, terse=True),
}


def read_choice(at: At) -> Choice:
    if isinstance(at.value, str):
        return Choice(value=text(200, empty=False).read(at))
    return Choice(**record(at, CHOICE))


def write_choice(choice: Choice) -> Json:
    return written({name: getattr(choice, name) for name in CHOICE}, CHOICE) if choice.synonyms or choice.labels else choice.value


RULE: Final = {
    "type": Field(one_of(SlotType, "unknown_slot_type"), SlotType.TEXT),
    "choices": Field(list_of(Kind(read_choice, Choice(value=""), write_choice), 500), (), terse=True),
    "minimum": Field(number(), None, terse=True),
    "maximum": Field(number(), None, terse=True),
    "min_length": Field(integer(0, 4_096), None, terse=True),
    "max_length": Field(integer(1, 4_096), None, terse=True),
    "pattern": Field(text(500), "", terse=True),
    "expression": Field(OPTIONAL_EXPRESSION, "", terse=True),
    "message": Field(texts(), {}, terse=True),
    "sensitive": Field(FLAG, False, terse=True),
    "region": Field(matching(re.compile("[A-Z]{2}"), "a country code of two capital letters"), "US", terse=True),
    "multiple": Field(FLAG, False, terse=True),
    "choices_from": Field(OPTIONAL_EXPRESSION, "", terse=True),
    "units": Field(map_of(number(), 50, text(40, empty=False)), {}, terse=True),
    "confirm": Field(texts(), {}, terse=True),
    "categories": Field(list_of(text(200, empty=False), 50), (), terse=True),
}


def read_partial_rule(at: At) -> dict[str, Any]:
    """The fields that the author wrote, normalised; the rest comes from the flow's `slots` or from the defaults."""
    if isinstance(at.value, str):
        return {"type": SlotType(at.value)} if at.value in list(SlotType) else {"expression": EXPRESSION.read(at)}
    if not isinstance(at.value, dict):
        return wrong(at, "the name of a slot type, a CEL expression over `value`, or an object", {})
    refuse_unknown(at, RULE)
    rule = {name: RULE[name].read(at.key(name)) for name in RULE if at.value.get(name) is not None}
    refuse_empty_ranges(at, rule)
    return rule


def refuse_empty_ranges(at: At, rule: Mapping[str, Any]) -> None:
    for low, high in (("minimum", "maximum"), ("min_length", "max_length")):
        if low in rule and high in rule and rule[low] > rule[high]:
            at.key(low).refuse("out_of_range", f"`{low}` is greater than `{high}`.", f"at most {rule[high]:g}")


def write_partial_rule(rule: Mapping[str, Any]) -> Json:
    return {name: RULE[name].kind.write(value) for name, value in rule.items()}


RULES: Final = map_of(Kind(read_partial_rule, {}, write_partial_rule), 500, IDENTIFIED)


def merge_rules(name: str, top: Mapping[str, Any], by_state: list[tuple[At, Mapping[str, Any]]]) -> SlotRule:
    """One rule from what the flow and its states say. A state adds to the flow's rule; two that disagree are a problem."""
    merged: dict[str, Any] = {}
    for at, rule in by_state:
        for key, value in rule.items():
            if key in merged and merged[key] != value:
                at.refuse("conflicting_rule", f'Another state gives slot "{name}" a different `{key}`.', "one rule per slot: write it in `slots`")
            merged.setdefault(key, value)
        if "type" in rule and top.get("type", rule["type"]) != rule["type"]:
            at.refuse("conflicting_rule", f'The flow\'s `slots` say that "{name}" is {top["type"]}.', f"type {top['type']}")
    return SlotRule(name=name, **{**top, **merged})


def rule_fields(rule: SlotRule) -> dict[str, Any]:
    """The fields of a rule that are not defaults, and its type."""
    values = {name: getattr(rule, name) for name in RULE}
    return {name: value for name, value in values.items() if name == "type" or value != RULE[name].default}


GAP: Final = r"\W+"


def read_pattern(at: At) -> str:
    """`/re2/` is taken as it is; words become an expression that finds them in a row, whatever stands between them."""
    source = text(500, empty=False).read(at).strip()
    if len(source) > 2 and source[0] == source[-1] == "/":
        return str(source[1:-1])
    words = re.findall(r"\w+", source.casefold())
    if not words and source:
        at.refuse("bad_pattern", "This pattern has no words.", "words, or a regular expression between slashes")
    return rf"\b{GAP.join(words)}\b" if words else ""


def write_pattern(pattern: str) -> str:
    words = " ".join(pattern.removeprefix(r"\b").removesuffix(r"\b").split(GAP))
    probe = read_pattern(At(words, [])) if words else ""
    return words if probe == pattern else f"/{pattern}/"


PATTERNS: Final = Kind(read_pattern, "", write_pattern)
INTENT: Final = {
    "patterns": Field(list_of(PATTERNS, 200), (), terse=True),
    "keywords": Field(list_of(text(100, empty=False), 50), (), terse=True),
    "examples": Field(list_of(text(500, empty=False), 1_000), (), terse=True),
}
LABELS: Final = {"labels": Field(texts(bare=False), {}, terse=True)}
INLINE_INTENT: Final = {"intent": Field(NAMED), **INTENT}


def read_intents(at: At) -> dict[str, Intent]:
    if not isinstance(at.value, dict):
        return wrong(at, "an object of intents by name", {})
    bodies = map_of(Kind(lambda body: record(body, {**INTENT, **LABELS}), {}), 1_000).read(at)
    return {name: Intent(name=name, **body) for name, body in bodies.items()}


def write_intents(intents: Mapping[str, Intent]) -> Json:
    fields = {**INTENT, **LABELS}
    return {name: written({key: getattr(intent, key) for key in fields}, fields) for name, intent in intents.items()}


INTENTS: Final = Kind(read_intents, {}, write_intents)


def read_intent_pattern(at: At) -> Intent:
    """`"name"`, `"name: pattern"`, or an object; an intent without patterns is a reference to one that `intents` declares."""
    if isinstance(at.value, str):
        return read_short_intent(at)
    if not isinstance(at.value, dict):
        return wrong(at, 'an intent\'s name, "name: pattern", or an object', Intent(name=""))
    values = record(at, INLINE_INTENT)
    return Intent(name=values.pop("intent"), **values)


def read_short_intent(at: At) -> Intent:
    name, colon, pattern = at.value.partition(":")
    if not NAME.fullmatch(name.strip()):
        at.refuse("bad_name", f"{json.dumps(at.value[:80])} does not begin with the name of an intent.", 'a name, or "name: pattern"')
        return Intent(name="")
    if not colon:
        return Intent(name=name.strip())
    found = read_pattern(At(pattern.strip(), at.problems, at.parent, at.step))
    return Intent(name=name.strip(), patterns=(found,) if found else ())


def merge_intents(one: Intent, other: Intent) -> Intent:
    """Both together, every pattern once."""
    both = {key: tuple(dict.fromkeys((*getattr(one, key), *getattr(other, key)))) for key in INTENT}
    return Intent(name=one.name, labels=one.labels or other.labels, **both)


VARIABLE_TYPES: Final = ("bool", "int", "double", "string", "list", "map", "dyn")
PYTHON_TYPES: Final[tuple[tuple[type, str], ...]] = (
    (bool, "bool"),
    (int, "int"),
    (float, "double"),
    (str, "string"),
    (list, "list"),
    (dict, "map"),
)


def type_of(value: Json) -> str:
    """The CEL type of a JSON value; null fits every type."""
    return next((name for kind, name in PYTHON_TYPES if isinstance(value, kind)), "dyn")


def fits(value: Json, wanted: str) -> bool:
    found = type_of(value)
    return value is None or wanted in (found, "dyn") or (found == "int" and wanted == "double")


def is_declaration(value: Json) -> bool:
    """`{type, initial}` declares; every other object is a literal of type map."""
    return isinstance(value, dict) and "type" in value and set(value) <= {"type", "initial"}


def read_variable(at: At) -> Variable:
    name = str(at.step)
    if not is_declaration(at.value):
        return Variable(name=name, type=type_of(at.value), initial=JSON.read(at))
    if at.value["type"] not in VARIABLE_TYPES:
        at.key("type").refuse("unknown_value", "This is not a type of a variable.", listed(VARIABLE_TYPES))
        return Variable(name=name, type="dyn", initial=None)
    return typed_variable(name, at.value["type"], at.key("initial"))


def typed_variable(name: str, wanted: str, at: At) -> Variable:
    initial = JSON.read(at)
    if not fits(initial, wanted):
        return wrong(at, f"a value of type {wanted}", Variable(name=name, type=wanted, initial=None))
    whole = wanted == "double" and isinstance(initial, int)
    return Variable(name=name, type=wanted, initial=float(initial) if whole else initial)


def write_variable(variable: Variable) -> Json:
    """The literal alone where it says enough. A whole double does not: other languages write 5.0 as 5."""
    plain = variable.initial
    whole = isinstance(plain, float) and plain.is_integer()
    if plain is not None and type_of(plain) == variable.type and not is_declaration(plain) and not whole:
        return plain
    declared = {"type": variable.type}
    return declared if plain is None else {**declared, "initial": plain}


VARIABLES: Final = map_of(Kind(read_variable, Variable(name="", type="dyn", initial=None), write_variable), 500, IDENTIFIED)
