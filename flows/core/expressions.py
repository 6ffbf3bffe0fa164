"""Guards and values that authors write, in CEL (docs/protocol/flow.md): typed, checked at publish, bounded in cost.

Google's C++ implementation does the work. What this module hides: errors that come back as values, columns, whole numbers written where
numbers with decimals are meant, and which names an expression reads, so that an evaluation passes only those.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from flows.core.types import EvaluationFailed

try:
    from cel_expr_python import cel
except ImportError as error:
    message = "The package cel-expr-python has no wheel for this system; flows cannot run without it. Linux (glibc), macOS and Windows have one."
    raise ImportError(message) from error

ScopeTypes: TypeAlias = Mapping[str, str]  # dotted name -> CEL type name, a key of TYPES
Fault: TypeAlias = tuple[int, str]  # column from 1, message

MAX_SOURCE: Final = 2_000
MAX_PASSES: Final = 12  # compilations of one source: each widens every literal that the one before complained about
TYPES: Final[Mapping[str, Any]] = {
    "bool": cel.Type.BOOL,
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "string": cel.Type.STRING,
    "timestamp": cel.Type.TIMESTAMP,
    "list": cel.Type.LIST,
    "map": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "dyn": cel.Type.DYN,
}
ERROR: Final = cel.Type.ERROR
EXTENSIONS: Final = cel.NewEnvConfigFromYaml("name: flow\nextensions: [{name: strings}, {name: math}, {name: lists}]")
# What the extensions bring that can fill the memory from a few characters: `replace` is a filter of templates, with a bound.
UNBOUNDED: Final = re.compile(r"\b(range|replace|format)\s*\(")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled expression. `type` is the CEL type of its value: BOOL, INT, DOUBLE, STRING, DYN, LIST<…>, …"""

    source: str
    reads: frozenset[str]
    type: str
    names: tuple[str, ...]
    doubles: frozenset[str]
    code: Any

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """The value as plain Python. Names that `scope` lacks, or has as None where a type is declared, are unset. Raises EvaluationFailed."""
        data = {name: scope[name] for name in self.names if name in scope}
        try:
            for name in self.doubles:
                if type(data.get(name)) is int:
                    data[name] = float(data[name])
            value = self.code.eval(data=data)
            if value.type() == ERROR:
                raise EvaluationFailed(readable(str(value.value())))
            return value.plain_value()
        except EvaluationFailed:
            raise
        except Exception as error:
            raise EvaluationFailed(readable(str(error))) from error


def compile(source: str, scope: ScopeTypes) -> tuple[Compiled | None, list[Fault]]:
    """The expression, or what is wrong with it. Never raises."""
    return Environment(scope).compile(source)


class Environment:
    """The names of one scope. Making it costs a millisecond, compiling an expression 0.1."""

    __slots__ = ("cel", "types")

    def __init__(self, types: ScopeTypes) -> None:
        self.types = types
        self.cel = cel.NewEnv(config=EXTENSIONS, variables={name: TYPES[kind] for name, kind in types.items()})

    def compile(self, source: str) -> tuple[Compiled | None, list[Fault]]:
        if len(source) > MAX_SOURCE:
            return None, [(1, f"This expression has {len(source)} characters; at most {MAX_SOURCE} are allowed.")]
        unbounded = UNBOUNDED.search(without_strings(source))
        if unbounded is not None:
            return None, [(1, f'"{unbounded[1]}" is not a function of expressions')]
        try:
            code = self.widened(source)
        except CompileFailed as error:
            return None, error.faults
        names = reads(source, self.types)
        doubles = frozenset(name for name in names if self.types[name] == "double")
        return Compiled(source, names, code.return_type().name(), tuple(sorted(names)), doubles, code), []

    def widened(self, source: str) -> Any:
        """Compiles; where an int literal meets a double, the literal becomes a double (`slots.area > 500` is what people write)."""
        text, inserted = source, list[int]()
        for _ in range(MAX_PASSES):
            try:
                return self.cel.compile(text)
            except (RuntimeError, TypeError) as error:  # TypeError: a lone surrogate
                complaint = str(error)
                places = literals_to_widen(text, complaint)
            if not places:
                break
            for place in places:
                text = f"{text[:place]}.0{text[place:]}"
            inserted += places
        raise CompileFailed(faults_of(text, complaint, inserted))


class CompileFailed(Exception):
    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__(faults)


FAULT: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
STATUS: Final = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$")
REWORDED: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"undeclared reference to '([^']*)'.*"), r'"\1" is not known here'),
    (
        re.compile(r"found no matching overload for '([^']*)' applied to '(\((?:int, double|double, int)\))'.*"),
        lambda match: f"{spelled(match[1])} does not work on {match[2]}; double(x) makes a whole number one with decimals",
    ),
    (re.compile(r"found no matching overload for '([^']*)' applied to '(.*)'.*"), lambda match: f"{spelled(match[1])} does not work on {match[2]}"),
    (re.compile(r"Syntax error: mismatched input '<EOF>'.*"), "the expression ends too early"),
    (re.compile(r"Syntax error: mismatched input ('.*?') expecting.*"), r"\1 is not expected here"),
    (re.compile(r"No value with name \"([^\"]*)\" found in Activation"), r"\1 is not set"),
    (re.compile(r"compile\(\): incompatible.*"), "this is no Unicode text"),
    (re.compile(r".*(?:recursion limit|recursion depth).*"), "the expression is nested too deeply (at most 32 levels)"),
)


def spelled(function: str) -> str:
    """CEL calls the operator > by the name `_>_`."""
    return function if function.isidentifier() and function.strip("_").isalnum() else function.replace("_", "")


def faults_of(source: str, error: str, inserted: Iterable[int] = ()) -> list[Fault]:
    found = [(offset(source, int(line), int(column)), readable(text)) for line, column, text in FAULT.findall(error)]
    if not found:
        return [(1, readable(error.split("\n")[0]))]
    return list(dict.fromkeys((moved_back(place, inserted) + 1, text) for place, text in found))


def offset(source: str, line: int, column: int) -> int:
    """Where line and column (from 1; -1 when the compiler does not know) are in the source."""
    before = source.split("\n")[: max(0, line - 1)]
    return max(0, sum(len(text) + 1 for text in before) + column - 1)


def moved_back(place: int, inserted: Iterable[int]) -> int:
    """The place in what the author wrote, before literals were widened."""
    for earlier in reversed(list(inserted)):
        place -= 2 if place > earlier else 0
    return place


def readable(text: str) -> str:
    text = STATUS.sub("", STATUS.sub("", text.strip()))
    for pattern, better in REWORDED:
        text, count = pattern.subn(better, text, count=1)
        if count:
            break
    return text[:300]


MISMATCH: Final = re.compile(
    r"<input>:(\d+):(\d+): found no matching overload for '_(?:[<>]=?|[=!]=|[-+*/])_' applied to '\((?:int, double|double, int)\)'"
)
OPERATOR: Final = re.compile(r"[<>=!]=|[-+*/<>]")
LITERAL_AFTER: Final = re.compile(r"\s*\(*\s*-?\d+(?![\w.])")
LITERAL_BEFORE: Final = re.compile(r"(?<![\w.])\d+(?=\s*\)*\s*$)")


def literals_to_widen(source: str, error: str) -> list[int]:
    """Where `.0` would help against complaints about an int and a double, last place first: after int literals next to the operators."""
    found = (literal_end(source, offset(source, int(line), int(column))) for line, column in MISMATCH.findall(error))
    return sorted({place for place in found if place}, reverse=True)


def literal_end(source: str, place: int) -> int:
    """The end of the int literal next to the operator at `place`; 0 when there is none."""
    operator = OPERATOR.match(source, place)
    if operator is None:
        return 0
    after = LITERAL_AFTER.match(source, operator.end())
    before = None if after else LITERAL_BEFORE.search(source[:place])
    return after.end() if after else before.end() if before else 0


TOKEN: Final = re.compile(
    r"""//[^\n]*|[rRbB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3})|[rR][bB]?(?:"[^"\n]*"|'[^'\n]*')|"""
    r"""[bB]?(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)|\d[\w.]*|.""",
    re.DOTALL,
)


def without_strings(source: str) -> str:
    """The source with its strings and comments blanked."""
    if "(" not in source:
        return source
    return "".join(" " if match[0][-1] in "'\"" or match[0].startswith("//") else match[0] for match in TOKEN.finditer(source))


@lru_cache(maxsize=4_096)
def chains(source: str) -> frozenset[str]:
    """The dotted names of an expression, outside strings and comments: `slots.a.b`, `size`, …"""
    names = (match["name"] for match in TOKEN.finditer(source))
    return frozenset(re.sub(r"\s+", "", name) for name in names if name)


def reads(source: str, types: ScopeTypes) -> frozenset[str]:
    """The names of the scope that an expression reads. A name that a macro rebinds counts too: that costs nothing but a look-up."""
    found = set[str]()
    for chain in chains(source):
        while chain and chain not in types:
            chain = chain.rpartition(".")[0]
        found.add(chain)
    return frozenset(found - {""})
