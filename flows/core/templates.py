"""Texts with `{{ expression | filter }}` in them. Everything is compiled at publish; rendering never raises and its output is capped."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flows.core.expressions import Compiled, Environment, Fault, ScopeTypes
from flows.core.filters import FILTERS, MAX_OUTPUT, as_text
from flows.core.types import EvaluationFailed

MAX_SOURCE: Final = 16_384
MAX_PLACEHOLDERS: Final = 200
MAX_FILTERS: Final = 10
LOCALE: Final = "conversation.locale"


@dataclass(frozen=True, slots=True)
class Plain:
    """A text without placeholders."""

    source: str
    reads: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()

    def render(self, scope: Mapping[str, Any]) -> str:
        return self.source


@dataclass(frozen=True, slots=True)
class Call:
    """A filter with its arguments."""

    name: str
    arguments: tuple[str | int, ...]

    def apply(self, value: Any, locale: str) -> Any:
        return FILTERS[self.name].apply(value, locale, *self.arguments)


@dataclass(frozen=True, slots=True)
class Placeholder:
    expression: Compiled
    calls: tuple[Call, ...]
    fallback: str  # of `default(…)`; what stands here when there is no value

    def render(self, scope: Mapping[str, Any]) -> str:
        try:
            value = self.expression.evaluate(scope)
            for call in self.calls:
                value = call.apply(value, str(scope.get(LOCALE, "")))
            return as_text(value)[:MAX_OUTPUT]
        except (EvaluationFailed, TypeError, ValueError, OverflowError, RecursionError):
            return self.fallback


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with placeholders. `needs` are the names of `reads` for which no `default` is given."""

    source: str
    reads: frozenset[str]
    needs: frozenset[str]
    parts: tuple[str | Placeholder, ...]

    def render(self, scope: Mapping[str, Any]) -> str:
        text = "".join([part if isinstance(part, str) else part.render(scope) for part in self.parts])
        return text if len(text) <= MAX_OUTPUT else text[:MAX_OUTPUT]


def compile(source: str, scope: ScopeTypes) -> tuple[Plain | Filled | None, list[Fault]]:
    """The template, or all that is wrong with it, with columns. Never raises."""
    if len(source) <= MAX_SOURCE and "{{" not in source and "}}" not in source:
        return Plain(source), []
    return compile_in(Environment(scope), source)


def compile_in(environment: Environment, source: str) -> tuple[Plain | Filled | None, list[Fault]]:
    """As `compile`, for many templates of one scope."""
    if len(source) > MAX_SOURCE:
        return None, [(1, f"This text has {len(source)} characters; at most {MAX_SOURCE} are allowed.")]
    faults: list[Fault] = []
    cut = list(pieces(source, faults))
    if len(cut) > 2 * MAX_PLACEHOLDERS + 1:
        return None, [(1, f"This text has more than {MAX_PLACEHOLDERS} placeholders.")]
    parts = [placeholder(environment, piece, faults) if isinstance(piece, Piece) else piece for piece in cut]
    if faults:
        return None, faults
    found = [part for part in parts if isinstance(part, Placeholder)]
    if not found:
        return Plain(source), []
    needs = (part.expression.reads for part in found if not any(call.name == "default" for call in part.calls))
    reads = frozenset[str]().union(*(part.expression.reads for part in found))
    return Filled(source, reads, frozenset[str]().union(*needs), tuple(part for part in parts if part is not None and part != "")), []


MAX_PLACEHOLDER: Final = 3_000  # characters: an expression of 2,000 and its filters
STRING: Final = r"""'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*\""""
OPENING: Final = re.compile(r"\{\{|\}\}")
INSIDE: Final = re.compile(rf"(?P<string>{STRING})|(?P<end>\}}\}})|(?P<or>\|\|)|(?P<bar>\|)|(?P<open>\{{\{{)|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands between `{{` and `}}`, cut at the bars, each part with its column from 1."""

    expression: tuple[int, str]
    filters: tuple[tuple[int, str], ...]


def pieces(source: str, faults: list[Fault]) -> Iterator[str | Piece]:
    """Literal texts and placeholders in turn. Stops at the first unbalanced bracket, which is a fault."""
    place = 0
    while match := OPENING.search(source, place):
        yield source[place : match.start()]
        if match[0] == "}}":
            faults.append((match.start() + 1, '"}}" without "{{"'))
            return
        cut, place = cut_at_bars(source, match.end())
        if not place:
            faults.append((match.start() + 1, '"{{" without "}}"'))
            return
        yield Piece(cut[0], tuple(cut[1:]))
    yield source[place:]


def cut_at_bars(source: str, start: int) -> tuple[list[tuple[int, str]], int]:
    """The parts of a placeholder and where it ends; 0 when it does not. A map literal ends in `} }}`, with a space."""
    cut: list[tuple[int, str]] = []
    # Bounded, because an unterminated string is looked for from every quote again.
    for match in INSIDE.finditer(source, start, start + MAX_PLACEHOLDER):
        if match["open"]:
            return cut, 0
        if match["bar"] or match["end"]:
            cut.append((start + 1, source[start : match.start()]))
            start = match.end()
        if match["end"]:
            return cut, start
    return cut, 0


ARGUMENT: Final = rf"\s*(?:{STRING}|-?\d{{1,6}})\s*"
FILTER: Final = re.compile(rf"\s*(?P<name>[a-z_]+)\s*(?:\((?P<arguments>(?:{ARGUMENT}(?:,{ARGUMENT})*)?\s*)\))?\s*")
ONE_ARGUMENT: Final = re.compile(rf"{STRING}|-?\d+")
ESCAPES: Final[Mapping[str, str]] = {"n": "\n", "t": "\t"}


def placeholder(environment: Environment, piece: Piece, faults: list[Fault]) -> Placeholder | None:
    column, source = piece.expression
    stripped = source.strip()
    indent = len(source) - len(source.lstrip())
    expression, found = environment.compile(stripped) if stripped else (None, [(1, "there is no expression between the brackets")])
    faults.extend((column + indent + place - 1, message) for place, message in found)
    if len(piece.filters) > MAX_FILTERS:
        faults.append((column, f"there are more than {MAX_FILTERS} filters"))
    calls = [call for part in piece.filters[:MAX_FILTERS] if (call := filter_call(part, faults))]
    if expression is None:
        return None
    fallback = next((str(call.arguments[0]) for call in calls if call.name == "default"), "")
    return Placeholder(expression, tuple(calls), fallback)


def filter_call(part: tuple[int, str], faults: list[Fault]) -> Call | None:
    column, source = part
    match = FILTER.fullmatch(source)
    if match is None or match["name"] not in FILTERS:
        faults.append((column, f'"{source.strip()[:60]}" is no filter; there are {", ".join(FILTERS)}'))
        return None
    arguments = tuple(literal(found[0]) for found in ONE_ARGUMENT.finditer(match["arguments"] or ""))
    known = FILTERS[match["name"]]
    right_types = all(isinstance(argument, kind) for argument, kind in zip(arguments, known.arguments, strict=False))
    if not known.least <= len(arguments) <= len(known.arguments) or not right_types:
        faults.append((column, f'the filter "{match["name"]}" takes {described(match["name"])}'))
        return None
    return Call(match["name"], arguments)


def literal(source: str) -> str | int:
    if source[0] not in "'\"":
        return int(source)
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), source[1:-1], flags=re.DOTALL)


def described(name: str) -> str:
    known = FILTERS[name]
    words = [("a text" if kind is str else "a whole number") for kind in known.arguments]
    listed = ", ".join(word if index < known.least else f"[{word}]" for index, word in enumerate(words))
    return listed or "no arguments"
