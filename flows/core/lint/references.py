"""Names that must exist: states, intents, slots, flows, integrations, handlers."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from flows.core.definition.reading import json_step, listed, suggestion
from flows.core.definition.states import CommandName
from flows.core.lint import rich
from flows.core.sites import all_actions, asked_texts, state_path
from flows.core.types import (
    CallIntegration,
    ClearVariable,
    Condition,
    Flow,
    HandlerTrigger,
    IntegrationConfig,
    IntentConfig,
    OnError,
    Problem,
    SetVariable,
    Severity,
    SlotFillingConfig,
    State,
    TriggerFlow,
)


@dataclass(frozen=True, slots=True)
class Reference:
    path: str
    kind: str  # state, intent, slot, flow, integration, handler
    name: str


def missing(flow: Flow, known_flows: Collection[str], known_integrations: Collection[str]) -> list[Problem]:
    known: dict[str, Collection[str]] = {
        "state": flow.states,
        "intent": flow.intents,
        "slot": flow.slots,
        "flow": {*known_flows, flow.flow_id},
        "integration": known_integrations,
        "handler": {*(handler.name for handler in flow.handlers), *CommandName},
    }
    found = [reference for reference in references(flow) if reference.name and reference.name not in known[reference.kind]]
    return [problem(reference, known[reference.kind], suggest=index < 50) for index, reference in enumerate(found)]


def problem(reference: Reference, known: Collection[str], *, suggest: bool) -> Problem:
    hint = suggestion(reference.name, known) if suggest else ""
    return Problem(
        path=reference.path,
        code=f"unknown_{reference.kind}",
        message=f'There is no {reference.kind} "{reference.name[:64]}"{hint or "."}',
        expected=listed(known) or f"a {reference.kind} that exists",
        severity=Severity.WARNING if reference.kind == "handler" else Severity.ERROR,
    )


def references(flow: Flow) -> Iterator[Reference]:
    yield Reference("$.initial_state", "state", flow.initial_state)
    for state in flow.states.values():
        yield from state_references(state)
    for path, _, action in all_actions(flow):
        if action.on_error is OnError.GOTO:
            yield Reference(f"{path}.goto", "state", action.goto)
        if isinstance(action, CallIntegration):
            yield Reference(f"{path}.integration_id", "integration", action.call.integration_id)
        if isinstance(action, TriggerFlow):
            yield Reference(f"{path}.flow_id", "flow", action.flow_id)
        if isinstance(action, SetVariable | ClearVariable):
            yield Reference(f"{path}.slot", "slot", action.slot)
    yield from handler_references(flow)
    for index, trigger in enumerate(flow.triggers):
        yield Reference(f"$.metadata.triggers[{index}]", "intent", trigger.intent)
    yield from button_references(flow)


def button_references(flow: Flow) -> Iterator[Reference]:
    """What buttons send: an intent, slots."""
    for path, button in rich.all_buttons(flow):
        yield Reference(f"{path}.intent", "intent", button.intent)
        for slot in button.slots:
            yield Reference(f"{path}.slots{json_step(slot)}", "slot", slot)


def state_references(state: State) -> Iterator[Reference]:
    path = state_path(state.name)
    yield from config_references(state, f"{path}.config")
    for name in sorted(state.masked_handlers):
        yield Reference(f"{path}.config.masked_handlers", "handler", name)
    for transition in state.transitions:
        here = f"{path}.transitions[{transition.index}]"
        yield Reference(f"{here}.target_state", "state", transition.target_state)
        kind = {Condition.INTENT_MATCH: "intent", Condition.SLOT_FILLED: "slot"}.get(transition.condition)
        if kind:
            yield Reference(f"{here}.condition_value", kind, transition.condition_value)


def config_references(state: State, path: str) -> Iterator[Reference]:
    config = state.config
    if isinstance(config, IntentConfig):
        yield Reference(f"{path}.fallback_intent", "intent", config.fallback_intent)
        for index, name in enumerate(config.intents):
            yield Reference(f"{path}.intent_patterns[{index}]", "intent", name)
    if isinstance(config, IntegrationConfig):
        yield Reference(f"{path}.integration_id", "integration", config.integration_id)
        yield Reference(f"{path}.error_handling.goto", "state", str(config.error_handling.get("goto", "")))
    if isinstance(config, SlotFillingConfig):
        named = (*asked_texts(config), ("default_values", config.default_values), ("prefill", config.prefill))
        for field, by_slot in named:
            for slot in by_slot:
                yield Reference(f"{path}.{field}{json_step(slot)}", "slot", slot)
        for index, slot in enumerate(config.ask_again):
            yield Reference(f"{path}.ask_again[{index}]", "slot", slot)
        if config.csat is not None:
            yield Reference(f"{path}.csat.score", "slot", config.csat.score)
            yield Reference(f"{path}.csat.comment", "slot", config.csat.comment)


def handler_references(flow: Flow) -> Iterator[Reference]:
    for handler in flow.handlers:
        path = f"$.global_handlers{json_step(handler.name)}"
        yield Reference(f"{path}.target_state", "state", handler.target_state)
        yield Reference(f"{path}.flow_id", "flow", handler.flow_id)
        if handler.on is HandlerTrigger.INTENT:
            yield Reference(f"{path}.value", "intent", handler.value)
