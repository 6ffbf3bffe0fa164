"""A program laid out for the machine: per state, what is considered when, with every guard and template at hand.

Built once per program and process; everything here is derived from the `Program` and never changes.
"""

from collections.abc import Callable, Mapping
from typing import Any

from conversations.core.rich import RichWords
from conversations.core.scope import Guard, Verbatim, Words
from conversations.core.words import best
from flows.core.durations import milliseconds
from flows.core.sites import TEMPLATES, Moment, actions_sites
from flows.core.types import (
    Action,
    CallIntegration,
    Condition,
    Expression,
    Handler,
    HandlerTrigger,
    IntentConfig,
    Messages,
    Program,
    ResponseConfig,
    Rich,
    SlotFillingConfig,
    State,
    StateType,
    Template,
    Transition,
    WaitConfig,
)

_ON_MESSAGE = frozenset({Condition.ANY_INPUT, Condition.INTENT_MATCH, Condition.LOW_CONFIDENCE, Condition.SLOT_FILLED, Condition.EXPRESSION})
_ON_FILLED = frozenset({Condition.SLOT_FILLED, Condition.EXPRESSION})
_ON_ENTRY = _ON_FILLED
_ON_RESULT = frozenset({Condition.INTEGRATION_SUCCESS, Condition.INTEGRATION_ERROR, Condition.EXPRESSION, Condition.TIMEOUT})
_ON_TIMER = frozenset({Condition.TIMEOUT, Condition.EXPRESSION})
_CATCH_ALL = frozenset({Condition.ANY_INPUT, Condition.LOW_CONFIDENCE})
_ASKS_USER = _CATCH_ALL | {Condition.INTENT_MATCH}

MARGIN = 0.1  # two intents nearer than this are asked about
_KEPT_PLANS = 256
_KEPT_TEXTS = 4096


class Move:
    """A transition, ready to be tried. `late` is its line of the trace when another one was taken before it."""

    __slots__ = ("actions", "catch_all", "condition", "guard", "idle", "index", "label", "late", "target", "used", "value")

    def __init__(self, state: str, transition: Transition, guard: Guard | None) -> None:
        self.index = transition.index
        self.condition = transition.condition
        self.value = transition.condition_value
        self.target = transition.target_state
        self.actions = transition.actions
        self.guard = guard
        self.catch_all = transition.condition in _CATCH_ALL
        self.label = {"state": state, "index": transition.index, "condition": transition.condition.value, "target": transition.target_state}
        self.late = {**self.label, "taken": False, "why": "not tried: another transition was taken first"}
        self.used = {**self.label, "taken": False, "why": "not tried: message already consumed"}
        self.idle = {**self.label, "taken": False, "why": "not tried: waits for a message"}

    def reads_message(self) -> bool:
        return self.guard is not None and self.guard.reads_message


class StatePlan:
    """What a state considers on each kind of event, in the order in which it is tried."""

    __slots__ = (
        "again", "candidates", "config", "csat", "entry", "exits", "fallback", "filled", "generate", "handoff", "heeded", "interruptible",
        "interruptible_when", "later", "margin", "masked", "message", "name", "optional", "prefill", "required", "result", "start", "state",
        "texts", "threshold", "timeouts", "timer", "type", "undo", "wakes",
    )  # fmt: skip

    def __init__(self, program: Program, state: State, guards: Callable[[str], Guard | None]) -> None:
        moves = tuple(Move(state.name, one, guards(one.expression)) for one in program.ordered[state.name])
        config: Any = state.config
        self.name = state.name
        self.state = state
        self.type = state.type
        self.config = config
        self.start = state.entry_actions
        self.exits = state.exit_actions
        self.interruptible = state.interruptible
        self.interruptible_when = guards(state.interruptible_when)
        self.undo = bool(state.compensation)
        self.masked = state.masked_handlers
        self.message = tuple(move for move in moves if move.condition in _ON_MESSAGE)
        self.filled = tuple(move for move in moves if move.condition in _ON_FILLED)
        self.result = tuple(move for move in moves if move.condition in _ON_RESULT)
        self.timer = tuple(move for move in moves if move.condition in _ON_TIMER)
        self.timeouts = _timeouts(state, moves)
        self.wakes = bool(self.timeouts) or any(move.condition in _ASKS_USER or move.reads_message() for move in moves)
        self.entry = _tried_on_entry(state.type, moves, waits=self.wakes)
        self.later = tuple(move for move in moves if move not in self.entry and move.condition in _ON_MESSAGE)
        self.required: tuple[str, ...] = config.required_slots if isinstance(config, SlotFillingConfig) else ()
        self.optional: tuple[str, ...] = config.optional_slots if isinstance(config, SlotFillingConfig) else ()
        self.threshold = config.confidence_threshold if isinstance(config, IntentConfig) else 0.7
        self.fallback = config.fallback_intent if isinstance(config, IntentConfig) else ""
        self.margin = config.disambiguation_margin if isinstance(config, IntentConfig) else MARGIN
        self.candidates = _candidates(config, moves)
        self.heeded = frozenset(move.value for move in moves if move.condition is Condition.INTENT_MATCH and move.value)
        self.texts = _own_texts(config)
        asks = config if isinstance(config, SlotFillingConfig) else None
        self.csat = asks.csat if asks is not None else None
        self.prefill = asks.prefill if asks is not None else {}
        self.again = _asked_again(asks) if asks is not None else ()
        self.generate = config.generate if isinstance(config, ResponseConfig) else None
        self.handoff = config.handoff if isinstance(config, WaitConfig) else None


def _asked_again(config: SlotFillingConfig) -> tuple[str, ...]:
    """What is asked for on every entry: a rating is, always."""
    rated = (config.csat.score, config.csat.comment) if config.csat is not None else ()
    return tuple(dict.fromkeys(name for name in (*config.ask_again, *rated) if name))


def _timeouts(state: State, moves: tuple[Move, ...]) -> tuple[tuple[int, int], ...]:
    """(transition index, milliseconds). An integration state has none: there the call's own deadline is the timeout."""
    if state.type is StateType.INTEGRATION:
        return ()
    timed = ((move.index, milliseconds(move.value) or state.timeout_ms) for move in moves if move.condition is Condition.TIMEOUT)
    return tuple((index, after) for index, after in timed if after > 0)


def _tried_on_entry(kind: StateType, moves: tuple[Move, ...], *, waits: bool) -> tuple[Move, ...]:
    """Consume once: where a state waits for the user, an expression over the message is not tried on the message that led there."""
    waits = waits or kind in (StateType.INTENT, StateType.SLOT_FILLING, StateType.WAIT)
    again = kind is StateType.CONDITION or not waits
    return tuple(move for move in moves if move.condition in _ON_ENTRY and (again or not move.reads_message()))


def _candidates(config: object, moves: tuple[Move, ...]) -> frozenset[str]:
    """The intents that compete here; empty = all of the flow (`context_aware: false`, or a state that names none)."""
    if isinstance(config, IntentConfig) and not config.context_aware:
        return frozenset()
    named = {move.value for move in moves if move.condition is Condition.INTENT_MATCH and move.value}
    return frozenset(named.union(config.intents if isinstance(config, IntentConfig) else ()))


def _own_texts(config: Any) -> Messages:
    return getattr(config, "prompt", None) or getattr(config, "response_templates", None) or {}


class Plan:
    """A program, laid out. `handlers` are by (trigger, value), in the order in which they are tried."""

    __slots__ = (
        "_guards", "_seen", "_texts", "_words", "actions", "handlers", "has_intent_handlers", "initial", "program", "program_key", "slots", "states",
    )  # fmt: skip

    def __init__(self, program: Program) -> None:
        flow = program.flow
        self.program = program
        self.program_key = program.key
        self._guards: dict[str, Guard | None] = {}
        self._words: dict[str, Words | None] = {}
        self._texts: dict[tuple[int, str, str], Words | RichWords | None] = {}
        self._seen: dict[tuple[str, str], frozenset[str]] = {}
        self.states = {name: StatePlan(program, state, self.guard) for name, state in flow.states.items()}
        self.slots = _asked_slots(self.states)
        self.initial = {name: variable.initial for name, variable in flow.variables.items() if variable.initial is not None}
        self.handlers = _handlers(flow.handlers)
        self.has_intent_handlers = any(on is HandlerTrigger.INTENT for on, _ in self.handlers)
        self.actions = _action_lists(flow.states, flow.handlers)

    def guard(self, source: str) -> Guard | None:
        """None for an empty source, and for one that was not compiled (a program that skipped the checks)."""
        if source not in self._guards:
            compiled = self.program.expressions.get(source) if source else None
            self._guards[source] = Guard(compiled) if compiled is not None else None
        return self._guards[source]

    def words(self, source: str) -> Words | None:
        if source not in self._words:
            compiled = self.program.templates.get(source)
            self._words[source] = Words(compiled) if compiled is not None else None
        return self._words[source]

    def text(self, texts: Messages, locale: str, channel: str) -> Words | RichWords | None:
        """The template for this user: the most exact of locale and channel wins, then the flow's default."""
        key = (id(texts), locale, channel)
        try:
            return self._texts[key]
        except KeyError:
            pass
        if len(self._texts) >= _KEPT_TEXTS:
            self._texts.clear()
        source = best(texts, locale, channel, self.program.flow.default_locale)
        found = self._texts[key] = self._said(source) if source else None
        return found

    def _said(self, source: str | Rich) -> Words | RichWords:
        return RichWords(source, self.verbal) if isinstance(source, Rich) else self.verbal(source)

    def verbal(self, source: str) -> Words:
        """A template of this program; a text that is none is said as it is written."""
        return self.words(source) or Words(Verbatim(source))

    def seen(self, state: str, place: str) -> frozenset[str]:
        """What a list of actions reads: kept when it may be needed later, to take back what was done."""
        found = self._seen.get((state, place))
        if found is None:
            names = set[str]()
            for site in actions_sites(self.actions[state, place], "", Moment.ANYTIME):
                one: Expression | Template | None
                one = self.program.templates.get(site.source) if site.kind in TEMPLATES else self.program.expressions.get(site.source)
                names |= one.reads if one is not None else set()
            found = self._seen[state, place] = frozenset(names)
        return found


def _asked_slots(states: Mapping[str, StatePlan]) -> tuple[str, ...]:
    """Every slot that some state of the flow asks for or takes, once, in the order of the definition."""
    names = (name for here in states.values() for name in (*here.required, *here.optional))
    return tuple(dict.fromkeys(names))


_NAMED = frozenset({HandlerTrigger.INTENT, HandlerTrigger.COMMAND, HandlerTrigger.EVENT})


def _handlers(handlers: tuple[Handler, ...]) -> dict[tuple[HandlerTrigger, str], tuple[Handler, ...]]:
    """`no_match` and `error` have no value: one key for each."""
    table: dict[tuple[HandlerTrigger, str], tuple[Handler, ...]] = {}
    for handler in handlers:
        key = (handler.on, handler.value if handler.on in _NAMED else "")
        table[key] = (*table.get(key, ()), handler)
    return table


def _action_lists(states: Mapping[str, State], handlers: tuple[Handler, ...]) -> dict[tuple[str, str], tuple[Action, ...]]:
    """Every list of actions by (state, place): "entry", "exit", "t3" for a transition, "undo", and ("", name) for a handler. What undoes the
    third action of a list is at its place + ".2.undo"."""
    lists: dict[tuple[str, str], tuple[Action, ...]] = {}
    for state in states.values():
        lists[state.name, "entry"] = state.entry_actions
        lists[state.name, "exit"] = state.exit_actions
        for one in state.transitions:
            lists[state.name, f"t{one.index}"] = one.actions
        lists[state.name, "undo"] = state.compensation
    for handler in handlers:
        lists["", handler.name] = handler.actions
    for (state_name, place), actions in list(lists.items()):
        for number, action in enumerate(actions):
            if isinstance(action, CallIntegration) and action.compensation:
                lists[state_name, f"{place}.{number}.undo"] = action.compensation
    return lists


_plans: dict[int, Plan] = {}


def plan_of(program: Program) -> Plan:
    """The plan of this very program. The plan holds its program, so that an id in the cache is never that of another."""
    plan = _plans.get(id(program))
    if plan is None:
        if len(_plans) >= _KEPT_PLANS:
            _plans.clear()
        plan = _plans[id(program)] = Plan(program)
    return plan
