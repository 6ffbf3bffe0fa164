"""Scripts as people write them: one line for each step. Reading what was written gives the same script.

at: 2026-11-23T09:00:00+00:00
bot: How many storeys?
user: five
expect slots.storeys = 5
calls crm: {"order": 17}
answer crm: {"owner": "Ada"}
bot contains: Ada
wait: PT30M
expect completion = timed_out
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from flows.core import scripts
from flows.core.definition.reading import suggestion
from flows.core.scripts import (
    Answer,
    Attach,
    Called,
    Expect,
    Fail,
    Hear,
    Match,
    More,
    NotCalled,
    Notice,
    Order,
    Press,
    Relation,
    Say,
    Script,
    Silent,
    Step,
    Wait,
)
from flows.core.types import Json, Problem

HEADERS: Final = ("at", "locale", "channel", "inputs", "profile")
_LINE: Final = re.compile(r"(?P<word>[a-z_]+)(?P<rest>.*)", re.DOTALL)
_RELATIONS: Final = {"=": Relation.IS, "!=": Relation.IS_NOT, "contains": Relation.CONTAINS, "matches": Relation.MATCHES}
_EXPECT: Final = re.compile(r"(?P<path>\S+)\s+(?:(?P<unary>absent|present)|(?P<relation>=|!=|contains|matches)\s+(?P<value>.*))", re.DOTALL)
_MATCHES: Final = {"": Match.IS, "contains": Match.CONTAINS, "matches": Match.MATCHES, "never": Match.NEVER}


class Unreadable(ValueError):
    """This line is no step; `expected` says what it could be."""

    def __init__(self, message: str, expected: str) -> None:
        super().__init__(message)
        self.expected = expected


def parse(text: str) -> tuple[Script | None, list[Problem]]:
    """The script, or every fault; the path of a fault is its line, such as `line 7`."""
    problems: list[Problem] = []
    headers: dict[str, Json] = {}
    steps: list[tuple[int, dict[str, Json]]] = []
    for number, line in _lines(text):
        try:
            _take(line, headers, steps, number)
        except Unreadable as fault:
            problems.append(Problem(path=f"line {number}", code="unreadable", message=str(fault), expected=fault.expected))
    document = {"locale": "en", **headers, "steps": [body for _, body in steps]}
    script, faults = scripts.parse(document)
    problems += [_on_its_line(fault, [number for number, _ in steps]) for fault in faults]
    problems.sort(key=lambda fault: int(fault.path[5:]) if fault.path.startswith("line ") else 0)
    return (None if problems else script), problems


def _on_its_line(fault: Problem, numbers: list[int]) -> Problem:
    found = re.match(r"\$\.steps\[(\d+)\](.*)", fault.path)
    if found is None:
        return fault
    part = found[2].removeprefix(".")
    message = f"{part}: {fault.message}" if part else fault.message
    return Problem(path=f"line {numbers[int(found[1])]}", code=fault.code, message=message, expected=fault.expected)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) without blank lines and comments; a line that begins with blanks and `|` goes on with the one before it."""
    held: tuple[int, str] | None = None
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        more = re.match(r"\s+\| ?(.*)", line)
        if more and held is not None:
            held = (held[0], f"{held[1]}\n{more[1]}")
            continue
        if held is not None:
            yield held
        stripped = line.strip()
        held = (number, stripped) if stripped and not stripped.startswith("#") else None
    if held is not None:
        yield held


def _take(line: str, headers: dict[str, Json], steps: list[tuple[int, dict[str, Json]]], number: int) -> None:
    found = _LINE.match(line)
    word = found["word"] if found else ""
    if found is None or (word not in _READERS and word not in HEADERS):
        words = (*_READERS, *HEADERS)
        raise Unreadable(f"A line does not begin like this{suggestion(word, words)}", ", ".join(words))
    if word in _READERS:
        steps.append((number, _READERS[word](found["rest"])))
        return
    value = _after_colon(found["rest"], word)
    headers[word] = _json(value, word) if word in ("inputs", "profile") else value


def _after_colon(rest: str, word: str) -> str:
    if not rest.startswith(":"):
        raise Unreadable(f"After `{word}` comes a colon.", f"{word}: …")
    return _text(rest[1:])


def _text(raw: str) -> str:
    """What stands there, without the blanks around it; a JSON string for what could not be written so."""
    value = raw.strip(" \t")
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        try:
            found = json.loads(value)
        except ValueError:
            return value
        return found if isinstance(found, str) else value
    return value


def _json(text: str, what: str) -> Json:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise Unreadable(f"{what}: this is no JSON: {fault}", "JSON") from fault


def _with_json(rest: str, what: str) -> tuple[Json, str]:
    """An optional JSON object, then the rest: ` {"finish": 0.9}: no`."""
    rest = rest.lstrip()
    if not rest.startswith("{"):
        return None, rest
    try:
        value, end = json.JSONDecoder().raw_decode(rest)
    except (ValueError, RecursionError) as fault:
        raise Unreadable(f"{what}: this is no JSON: {fault}", "a JSON object") from fault
    return value, rest[end:].lstrip()


def _user(rest: str) -> dict[str, Json]:
    heard, rest = _with_json(rest, "user")
    said = {"type": "user", "text": _after_colon(rest, "user")}
    if heard is None:
        return said
    if "intents" in heard or "entities" in heard:
        return {**said, **heard}
    return {**said, "intents": heard}


def _press(rest: str) -> dict[str, Json]:
    sent, rest = _with_json(rest, "press")
    if sent is not None and not rest:
        return {"type": "press", **sent}
    return {"type": "press", "label": _after_colon(rest, "press")}


def _of(kind: str, member: str) -> Callable[[str], dict[str, Json]]:
    return lambda rest: {"type": kind, member: _after_colon(rest, kind)}


def _attachment(rest: str) -> dict[str, Json]:
    return {"type": "attachment", "text": _after_colon(rest, "attachment")} if rest.strip() else {"type": "attachment"}


def _named(rest: str, word: str) -> tuple[str, str]:
    """ " crm 404: …" -> ("crm 404", "…")."""
    head, _, tail = rest.partition(":")
    if not head.strip():
        raise Unreadable(f"After `{word}` comes the name of an integration.", f"{word} crm: …")
    return head.strip(), tail.strip()


def _answer(rest: str) -> dict[str, Json]:
    head, tail = _named(rest, "answer")
    name, _, status = head.partition(" ")
    body: dict[str, Json] = {"type": "answer", "integration": name}
    if status:
        body["status"] = int(status) if status.strip().isdigit() else status
    return {**body, "data": _json(tail, "answer")} if tail else body


def _fail(rest: str) -> dict[str, Json]:
    head, tail = _named(rest, "fail")
    name, _, status = head.partition(" ")
    code, _, message = tail.partition(" ")
    body: dict[str, Json] = {"type": "fail", "integration": name}
    if status:
        body["status"] = int(status) if status.strip().isdigit() else status
    return {**body, **({"code": code} if code else {}), **({"message": message} if message else {})}


def _bot(rest: str) -> dict[str, Json]:
    words = rest.strip()
    if words in ("silent", "more"):
        return {"type": words}
    how, colon, _ = rest.partition(":")
    match = _MATCHES.get(how.strip())
    if match is None or not colon:
        raise Unreadable("This is nothing that a bot does.", "bot: …, bot contains: …, bot matches: …, bot never: …, bot silent, bot more")
    return {"type": "bot", "text": _text(rest[len(how) + 1 :]), **({"match": match.value} if match is not Match.IS else {})}


def _expect(rest: str) -> dict[str, Json]:
    found = _EXPECT.fullmatch(rest.strip())
    if found is None:
        raise Unreadable("This is no expectation.", "expect state = intake, expect slots.name contains Ada, expect slots.pin absent")
    body: dict[str, Json] = {"type": "expect", "path": found["path"]}
    if found["unary"]:
        return {**body, "relation": found["unary"]}
    relation = _RELATIONS[found["relation"]]
    value = found["value"].strip()
    given = _text(value) if relation in (Relation.CONTAINS, Relation.MATCHES) else _value(value)
    return {**body, "value": given, **({"relation": relation.value} if relation is not Relation.IS else {})}


def _value(text: str) -> Json:
    """JSON, or a word without quotes."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _calls(rest: str) -> dict[str, Json]:
    name, tail = _named(rest, "calls")
    return {"type": "calls", "integration": name, **({"request": _json(tail, "calls")} if tail else {})}


def _no(rest: str) -> dict[str, Json]:
    words = rest.split()
    if not words or words[0] != "calls" or len(words) > 2:
        raise Unreadable("This is no expectation.", "no calls, no calls crm")
    return {"type": "no_calls", **({"integration": words[1]} if len(words) > 1 else {})}


_READERS: Final[dict[str, Callable[[str], dict[str, Json]]]] = {
    "user": _user,
    "press": _press,
    "event": _of("event", "name"),
    "command": _of("command", "name"),
    "attachment": _attachment,
    "wait": _of("wait", "duration"),
    "answer": _answer,
    "fail": _fail,
    "bot": _bot,
    "expect": _expect,
    "calls": _calls,
    "no": _no,
}


def write(script: Script) -> str:
    """The whole script; a blank line before every turn."""
    lines = [f"{name}: {_shown(value)}" for name, value in _headers(script)]
    for step in script.steps:
        if isinstance(step, scripts.INPUTS) and lines:
            lines.append("")
        lines.append(line(step))
    return "\n".join(lines) + "\n" if lines else ""


def _headers(script: Script) -> Iterator[tuple[str, Json]]:
    blank = Script()
    for name in HEADERS:
        value = getattr(script, name)
        if value != getattr(blank, name) or name == "locale":
            yield name, value


def _shown(value: Json) -> str:
    return quoted(value) if isinstance(value, str) else dump(value)


def line(step: Step) -> str:
    """One step as its line (or lines, when its text has several)."""
    return _WRITERS[type(step)](step)


def dump(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def quoted(text: str) -> str:
    """As it is where that can be read again, over several lines when it has them; else as a JSON string."""
    if text and all(one == one.strip() for one in text.split("\n")) and not text.startswith('"') and "\r" not in text and text.split("\n")[0]:
        return text.replace("\n", "\n    | ")
    return dump(text)


def _say(step: Say) -> str:
    if step.intents is None and step.entities is None:
        return f"user: {quoted(step.text)}"
    heard = {name: value for name, value in (("intents", step.intents), ("entities", step.entities)) if value is not None}
    return f"user {dump(step.intents if list(heard) == ['intents'] and not _ambiguous(step.intents) else heard)}: {quoted(step.text)}"


def _ambiguous(intents: Mapping[str, float] | None) -> bool:
    return bool(intents) and ("intents" in (intents or {}) or "entities" in (intents or {}))


def _press_line(step: Press) -> str:
    if step.label and not step.stale:
        return f"press: {quoted(step.label)}"
    blank = asdict(Press())
    return f"press {dump({name: value for name, value in asdict(step).items() if value != blank[name]})}"


def _answer_line(step: Answer) -> str:
    status = f" {step.status}" if step.status != 200 else ""
    return f"answer {step.integration}{status}: {dump(step.data) if step.data is not None else ''}".rstrip()


def _fail_line(step: Fail) -> str:
    status = f" {step.status}" if step.status else ""
    return f"fail {step.integration}{status}: {step.code}{' ' + step.message if step.message else ''}"


def _bot_line(step: Hear) -> str:
    how = {match: word for word, match in _MATCHES.items()}[step.match]
    return f"bot{' ' + how if how else ''}: {quoted(step.text)}"


def _expect_line(step: Expect) -> str:
    if step.relation in (Relation.ABSENT, Relation.PRESENT):
        return f"expect {step.path} {step.relation.value}"
    sign = {relation: word for word, relation in _RELATIONS.items()}[step.relation]
    value = step.value
    if step.relation in (Relation.CONTAINS, Relation.MATCHES):
        shown = quoted(str(value)) if "\n" not in str(value) else dump(value)
    else:
        shown = value if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w\-]*", value) and _value(value) == value else dump(value)
    return f"expect {step.path} {sign} {shown}"


def _duration(amount: int) -> str:
    """Milliseconds as ISO 8601 with the largest units that fit."""
    days, rest = divmod(amount, 86_400_000)
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds = f"{rest / 1000:g}" if rest % 1000 else str(rest // 1000)
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{seconds}S" if rest else "")
    return "P" + (f"{days}D" if days else "") + (f"T{clock}" if clock else "")


_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    Say: _say,
    Press: _press_line,
    Notice: lambda step: f"event: {step.name}",
    Order: lambda step: f"command: {step.name}",
    Attach: lambda step: f"attachment: {quoted(step.text)}" if step.text else "attachment",
    Wait: lambda step: f"wait: {_duration(step.duration)}",
    Answer: _answer_line,
    Fail: _fail_line,
    Hear: _bot_line,
    Silent: lambda step: "bot silent",
    More: lambda step: "bot more",
    Expect: _expect_line,
    Called: lambda step: f"calls {step.integration}{': ' + dump(dict(step.request)) if step.request else ''}",
    NotCalled: lambda step: f"no calls{' ' + step.integration if step.integration else ''}",
}
