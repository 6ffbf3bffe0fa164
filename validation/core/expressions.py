"""The expressions of rules: CEL over facts. `e` is the subject, `st` its storey, `b` the building and its project, `p` the parameters of the rule.

CEL's compiler checks them and gives their tree; from the tree come the facts that they read. `e.x == null` and `has(e.x)` ask whether a fact is
known, and never need it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from flows.core import expressions as cel
from validation.core import syntax
from validation.core.syntax import Call, Const, Fold, Ident, Node, Select

Fault: TypeAlias = cel.Fault  # column from 1, message

SPACES: Final = ("e", "st", "b")  # of facts
PARAMETERS: Final = "p"
NAMES: Final = (*SPACES, PARAMETERS)
MAX_FOLDS: Final = 2  # macros inside macros: the cost of an expression is bounded by the lengths of two lists
ENVIRONMENT: Final = cel.Environment(dict.fromkeys(NAMES, "map"))
CEIL: Final = re.compile(r"\bmath_(ceil|floor|round|abs)\b")  # how rule authors of other systems write math.ceil; of the same length
EQUALITIES: Final = ("_==_", "_!=_")
FUNCTIONS: Final[Mapping[str, str]] = {  # name in the tree -> as authors write it
    **{f"_{sign}_": sign for sign in ("&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%")},
    "!_": "!",
    "-_": "-",
    "_?_:_": "?:",
    "_[_]": "[]",
    "@in": "in",
    "@not_strictly_false": "",
    "math.@max": "math.greatest",
    "math.@min": "math.least",
    **{
        name: name
        for name in (
            *("size", "int", "double", "string", "startsWith", "endsWith", "contains", "matches", "substring", "lowerAscii", "upperAscii", "trim"),
            *("indexOf", "split", "math.ceil", "math.floor", "math.round", "math.abs"),
        )
    },
}


@dataclass(frozen=True, slots=True)
class Expression:
    """reads: facts with prefix. known: those it only asks about (`e.x == null`, `has(e.x)`); a fact may be in both. params: names of `p`."""

    source: str
    tree: Node
    reads: frozenset[str]
    known: frozenset[str]
    params: frozenset[str]
    reference: cel.Compiled  # CEL's own evaluation: what this app's evaluation is tested against


@lru_cache(maxsize=8_192)
def parse(source: str) -> tuple[Expression | None, tuple[Fault, ...]]:
    """The expression, or what is wrong with it. Never raises."""
    renamed = CEIL.sub(r"math.\1", source)
    places = whole_numbers(renamed)
    compiled, faults = ENVIRONMENT.compile(widened(renamed, places))
    if compiled is None and places:
        compiled, faults = ENVIRONMENT.compile(renamed)
        places = []
    if compiled is None:
        return None, tuple(faults)
    tree = syntax.tree(compiled.code.serialize())
    inserted = [place + 2 * number for number, place in enumerate(places)]
    faults = list(dict.fromkeys((cel.moved_back(column - 1, inserted) + 1, text) for column, text in faults_of(tree)))
    if faults:
        return None, tuple(faults)
    reads, known, params = frozenset(facts(tree)), frozenset(presences(tree)), frozenset(parameters(tree))
    return Expression(source, tree, reads, known, params, compiled), ()


TOKEN: Final = re.compile(
    r"""//[^\n]*|[rR]?(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<whole>\d+(?![\w.]))|[A-Za-z_]\w*|[\d.]+\w*|&&|\|\||[<>=!]=|\S""", re.DOTALL
)
COUNTING: Final = ("size", "int", "indexOf", "substring", "%")  # next to these, and as the place of an item, a whole number stays one


def whole_numbers(source: str) -> list[int]:
    """Ends of the literals that mean any number: `2 * e.riser_height`, but not `e.kind.substring(0, 1)`."""
    tokens = list(TOKEN.finditer(source))
    return [token.end() for place, token in enumerate(tokens) if token["whole"] and not counts([one[0] for one in tokens], place)]


def counts(tokens: list[str], place: int) -> bool:
    """Whether the literal at `place` is a place in a text or list, or stands beside a count."""
    opened = opening(tokens, place)
    holder = tokens[opened - 1] if opened > 0 else ""
    indexed = opened >= 0 and tokens[opened] == "[" and (holder.isidentifier() or holder in (")", "]"))
    called = opened >= 0 and tokens[opened] == "(" and holder in COUNTING
    return indexed or called or counted(tokens, place)


def counted(tokens: list[str], place: int) -> bool:
    after = tokens[place + 1 : place + 3]
    if any(one in COUNTING for one in after):
        return True
    closing = place - 2
    if closing < 0 or tokens[place - 1] == "," or tokens[closing] != ")":
        return tokens[max(0, place - 1)] == "%"
    opened = opening(tokens, closing)
    return tokens[place - 1] == "%" or (opened > 0 and tokens[opened - 1] in COUNTING)


def opening(tokens: list[str], place: int) -> int:
    """The bracket that is open at `place`; -1: none."""
    depth = 0
    for before in range(place - 1, -1, -1):
        depth += (tokens[before] in (")", "]", "}")) - (tokens[before] in ("(", "[", "{"))
        if depth < 0:
            return before
    return -1


def widened(source: str, places: list[int]) -> str:
    """With `.0` at the places."""
    for place in reversed(places):
        source = f"{source[:place]}.0{source[place:]}"
    return source


def name_of(node: Node) -> tuple[str, str] | None:
    """("e", "clear_width") of `e.clear_width` and of `e["clear_width"]`; None of everything else."""
    match node:
        case Select(Ident(space), field, False) if space in NAMES:
            return space, field
        case Call("_[_]", (Ident(space), Const(str(field)))) if space in NAMES:
            return space, field
    return None


def fact_of(node: Node) -> str | None:
    """The fact that a node is, such as "e.clear_width"."""
    found = name_of(node)
    return None if found is None or found[0] == PARAMETERS else ".".join(found)


def presence_of(node: Node) -> tuple[str, bool] | None:
    """The fact that a node asks for, and whether it is true when that is known. None when it asks for none."""
    match node:
        case Select(Ident(space), field, True) if space in SPACES:
            return f"{space}.{field}", True
        case Call(function, (subject, Const(None))) | Call(function, (Const(None), subject)) if function in EQUALITIES:
            fact = fact_of(subject)
            return None if fact is None else (fact, function == "_!=_")
        case Call("@in", (Const(str(field)), Ident(space))) if space in SPACES:
            return f"{space}.{field}", True
    return None


def facts(node: Node) -> Iterator[str]:
    """The facts whose values a node needs."""
    if presence_of(node) is not None:
        return
    fact = fact_of(node)
    if fact is not None:
        yield fact
        return
    for child in syntax.children(node):
        yield from facts(child)


def presences(node: Node) -> Iterator[str]:
    for part in syntax.walk(node):
        found = presence_of(part)
        if found is not None:
            yield found[0]


def parameters(node: Node) -> Iterator[str]:
    for part in syntax.walk(node):
        found = name_of(part)
        if found is not None and found[0] == PARAMETERS:
            yield found[1]


def faults_of(node: Node, folds: int = 0) -> Iterator[Fault]:
    if presence_of(node) is not None or name_of(node) is not None:
        return
    match node:
        case Ident(name) if name in NAMES:
            yield node.at + 1, f"write {name}.<name>: rules name the facts and parameters that they read"
        case Call(function) if function not in FUNCTIONS:
            yield node.at + 1, f'"{function}" is not a function of rules'
        case Fold(variable) if variable in NAMES:
            yield node.at + 1, f'"{variable}" already has a meaning in rules; name the items otherwise'
        case Fold() if folds >= MAX_FOLDS:
            yield node.at + 1, f"at most {MAX_FOLDS} of all, exists, exists_one, map and filter inside each other"
    inner = folds + isinstance(node, Fold)
    for child in syntax.children(node):
        yield from faults_of(child, inner)


def plain(value: Any) -> Any:
    """A fact or parameter as expressions see it: every number a float, so that 1 and 1.0 are the same width. NaN and infinity are not known."""
    kind = type(value)
    if kind is float:
        return value if value - value == 0.0 else None
    if kind is int:
        return float(value)
    if kind is list or kind is tuple:
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return value
