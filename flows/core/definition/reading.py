"""How one JSON value of a definition is read: a cursor that knows its path, and the kinds of values that a field may have.

A kind reads and writes. Reading never raises: a value that is not of its kind leaves a problem behind and reads as the kind's blank, so
that one pass finds every problem. `write(read(x))` read again gives the same value.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from flows.core.types import Json, Problem

MAX_PROBLEMS: Final = 500
MAX_TEXT: Final = 16_384
MAX_EXPRESSION: Final = 2_000
MAX_JSON_DEPTH: Final = 20
MAX_JSON_SIZE: Final = 65_536
INT64: Final = (-(2**63), 2**63 - 1)
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,62}")
IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
TEXT_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,31}(/[A-Za-z][A-Za-z0-9_\-]{0,31})?")
CEL_WORDS: Final = frozenset((
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "namespace", "return", "var", "void", "while",
))  # fmt: skip
FORBIDDEN: Final = re.compile("[\x00\ud800-\udfff]")

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class At:
    """A value and where it stands. All cursors of one document share the list of problems, which is capped."""

    value: Json
    problems: list[Problem]
    parent: "At | None" = None
    step: str | int = "$"

    def key(self, name: str) -> "At":
        return At(self.value.get(name), self.problems, self, name)

    def item(self, index: int) -> "At":
        return At(self.value[index], self.problems, self, index)

    @property
    def path(self) -> str:
        steps: list[str] = []
        at: At | None = self
        while at is not None:
            steps.append(json_step(at.step) if at.parent else "$")
            at = at.parent
        return "".join(reversed(steps))

    def refuse(self, code: str, message: str, expected: str = "") -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(path=self.path, code=code, message=message, expected=expected))


def json_step(step: str | int) -> str:
    """One step of a JSONPath: `.name`, `[3]` or `['odd name']`."""
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if NAME.fullmatch(step) or IDENTIFIER.fullmatch(step) else f"[{json.dumps(step[:64])}]"


def suggestion(word: str, options: Collection[str]) -> str:
    """`; did you mean "x"?` or nothing. Not tried on long lists: it costs microseconds per option."""
    close = difflib.get_close_matches(word[:64], options, n=1, cutoff=0.6) if len(options) <= 200 else []
    return f'; did you mean "{close[0]}"?' if close else ""


def listed(words: Iterable[str]) -> str:
    """The first words of a list, for `expected`."""
    all_words = list(words)
    return ", ".join(all_words[:20]) + (", …" if len(all_words) > 20 else "")


def type_name(value: Json) -> str:
    names: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"), (str, "a string"), (int, "an integer"), (float, "a number"), (list, "an array"), (dict, "an object")
    )  # fmt: skip
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def same(value: Any) -> Json:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    read: Callable[[At], Any]
    blank: Any = None
    write: Callable[[Any], Json] = same


def wrong(at: At, expected: str, blank: T) -> T:
    at.refuse("wrong_type", f"This is {type_name(at.value)}.", expected)
    return blank


def clean(at: At, value: str, limit: int) -> str:
    """`value`, or "" with a problem when it is too long or cannot be stored."""
    if len(value) > limit:
        at.refuse("too_long", f"This has {len(value)} characters.", f"at most {limit} characters")
        return ""
    if FORBIDDEN.search(value):
        at.refuse("bad_character", "NUL characters and lone surrogates cannot be stored.", "Unicode text")
        return ""
    return value


def text(limit: int = MAX_TEXT, *, empty: bool = True) -> Kind:
    def read(at: At) -> str:
        if not isinstance(at.value, str):
            return wrong(at, "a string", "")
        if not empty and not at.value.strip():
            at.refuse("empty", "This must not be empty.", "a text")
        return clean(at, at.value, limit)

    return Kind(read, "")


def matching(pattern: re.Pattern[str], expected: str, *, empty: bool = False) -> Kind:
    def read(at: At) -> str:
        if not isinstance(at.value, str):
            return wrong(at, "a string", "")
        if (empty and not at.value) or pattern.fullmatch(at.value):
            return str(at.value)
        at.refuse("bad_name", f"{json.dumps(at.value[:80])} is not a valid name.", expected)
        return ""

    return Kind(read, "")


NAME_RULE: Final = "a letter, then letters, digits, _ or -; at most 63 characters"
IDENTIFIER_RULE: Final = "a letter or _, then letters, digits or _; at most 63 characters (expressions use it); no word of CEL"
NAMED: Final = matching(NAME, NAME_RULE)
NAMED_OR_EMPTY: Final = matching(NAME, NAME_RULE, empty=True)
TEXT_KEYED: Final = matching(TEXT_KEY, 'a locale ("de", "de-AT"), a channel ("sms"), "locale/channel" or "default"')


def read_identifier(at: At) -> str:
    if isinstance(at.value, str) and at.value in CEL_WORDS:
        at.refuse("bad_name", f'"{at.value}" is a word of the expression language.', IDENTIFIER_RULE)
        return ""
    return str(matching(IDENTIFIER, IDENTIFIER_RULE).read(at))


IDENTIFIED: Final = Kind(read_identifier, "")


def read_expression(at: At) -> str:
    return str(text(MAX_EXPRESSION, empty=False).read(at)).strip()


def read_optional_expression(at: At) -> str:
    return str(text(MAX_EXPRESSION).read(at)).strip()


EXPRESSION: Final = Kind(read_expression, "")
OPTIONAL_EXPRESSION: Final = Kind(read_optional_expression, "")


def in_range(at: At, value: T, low: float, high: float, blank: T) -> T:
    if low <= value <= high:  # type: ignore[operator]  # only called with int and float
        return value
    at.refuse("out_of_range", "This number is out of range.", f"{low:g} to {high:g}")
    return blank


def integer(low: int, high: int) -> Kind:
    def read(at: At) -> int:
        if not isinstance(at.value, int) or isinstance(at.value, bool):
            return wrong(at, f"an integer from {low} to {high}", low)
        return in_range(at, at.value, low, high, low)

    return Kind(read, low)


def number(low: float = -1e15, high: float = 1e15) -> Kind:
    def read(at: At) -> float:
        if not isinstance(at.value, int | float) or isinstance(at.value, bool):
            return wrong(at, "a number", low)
        return in_range(at, float(at.value) if abs(at.value) <= high else math.inf, low, high, low)

    return Kind(read, low)


def read_flag(at: At) -> bool:
    return at.value if isinstance(at.value, bool) else wrong(at, "true or false", False)


FLAG: Final = Kind(read_flag, False)


def one_of(enum: type[E], code: str = "unknown_value") -> Kind:
    names = [member.value for member in enum]

    def read(at: At) -> E:
        if isinstance(at.value, str) and at.value in names:
            return enum(at.value)
        if not isinstance(at.value, str):
            return wrong(at, listed(names), enum(names[0]))
        at.refuse(code, f'"{at.value[:64]}" is not known{suggestion(at.value, names)}', listed(names))
        return enum(names[0])

    return Kind(read, enum(names[0]), str)


def read_json(at: At) -> Json:
    """Any JSON value that can be stored: no NaN, no NUL, integers of 64 bits, at most 20 deep, 64 KB written out."""
    fault = json_fault(at.value, MAX_JSON_DEPTH) or ("This is too long." if len(json.dumps(at.value)) > MAX_JSON_SIZE else "")
    if fault:
        at.refuse("bad_json", fault, "a JSON value of at most 64 KB, 20 levels deep, with finite numbers")
        return None
    return at.value


def json_fault(value: Json, depth: int) -> str:
    if depth == 0:
        return "This is nested too deeply."
    if isinstance(value, dict):
        return next((fault for pair in value.items() for part in pair if (fault := json_fault(part, depth - 1))), "")
    if isinstance(value, list):
        return next((fault for part in value if (fault := json_fault(part, depth - 1))), "")
    return scalar_fault(value)


def scalar_fault(value: Json) -> str:
    if isinstance(value, str):
        return "This text is too long or has characters that cannot be stored." if len(value) > MAX_TEXT or FORBIDDEN.search(value) else ""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int):
        return "" if INT64[0] <= value <= INT64[1] else "This integer does not fit into 64 bits."
    if isinstance(value, float):
        return "" if math.isfinite(value) else "This number is not finite."
    return "This is not JSON."


JSON: Final = Kind(read_json, None)


def too_many(at: At, limit: int) -> bool:
    if len(at.value) <= limit:
        return False
    at.refuse("too_many", f"There are {len(at.value)} entries.", f"at most {limit}")
    return True


def list_of(kind: Kind, limit: int, *, distinct: bool = False) -> Kind:
    def read(at: At) -> tuple[Any, ...]:
        if not isinstance(at.value, list):
            return wrong(at, "an array", ())
        if too_many(at, limit):
            return ()
        values = tuple(kind.read(at.item(index)) for index in range(len(at.value)))
        if distinct:
            refuse_repeats(at, values)
        return values

    return Kind(read, (), lambda values: [kind.write(value) for value in values])


def refuse_repeats(at: At, values: tuple[Any, ...]) -> None:
    seen: set[Any] = set()
    for index, value in enumerate(values):
        if value in seen:
            at.item(index).refuse("duplicate", f"{json.dumps(str(value)[:64])} is listed twice.", "each entry once")
        seen.add(value)


def map_of(kind: Kind, limit: int, keys: Kind = NAMED) -> Kind:
    def read(at: At) -> dict[str, Any]:
        if not isinstance(at.value, dict):
            return wrong(at, "an object", {})
        if too_many(at, limit):
            return {}
        return {key: kind.read(at.key(key)) for key in at.value if keys.read(At(key, at.problems, at, key))}

    return Kind(read, {}, lambda values: {key: kind.write(value) for key, value in values.items()})


def read_json_object(at: At) -> Mapping[str, Json]:
    return read_json(at) or {} if isinstance(at.value, dict) else wrong(at, "an object", {})


JSON_OBJECT: Final = Kind(read_json_object, {})


def texts(*, bare: bool = True) -> Kind:
    """One text, or one per locale or channel. `bare`: a single default text is written as a string."""
    table = map_of(text(), 50, TEXT_KEYED)

    def read(at: At) -> Mapping[str, str]:
        if isinstance(at.value, str):
            return {"default": clean(at, at.value, MAX_TEXT)}
        return table.read(at) if isinstance(at.value, dict) else wrong(at, "a string, or an object of strings by locale or channel", {})

    return Kind(read, {}, lambda value: value["default"] if bare and set(value) == {"default"} else dict(value))


REQUIRED: Final = object()


@dataclass(frozen=True, slots=True)
class Field:
    """A key of an object. `terse`: not written when it has its default."""

    kind: Kind
    default: Any = REQUIRED
    terse: bool = field(default=False, kw_only=True)

    def read(self, at: At) -> Any:
        """The value of this key; null counts as absent where a default exists."""
        if at.value is not None:
            return self.kind.read(at)
        if self.default is not REQUIRED:
            return self.default
        at.refuse("missing", f'"{at.step}" is missing.', "a value")
        return self.kind.blank


Fields = Mapping[str, Field]


def record(at: At, fields: Fields, also: Collection[str] = ()) -> dict[str, Any]:
    """The fields of an object by name. Keys that are neither fields nor in `also` are problems."""
    if not isinstance(at.value, dict):
        wrong(at, f"an object with {listed(fields)}", None)
        return {name: item.kind.blank if item.default is REQUIRED else item.default for name, item in fields.items()}
    refuse_unknown(at, [*fields, *also])
    return {name: item.read(at.key(name)) for name, item in fields.items()}


def refuse_unknown(at: At, known: Collection[str]) -> None:
    for key in at.value:
        if key not in known:
            at.key(key).refuse("unknown_key", f'"{key[:64]}" is not known here{suggestion(key, known)}', listed(known))


def written(values: Mapping[str, Any], fields: Fields) -> dict[str, Json]:
    """The opposite of `record`."""
    return {name: item.kind.write(values[name]) for name, item in fields.items() if not (item.terse and values[name] == item.default)}
