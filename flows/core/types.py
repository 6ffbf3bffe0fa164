"""The values of a flow: what an author writes, parsed and frozen, and what the engine runs.

`Flow` is the definition (docs/protocol/flow.md) with every default filled in. `Program` is a `Flow` compiled once: guards and templates
ready to evaluate, transitions in the order in which they are tried. Mappings in these values are never changed after construction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

Json: TypeAlias = Any  # what json.loads returns; a recursive alias costs every caller a cast
Texts: TypeAlias = Mapping[str, str]  # locale ("de", "de-AT"), channel ("sms"), "locale/channel" or "default" -> template source


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """What pressing does: open `url`, or send `intent` and `slots`, or say `text`; with none of them it says its label. `label`, `url` and
    `text` are templates."""

    label: str
    intent: str = ""
    slots: Mapping[str, Json] = field(default_factory=dict)
    url: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """`url` and `alt` are templates."""

    url: str
    alt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """All texts are templates."""

    title: str
    subtitle: str = ""
    image: str = ""
    url: str = ""
    buttons: tuple[Button, ...] = ()


class Layout(StrEnum):
    CAROUSEL = "carousel"
    LIST = "list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rich:
    """A message with more than words. Every reply made of it also has a plain text with numbered options."""

    text: str = ""
    buttons: tuple[Button, ...] = ()
    quick_replies: tuple[Button, ...] = ()
    cards: tuple[Card, ...] = ()
    layout: Layout = Layout.CAROUSEL
    images: tuple[Picture, ...] = ()


Messages: TypeAlias = Mapping[str, str | Rich]  # as Texts, where a value may also be a rich message


class StateType(StrEnum):
    RESPONSE = "response"
    INTENT = "intent"
    SLOT_FILLING = "slot_filling"
    INTEGRATION = "integration"
    CONDITION = "condition"
    WAIT = "wait"
    END = "end"


class Condition(StrEnum):
    ANY_INPUT = "any_input"
    INTENT_MATCH = "intent_match"
    SLOT_FILLED = "slot_filled"
    INTEGRATION_SUCCESS = "integration_success"
    INTEGRATION_ERROR = "integration_error"
    EXPRESSION = "expression"
    TIMEOUT = "timeout"
    LOW_CONFIDENCE = "low_confidence"


class ActionType(StrEnum):
    SEND_MESSAGE = "send_message"
    SET_VARIABLE = "set_variable"
    CLEAR_VARIABLE = "clear_variable"
    CALL_INTEGRATION = "call_integration"
    LOG_EVENT = "log_event"
    TRIGGER_FLOW = "trigger_flow"


class OnError(StrEnum):
    CONTINUE = "continue"
    GOTO = "goto"
    FAIL = "fail"


class SlotType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    MONEY = "money"
    ENUM = "enum"
    PATTERN = "pattern"
    ATTACHMENT = "attachment"  # {url, name, content_type, size}
    DATE_RANGE = "date_range"  # {start, end}, both days included
    TIME_RANGE = "time_range"  # {start, end}
    PRODUCT = "product"  # canonical id of a product of the tenant's metadata


class HandlerTrigger(StrEnum):
    INTENT = "intent"
    COMMAND = "command"  # restart | stop | human | help | cancel | cancel_all | repeat
    EVENT = "event"  # something that the client's program noticed
    NO_MATCH = "no_match"
    ERROR = "error"


class HandlerMode(StrEnum):
    INLINE = "inline"  # answer and stay
    PUSH = "push"  # run a sub-flow, then resume
    REPLACE = "replace"  # leave this flow for another
    GOTO = "goto"  # jump to a state of this flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value of an enum slot; `synonyms` and `labels` are matched too, labels are shown."""

    value: str
    synonyms: tuple[str, ...] = ()
    labels: Texts = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRule:
    """What may fill a slot. `minimum`/`maximum` bound numbers (and money amounts); lengths bound text; `pattern` is RE2, matched whole."""

    name: str
    type: SlotType = SlotType.TEXT
    choices: tuple[Choice, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    expression: str = ""  # CEL over `value` (and everything a guard sees); must be true
    message: Texts = field(default_factory=dict)  # shown when the value is refused
    sensitive: bool = False
    region: str = "US"  # phone numbers without a country code
    multiple: bool = False  # enum, product: a list of them
    choices_from: str = ""  # enum: CEL for the choices, a list of texts or of {value, label, synonyms}
    units: Mapping[str, float] = field(default_factory=dict)  # number: word of the unit -> factor to the unit that is stored
    confirm: Texts = field(default_factory=dict)  # asked after the answer; a no asks for the slot again
    categories: tuple[str, ...] = ()  # product: only those of one of these categories
    known: Any = field(default=None, compare=False, repr=False)  # product: the names (a Vocabulary), put in when a conversation is at hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """How users say one thing. `patterns` are RE2, searched in the folded text; `keywords` must all occur; `examples` train the model."""

    name: str
    patterns: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    labels: Texts = field(default_factory=dict)  # what people read for it when the bot asks which intent was meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A declared variable: `type` is a CEL type name (bool, int, double, string, list, map, dyn)."""

    name: str
    type: str
    initial: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """An answer written by a language model. `prompt` is a template; `fallback` (default: the response's own template) is said when none comes."""

    prompt: str
    fallback: Texts = field(default_factory=dict)
    timeout_ms: int = 8000  # 100..30000
    context: Mapping[str, str] = field(default_factory=dict)  # name -> CEL, sent with the prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseConfig:
    response_templates: Messages
    response_type: str = "text"
    personalization: bool = True
    typing_indicator: bool = True
    delay_ms: int = 0  # 0..5000
    generate: Generate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentConfig:
    """`intents` are the names this state listens to, in the order of `intent_patterns`; their definitions are in `Flow.intents`."""

    intents: tuple[str, ...]
    confidence_threshold: float = 0.7
    fallback_intent: str = ""
    context_aware: bool = True
    prompt: Messages = field(default_factory=dict)  # said on entry and when asked again
    disambiguation_margin: float = 0.1  # 0..1: two intents nearer than this are asked about; 0 = never


@dataclass(frozen=True, slots=True, kw_only=True)
class Csat:
    """A rating: `score` is a required slot of the state, from 1 to `scale`; `comment` a text slot, or ""."""

    score: str
    comment: str = ""
    scale: int = 5  # 2..10


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFillingConfig:
    """The rules of the slots are in `Flow.slots` (the flow's own `slots` and every state's `validation_rules`, merged)."""

    required_slots: tuple[str, ...]
    optional_slots: tuple[str, ...] = ()
    prompts: Mapping[str, Messages] = field(default_factory=dict)
    retry_prompts: Mapping[str, Messages] = field(default_factory=dict)
    max_retries: int = 3  # 1..5
    default_values: Mapping[str, str] = field(default_factory=dict)  # slot -> CEL: its value after too many refused answers
    default_responses: Mapping[str, Messages] = field(default_factory=dict)  # slot -> what is said then
    prefill: Mapping[str, str] = field(default_factory=dict)  # slot -> CEL, tried on entry: a slot that gets a value is not asked for
    ask_again: tuple[str, ...] = ()  # slots that are asked for on every entry, also when they are filled
    csat: Csat | None = None
    validation_rules: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)  # what this state wrote; read `Flow.slots`, not this


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationConfig:
    integration_id: str
    endpoint: str
    method: str = "GET"
    timeout_ms: int = 5000  # 100..30000
    retry_config: Mapping[str, Json] = field(default_factory=dict)
    request_mapping: Mapping[str, str] = field(default_factory=dict)  # request field -> CEL
    response_mapping: Mapping[str, str] = field(default_factory=dict)  # variable -> CEL over `response`
    error_handling: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionConfig:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """To a person. `queue` is the team's name, "" for any; `reason` is shown to whoever takes over."""

    queue: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitConfig:
    prompt: Messages = field(default_factory=dict)
    timeout_ms: int = 0  # the same as `State.timeout_ms`
    handoff: Handoff | None = None  # entering the state hands the conversation over; a resume goes on from here


@dataclass(frozen=True, slots=True, kw_only=True)
class EndConfig:
    response_templates: Messages = field(default_factory=dict)
    completion_type: str = "completed"
    whole: bool = False  # also ends the flows below: the conversation
    outputs: Mapping[str, str] = field(default_factory=dict)  # output name -> CEL, returned to the calling flow


StateConfig: TypeAlias = ResponseConfig | IntentConfig | SlotFillingConfig | IntegrationConfig | ConditionConfig | WaitConfig | EndConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Each:
    """Do the action once for every item of a list (CEL). The item and its number from 0 are variables while it is done."""

    items: str
    item: str = "item"
    index: str = ""
    page_size: int = 0  # 1..100: the item is a list of so many items


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionBase:
    on_error: OnError = OnError.CONTINUE
    goto: str = ""
    when: str = ""  # CEL: the action is left out when it is not true
    for_each: Each | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage(ActionBase):
    text: Messages
    delay_ms: int = 0  # 0..5000


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariable(ActionBase):
    """`expression` (CEL) wins over the literal `value`; exactly one of them is written. It sets the variable `name` or the slot `slot`."""

    name: str = ""
    slot: str = ""
    value: Json = None
    expression: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearVariable(ActionBase):
    """The variable `name`, or the slot `slot`."""

    name: str = ""
    slot: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallIntegration(ActionBase):
    call: IntegrationConfig
    compensation: "tuple[Action, ...]" = ()  # done, newest first, when the flow is cancelled after the call has succeeded


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent(ActionBase):
    name: str
    data: Mapping[str, str] = field(default_factory=dict)  # key -> template


class OnCancel(StrEnum):
    CONTINUE = "continue"  # go on after a sub-flow that the user cancelled
    CANCEL = "cancel"  # then this flow is cancelled too


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerFlow(ActionBase):
    flow_id: str
    replace: bool = False  # leave this flow instead of coming back
    on_cancel: OnCancel = OnCancel.CONTINUE
    inputs: Mapping[str, str] = field(default_factory=dict)  # variable of the sub-flow -> CEL here
    outputs: Mapping[str, str] = field(default_factory=dict)  # variable here -> output name of the sub-flow


Action: TypeAlias = SendMessage | SetVariable | ClearVariable | CallIntegration | LogEvent | TriggerFlow


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """`condition_value`: an intent for intent_match ("" = any), a slot for slot_filled ("" = all required), a duration in
    milliseconds or ISO 8601 for timeout. `index` is the place in the document: ties of `priority` keep that order."""

    condition: Condition
    target_state: str
    index: int
    condition_value: str = ""
    expression: str = ""
    priority: int = 100  # 0..1000, lowest first
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    name: str
    type: StateType
    config: StateConfig
    transitions: tuple[Transition, ...] = ()  # in document order
    entry_actions: tuple[Action, ...] = ()
    exit_actions: tuple[Action, ...] = ()
    interruptible: bool = True  # config.interruptible
    interruptible_when: str = ""  # config.interruptible written as CEL; then `interruptible` is True
    compensation: tuple[Action, ...] = ()  # config.compensation: done when the flow is cancelled after this state was left
    masked_handlers: frozenset[str] = frozenset()  # config.masked_handlers: names of handlers that do not fire here
    timeout_ms: int = 0  # config.timeout_ms: the duration of `timeout` transitions that say none; see program.timeout_ms
    metadata: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """`value` is the intent or command. Which of `texts`, `flow_id`, `target_state` counts follows from `mode`."""

    name: str
    on: HandlerTrigger
    value: str = ""
    mode: HandlerMode = HandlerMode.INLINE
    texts: Messages = field(default_factory=dict)
    flow_id: str = ""
    target_state: str = ""
    actions: tuple[Action, ...] = ()
    priority: int = 100
    when: str = ""  # CEL: the handler fires only while it is true


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """An intent of this flow that starts it from anywhere, when nothing nearer takes the message."""

    intent: str
    replace: bool = False  # leave the flows on the stack for it, instead of coming back to them
    confidence: float = 0.75  # 0..1


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    flow_id: str
    name: str
    version: str
    initial_state: str
    states: Mapping[str, State]
    tenant_id: str = ""
    description: str = ""
    handlers: tuple[Handler, ...] = ()  # global_handlers by (priority, name): objects have no order once they are stored
    variables: Mapping[str, Variable] = field(default_factory=dict)
    slots: Mapping[str, SlotRule] = field(default_factory=dict)
    intents: Mapping[str, Intent] = field(default_factory=dict)
    default_locale: str = "en"  # metadata.default_locale
    triggers: tuple[Trigger, ...] = ()  # metadata.triggers
    texts: Mapping[str, Texts] = field(default_factory=dict)  # metadata.texts: the flow's own words for the engine's sentences
    metadata: Mapping[str, Json] = field(default_factory=dict)


class Severity(StrEnum):
    ERROR = "error"  # refuses a publish
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of a definition. `path` is a JSONPath such as `$.states.ask.transitions[2].target_state`; `expected` says what would be right.

    `code` is stable: see docs/protocol/flow.md for the list.
    """

    path: str
    code: str
    message: str
    expected: str = ""
    severity: Severity = Severity.ERROR


class EvaluationFailed(Exception):
    """An expression could not be evaluated: an unfilled slot, a missing key, the cost bound."""


class Expression(Protocol):
    """A compiled CEL expression. Evaluation is pure and its cost bounded."""

    source: str
    reads: frozenset[str]  # the names it reads: "slots.storeys", "variables.total", "profile", …

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """The value as plain Python. `scope` maps dotted names to values. Raises EvaluationFailed."""


class Template(Protocol):
    """A compiled `{{ cel | filter }}` text. Output is capped at 16 KB."""

    source: str
    reads: frozenset[str]

    def render(self, scope: Mapping[str, Any]) -> str:
        """Never raises: a placeholder that cannot be evaluated renders as an empty string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A flow, compiled. Look-ups by source text: the same text compiles once."""

    key: str  # what pins it: the FlowVersion's id, or the draft's sha256
    flow: Flow = field(repr=False)
    ordered: Mapping[str, tuple[Transition, ...]] = field(repr=False)  # state -> transitions by (priority, index)
    expressions: Mapping[str, Expression] = field(repr=False)
    templates: Mapping[str, Template] = field(repr=False)
    reads: Mapping[str, frozenset[str]] = field(repr=False)  # state -> slots it reads (expressions, templates, required slots)
    reads_metadata: bool = False  # it asks for products, or reads column mappings
