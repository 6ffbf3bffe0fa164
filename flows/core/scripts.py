"""The script of a test: what the user and the outside do, and what must come of it. JSON in and out; `transcripts` reads and writes it as text.

Steps that do something (say, press, wait, …) run the conversation on; steps that expect something look at what the last of these has brought.
The format is described step by step in docs/testing_flows.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

from flows.core.definition.reading import (
    JSON,
    JSON_OBJECT,
    MAX_TEXT,
    NAMED,
    At,
    Field,
    Fields,
    Kind,
    integer,
    list_of,
    map_of,
    number,
    one_of,
    record,
    text,
    written,
    wrong,
)
from flows.core.durations import MAX_MS, milliseconds
from flows.core.types import Json, Problem

MAX_STEPS: Final = 1_000
MAX_EXPECTED: Final = MAX_TEXT
COMMANDS: Final = ("restart", "stop", "human", "help", "cancel", "cancel_all", "repeat", "resume")


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """The user writes. `intents` (name -> confidence) and `entities` replace what the flow would understand; None: it understands itself."""

    text: str
    intents: Mapping[str, float] | None = None
    entities: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A button: of the last replies by its `label`, else by what it sends. `stale`: one of an earlier question."""

    label: str = ""
    intent: str = ""
    slots: Mapping[str, Json] = field(default_factory=dict)
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An event of the client's program."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command: restart, stop, human, help, cancel, repeat; resume from an agent."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Time passes, in milliseconds; timers that are due by then fire in order."""

    duration: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The integration that is being called answers."""

    integration: str
    data: Json = None
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """The integration that is being called fails."""

    integration: str
    code: str = "INTEGRATION_ERROR"
    message: str = ""
    status: int = 0


class Match(StrEnum):
    IS = "is"
    CONTAINS = "contains"
    MATCHES = "matches"  # RE2, searched
    NEVER = "never"  # in none of the replies


@dataclass(frozen=True, slots=True, kw_only=True)
class Hear:
    """The next reply. `never` looks at all replies since the user last did something, and takes none."""

    text: str
    match: Match = Match.IS


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """The bot says nothing (more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """Whatever else the bot says is all right."""


class Relation(StrEnum):
    IS = "is"
    IS_NOT = "is_not"
    CONTAINS = "contains"
    MATCHES = "matches"  # RE2, searched
    ABSENT = "absent"
    PRESENT = "present"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """`path`: state, status, intent, flow, completion, error, locale, buttons, slots.<name>, variables.<name>."""

    path: str
    relation: Relation = Relation.IS
    value: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A call was made since the user last did something; its request has at least these members."""

    integration: str
    request: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCalled:
    """No call was made since the user last did something; with a name: none of this integration."""

    integration: str = ""


Doing: TypeAlias = Say | Press | Notice | Order | Attach | Wait | Answer | Fail
Expecting: TypeAlias = Hear | Silent | More | Expect | Called | NotCalled
Step: TypeAlias = Doing | Expecting
INPUTS: Final = (Say, Press, Notice, Order, Attach, Wait)  # what begins a new turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """`at` is the moment of the start (ISO 8601), so that "tomorrow" always is the same day. `inputs` and `profile` are those of the start."""

    steps: tuple[Step, ...] = ()
    locale: str = "en"
    channel: str = "web"
    at: str = ""
    inputs: Mapping[str, Json] = field(default_factory=dict)
    profile: Mapping[str, Json] = field(default_factory=dict)


PATHS: Final = ("state", "status", "intent", "flow", "completion", "error", "locale", "buttons")
PREFIXES: Final = ("slots.", "variables.")
PATH_RULE: Final = f"{', '.join(PATHS)}, slots.<name> or variables.<name>"


def read_duration(at: At) -> int:
    value = at.value
    if isinstance(value, bool) or not isinstance(value, int | str):
        return wrong(at, "milliseconds or an ISO 8601 duration such as PT30M", 1)
    found = milliseconds(str(value))
    if found is None:
        at.refuse("bad_duration", "This is no duration.", f"1 to {MAX_MS} milliseconds, or ISO 8601 such as PT30M")
        return 1
    return found


def read_path(at: At) -> str:
    value = at.value
    if not isinstance(value, str):
        return wrong(at, PATH_RULE, "state")
    prefix = next((prefix for prefix in PREFIXES if value.startswith(prefix)), "")
    if value in PATHS or (prefix and value != prefix and len(value) <= 200):
        return value
    at.refuse("unknown_value", f'"{value[:64]}" is nothing that can be expected.', PATH_RULE)
    return "state"


def read_command(at: At) -> str:
    if at.value in COMMANDS:
        return str(at.value)
    at.refuse("unknown_value", "This is no command.", ", ".join(COMMANDS))
    return COMMANDS[0]


def read_moment(at: At) -> str:
    """An ISO 8601 moment with its zone."""
    try:
        aware = datetime.fromisoformat(at.value).tzinfo is not None
    except (TypeError, ValueError):
        aware = False
    if not aware:
        at.refuse("bad_moment", "This is no moment.", "ISO 8601 with a zone, such as 2026-11-23T09:00:00+00:00")
        return ""
    return str(at.value)


CONFIDENCES: Final = map_of(number(0, 1), 50)
WORDS: Final = text(10_000)
FIELDS: Final[dict[str, tuple[type, Fields]]] = {
    "user": (
        Say,
        {"text": Field(WORDS), "intents": Field(CONFIDENCES, None, terse=True), "entities": Field(map_of(WORDS, 50), None, terse=True)},
    ),
    "press": (
        Press,
        {
            "label": Field(text(200), "", terse=True),
            "intent": Field(text(63), "", terse=True),
            "slots": Field(JSON_OBJECT, {}, terse=True),
            "stale": Field(Kind(lambda at: at.value if isinstance(at.value, bool) else wrong(at, "true or false", False)), False, terse=True),
        },
    ),
    "event": (Notice, {"name": Field(NAMED)}),
    "command": (Order, {"name": Field(Kind(read_command, COMMANDS[0]))}),
    "attachment": (Attach, {"text": Field(WORDS, "", terse=True)}),
    "wait": (Wait, {"duration": Field(Kind(read_duration, 1))}),
    "answer": (
        Answer,
        {"integration": Field(NAMED), "data": Field(JSON, None, terse=True), "status": Field(integer(200, 299), 200, terse=True)},
    ),
    "fail": (
        Fail,
        {
            "integration": Field(NAMED),
            "code": Field(text(80, empty=False), "INTEGRATION_ERROR", terse=True),
            "message": Field(text(500), "", terse=True),
            "status": Field(integer(0, 599), 0, terse=True),
        },
    ),
    "bot": (Hear, {"text": Field(text(MAX_EXPECTED, empty=False)), "match": Field(one_of(Match), Match.IS, terse=True)}),
    "silent": (Silent, {}),
    "more": (More, {}),
    "expect": (
        Expect,
        {
            "path": Field(Kind(read_path, "state")),
            "relation": Field(one_of(Relation), Relation.IS, terse=True),
            "value": Field(JSON, None, terse=True),
        },
    ),
    "calls": (Called, {"integration": Field(NAMED), "request": Field(JSON_OBJECT, {}, terse=True)}),
    "no_calls": (NotCalled, {"integration": Field(text(63), "", terse=True)}),
}
TYPES: Final[dict[type, str]] = {kind: name for name, (kind, _) in FIELDS.items()}


def read_step(at: At) -> Step:
    if not isinstance(at.value, dict):
        return wrong(at, "an object with `type`", Silent())
    kind = at.value.get("type")
    if not isinstance(kind, str) or kind not in FIELDS:
        at.key("type").refuse("unknown_value", "There is no such step.", ", ".join(FIELDS))
        return Silent()
    made, known = FIELDS[kind]
    before = len(at.problems)
    step: Step = made(**record(at, known, also=("type",)))
    if len(at.problems) == before:
        CHECKS.get(kind, _nothing)(at, step)
    return step


def _nothing(at: At, step: Any) -> None:
    """Most steps need no second look."""


def _check_press(at: At, step: Press) -> None:
    if bool(step.label) == bool(step.intent or step.slots):
        at.refuse("conflicting_fields", "A button is named by its label, or by what it sends.", "`label`, or `intent` and `slots`")


def _check_hear(at: At, step: Hear) -> None:
    if step.match is Match.MATCHES:
        _check_pattern(at.key("text"), step.text)


def _check_expect(at: At, step: Expect) -> None:
    if step.relation in (Relation.CONTAINS, Relation.MATCHES) and not isinstance(step.value, str):
        at.key("value").refuse("wrong_type", "This relation compares texts.", "a string")
    elif step.relation is Relation.MATCHES:
        _check_pattern(at.key("value"), step.value)
    elif step.relation in (Relation.ABSENT, Relation.PRESENT) and step.value is not None:
        at.key("value").refuse("conflicting_fields", "This relation has no value.", "no value")


def _check_pattern(at: At, pattern: str) -> None:
    import re2

    quiet = re2.Options()
    quiet.log_errors = False
    try:
        re2.compile(pattern, quiet)
    except re2.error as fault:
        reason = fault.args[0].decode(errors="replace") if fault.args and isinstance(fault.args[0], bytes) else str(fault)
        at.refuse("bad_pattern", f"This is no regular expression: {reason[:200]}.", "RE2 syntax")


CHECKS: Final[dict[str, Callable[[At, Any], None]]] = {"press": _check_press, "bot": _check_hear, "expect": _check_expect}


def write_step(step: Step) -> dict[str, Json]:
    kind = TYPES[type(step)]
    _, known = FIELDS[kind]
    body = written({one.name: getattr(step, one.name) for one in fields(step)}, known)
    if isinstance(step, Answer) and step.data is not None:
        body["data"] = step.data
    return {"type": kind, **body}


SCRIPT: Final = {
    "steps": Field(list_of(Kind(read_step, Silent(), write_step), MAX_STEPS)),
    "locale": Field(text(20, empty=False), "en"),
    "channel": Field(text(40, empty=False), "web", terse=True),
    "at": Field(Kind(read_moment, ""), "", terse=True),
    "inputs": Field(JSON_OBJECT, {}, terse=True),
    "profile": Field(JSON_OBJECT, {}, terse=True),
}


def read_script(at: At) -> Script:
    """The script with blanks where there are problems: look at the list before it is run."""
    return Script(**record(at, SCRIPT))


def parse(document: Json) -> tuple[Script | None, list[Problem]]:
    """The script, or everything that is wrong with it. Takes any JSON value and never raises."""
    problems: list[Problem] = []
    script = read_script(At(document, problems))
    return (None if problems else script), problems


def to_json(script: Script) -> dict[str, Json]:
    return written({name: getattr(script, name) for name in SCRIPT}, SCRIPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedScript:
    name: str
    script: Script
    enabled: bool = True
    description: str = ""


TEST: Final = {
    "name": Field(text(200, empty=False)),
    "description": Field(text(2_000), "", terse=True),
    "enabled": Field(Kind(lambda at: at.value if isinstance(at.value, bool) else wrong(at, "true or false", True)), True),
    "script": Field(Kind(read_script, Script(), to_json)),
}
TESTS: Final = list_of(
    Kind(lambda at: NamedScript(**record(at, TEST)), None, lambda one: written({name: getattr(one, name) for name in TEST}, TEST)), 2_000
)
FILE: Final = {"flow_id": Field(text(63), "", terse=True), "tests": Field(TESTS)}


def parse_tests(document: Json) -> tuple[tuple[NamedScript, ...] | None, list[Problem]]:
    """The tests of an exported file, or every fault with its path."""
    problems: list[Problem] = []
    found: tuple[NamedScript, ...] = record(At(document, problems), FILE)["tests"]
    if not problems:
        _refuse_same_names(found, problems)
    return (None if problems else found), problems


def _refuse_same_names(found: tuple[NamedScript, ...], problems: list[Problem]) -> None:
    seen: set[str] = set()
    for index, one in enumerate(found):
        if one.name in seen:
            problems.append(Problem(path=f"$.tests[{index}].name", code="duplicate", message="Two tests have this name.", expected="each name once"))
        seen.add(one.name)
