"""The JSON form of a flow, in and out. The format is described field by field in docs/protocol/flow.md."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flows.core.definition.reading import FLAG, JSON_OBJECT, NAMED, At, Field, Kind, list_of, map_of, number, record, text, texts, written, wrong
from flows.core.definition.states import HANDLERS, STATES
from flows.core.definition.vocabulary import (
    INTENTS,
    RULES,
    VARIABLES,
    merge_intents,
    merge_rules,
    read_intent_pattern,
    rule_fields,
)
from flows.core.types import Flow, Handler, Intent, IntentConfig, Json, Problem, SlotFillingConfig, SlotRule, SlotType, State, Texts, Trigger

DEFAULT_LOCALE: Final = "en"

FLOW: Final = {
    "flow_id": Field(NAMED),
    "tenant_id": Field(text(100), "", terse=True),
    "name": Field(text(200, empty=False)),
    "version": Field(text(50), "1"),
    "description": Field(text(), ""),
    "initial_state": Field(NAMED),
    "states": Field(STATES),
    "global_handlers": Field(HANDLERS, {}),
    "variables": Field(VARIABLES, {}),
    "slots": Field(RULES, {}, terse=True),
    "intents": Field(INTENTS, {}, terse=True),
    "metadata": Field(JSON_OBJECT, {}),
}


@dataclass(frozen=True, slots=True)
class Survey:
    """What could be read, and everything that is wrong with it. `flow` has blanks where there are problems, so never run it then."""

    flow: Flow
    problems: list[Problem]


def parse(document: Json) -> tuple[Flow | None, list[Problem]]:
    """The flow, or every fault of shape that the document has. Takes any JSON value and never raises."""
    found = survey(document)
    return (None if found.problems else found.flow), found.problems


def survey(document: Json) -> Survey:
    """As `parse`, but with whatever could be read: `lint.check_document` looks for broken references in broken documents too."""
    problems: list[Problem] = []
    at = At(document, problems)
    if not isinstance(document, dict):
        return Survey(wrong(at, "an object with flow_id, name, initial_state and states", BLANK_FLOW), problems)
    values = record(at, FLOW)
    refuse_no_states(at)
    slots = all_slots(at, values)
    intents = all_intents(at, values)
    handlers = in_order(values.pop("global_handlers"))
    known = {
        "default_locale": default_locale(at, values["metadata"]),
        "triggers": triggers(at, values["metadata"]),
        "texts": own_texts(at, values["metadata"]),
    }
    return Survey(Flow(**{**values, "slots": slots, "intents": intents, "handlers": handlers, **known}), problems)


BLANK_FLOW: Final = Flow(flow_id="", name="", version="1", initial_state="", states={})


def refuse_no_states(at: At) -> None:
    if at.value.get("states") == {}:
        at.key("states").refuse("empty", "A flow has at least one state.", "an object of states by name")


def in_order(handlers: Mapping[str, Handler]) -> tuple[Handler, ...]:
    return tuple(sorted(handlers.values(), key=lambda handler: (handler.priority, handler.name)))


TRIGGER: Final = {"intent": Field(NAMED), "replace": Field(FLAG, False), "confidence": Field(number(0, 1), 0.75)}
SENTENCES: Final = map_of(texts(), 100)


def read_trigger(at: At) -> Trigger:
    """The intent's name alone, or an object."""
    return Trigger(intent=NAMED.read(at)) if isinstance(at.value, str) else Trigger(**record(at, TRIGGER))


TRIGGERS: Final = list_of(Kind(read_trigger), 50)


def triggers(at: At, metadata: Mapping[str, Json]) -> tuple[Trigger, ...]:
    """`metadata.triggers`: the intents that start this flow from anywhere."""
    if metadata.get("triggers") is None:
        return ()
    found: tuple[Trigger, ...] = TRIGGERS.read(at.key("metadata").key("triggers"))
    return found


def own_texts(at: At, metadata: Mapping[str, Json]) -> Mapping[str, Texts]:
    """`metadata.texts`: the flow's own words for the engine's sentences, by the sentence's name."""
    if metadata.get("texts") is None:
        return {}
    found: Mapping[str, Texts] = SENTENCES.read(at.key("metadata").key("texts"))
    return found


def default_locale(at: At, metadata: Mapping[str, Json]) -> str:
    """`metadata.default_locale`."""
    if metadata.get("default_locale") is None:
        return DEFAULT_LOCALE
    return str(text(35, empty=False).read(at.key("metadata").key("default_locale"))) or DEFAULT_LOCALE


def all_slots(at: At, values: Mapping[str, Any]) -> dict[str, SlotRule]:
    """Every slot that is declared or asked for, with the rules of the flow and of its states in one."""
    top: dict[str, Any] = values["slots"]
    rules: dict[str, list[tuple[At, Mapping[str, Any]]]] = {name: [] for name in top}
    for name, config in slot_configs(values["states"]):
        for slot in filter(None, (*config.required_slots, *config.optional_slots)):
            rules.setdefault(slot, [])
        for slot, rule in config.validation_rules.items():
            place = at.key("states").key(name).key("config").key("validation_rules").key(slot)
            rules.setdefault(slot, []).append((place, rule))
    rated = csat_rules(values["states"])
    return {name: merge_rules(name, {**rated.get(name, {}), **top.get(name, {})}, found) for name, found in rules.items()}


def csat_rules(states: Mapping[str, State]) -> dict[str, dict[str, Any]]:
    """What a rating's slot is, where its author does not say otherwise."""
    asked = (config.csat for _, config in slot_configs(states) if config.csat is not None)
    return {csat.score: {"type": SlotType.INTEGER, "minimum": 1.0, "maximum": float(csat.scale)} for csat in asked if csat.score}


def slot_configs(states: Mapping[str, State]) -> list[tuple[str, SlotFillingConfig]]:
    return [(name, state.config) for name, state in states.items() if isinstance(state.config, SlotFillingConfig)]


def all_intents(at: At, values: Mapping[str, Any]) -> dict[str, Intent]:
    """The declared intents, with what states add to them inline."""
    intents: dict[str, Intent] = dict(values["intents"])
    for name, state in values["states"].items():
        if not isinstance(state.config, IntentConfig):
            continue
        for item in inline_intents(at.key("states").key(name).key("config").key("intent_patterns")):
            intents[item.name] = merge_intents(intents.get(item.name, Intent(name=item.name)), item)
    return intents


def inline_intents(at: At) -> list[Intent]:
    """The items that say how the intent sounds. Read a second time, so that their problems are not listed twice."""
    if not isinstance(at.value, list):
        return []
    quiet = At(at.value, [], at.parent, at.step)
    found = [read_intent_pattern(quiet.item(index)) for index in range(len(at.value))]
    return [item for item in found if item.name and item != Intent(name=item.name)]


def export(flow: Flow) -> dict[str, Json]:
    """The document of a flow: `parse(export(flow))` gives the flow again."""
    values = {name: getattr(flow, name, None) for name in FLOW}
    values["global_handlers"] = {handler.name: handler for handler in flow.handlers}
    values["slots"] = top_rules(flow)
    return written(values, FLOW)


def top_rules(flow: Flow) -> dict[str, dict[str, Any]]:
    """What `slots` has to say beyond the states' own `validation_rules`."""
    by_states: dict[str, set[str]] = {}
    for _, config in slot_configs(flow.states):
        for slot, rule in config.validation_rules.items():
            by_states.setdefault(slot, set()).update(rule)
    rest = {name: {key: value for key, value in rule_fields(rule).items() if key not in by_states.get(name, ())} for name, rule in flow.slots.items()}
    return {name: rule for name, rule in rest.items() if rule or name not in by_states}


def canonical(document: Json) -> str:
    """One text per document: sorted keys, no spaces, as it is hashed and stored."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(text: str) -> str:
    """The sha256 of a canonical text."""
    return hashlib.sha256(text.encode()).hexdigest()
