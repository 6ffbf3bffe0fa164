"""Evaluation of expressions when not every fact is known: an unknown fact counts only where it can still make a difference.

An expression is compiled once into Python functions of a `Scope`, with the parameters of its rule filled in. The result is a value, or a `Gap`:
`Unknown` with the facts that could decide it, or `Failed` (no such row, a text where a number is needed). `false && unknown` is false, as in CEL
`false && error` is; a choice whose condition is unknown has two possible values, and what holds for both of them holds.

Where all facts are known this is CEL (tests compare the two), but for two things that engineers expect: numbers that differ by less than a
billionth are equal (2 * 0.175 + 0.2 is 0.55), and whole numbers mix with others.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from validation.core import expressions
from validation.core.expressions import SPACES, plain
from validation.core.gaps import GAPS, Failed, Gap, Scope, Unknown, applied, gathered, has_options, lifted, options_of, shown
from validation.core.operators import FUNCTIONS, Evaluate, contained, item
from validation.core.syntax import Call, Const, Fold, Ident, ListOf, MapOf, Node, Select

MAX_STEPS: Final = 100_000  # of all macros of one evaluation
Parameters: TypeAlias = Mapping[str, Any]  # name -> value, or an Evaluate for a table


def compiled(node: Node, parameters: Parameters) -> Evaluate:
    """The function of one node. Parts that read neither facts nor variables are evaluated now."""
    if isinstance(node, Const):
        return constant(node.value)
    presence = expressions.presence_of(node)
    if presence is not None:
        return known(*presence)
    named = expressions.name_of(node)
    if named is not None:
        space, name = named
        return parameter(name, parameters) if space == expressions.PARAMETERS else fact(space, name)
    made = MAKERS[type(node)](node, parameters)
    return constant(made(EMPTY)) if is_constant(node, parameters) else made


def is_constant(node: Node, parameters: Parameters) -> bool:
    match node:
        case Call(_, args):
            return all(is_constant(part, parameters) for part in args) or (expressions.name_of(node) is not None and is_parameter(node, parameters))
        case ListOf(items):
            return all(is_constant(part, parameters) for part in items)
        case Select(operand):
            return is_parameter(node, parameters) or is_constant(operand, parameters)
        case Const():
            return True
    return False


def is_parameter(node: Node, parameters: Parameters) -> bool:
    named = expressions.name_of(node)
    return named is not None and named[0] == expressions.PARAMETERS and not callable(parameters.get(named[1]))


EMPTY: Final = Scope({}, {}, {})


def constant(value: Any) -> Evaluate:
    return lambda scope: value


def parameter(name: str, parameters: Parameters) -> Evaluate:
    value = parameters.get(name)
    if value is None:
        return constant(Failed(f"The rule has no parameter p.{name}."))
    if callable(value):
        table: Evaluate = value
        return table
    return constant(plain(value))


def fact(space: str, name: str) -> Evaluate:
    unknown = Unknown(frozenset((f"{space}.{name}",)))

    def of_subject(scope: Scope) -> Any:
        value = scope.e.get(name)
        return unknown if value is None else value

    def of_storey(scope: Scope) -> Any:
        value = scope.st.get(name)
        return unknown if value is None else value

    def of_building(scope: Scope) -> Any:
        value = scope.b.get(name)
        return unknown if value is None else value

    return dict(zip(SPACES, (of_subject, of_storey, of_building), strict=True))[space]


def known(fact_name: str, answer: bool) -> Evaluate:
    space, _, name = fact_name.partition(".")
    read = fact(space, name)
    return lambda scope: (type(read(scope)) is not Unknown) is answer


def junction(decides: bool) -> Callable[[tuple[Evaluate, ...]], Evaluate]:
    """`&&` (false decides) and `||` (true decides), whatever the other side is."""
    otherwise = not decides

    def make(args: tuple[Evaluate, ...]) -> Evaluate:
        left, right = args

        def evaluate(scope: Scope) -> Any:
            first = left(scope)
            if first is decides:
                return decides
            second = right(scope)
            if second is decides:
                return decides
            if first is otherwise and second is otherwise:
                return otherwise
            return neither(first, second)

        return evaluate

    return make


def neither(first: Any, second: Any) -> Gap:
    """Of two sides that do not decide and are not both known: what is unknown could still be filled in, so it counts before what failed."""
    if type(first) is Unknown or type(second) is Unknown:
        if type(first) is not type(second):
            return first if type(first) is Unknown else second
        return Unknown(first.facts | second.facts)
    failed = next((side for side in (first, second) if type(side) is Failed), None)
    return failed or Failed("&& and || stand between statements that are true or false.")


def negation(args: tuple[Evaluate, ...]) -> Evaluate:
    (inner,) = args

    def evaluate(scope: Scope) -> Any:
        value = inner(scope)
        return (not value) if value is True or value is False else lifted(opposite, (value,))

    return evaluate


def opposite(value: Any) -> Any:
    return (not value) if isinstance(value, bool) else Failed("! stands before what is true or false.")


def choice(args: tuple[Evaluate, ...]) -> Evaluate:
    condition, then, otherwise = args

    def evaluate(scope: Scope) -> Any:
        chosen = condition(scope)
        if chosen is True:
            return then(scope)
        if chosen is False:
            return otherwise(scope)
        if type(chosen) is not Unknown:
            return chosen if type(chosen) is Failed else Failed("Before ? stands what is true or false.")
        return either(chosen, then(scope), otherwise(scope))

    return evaluate


def either(condition: Unknown, first: Any, second: Any) -> Any:
    """The value of a choice when it is not known which: the same when both are the same."""
    facts = condition.facts.union(*(side.facts for side in (first, second) if type(side) in GAPS))
    return gathered(facts, [*options_of(first), *options_of(second)] if has_options(first) and has_options(second) else [])


LOGIC: Final[Mapping[str, Callable[[tuple[Evaluate, ...]], Evaluate]]] = {
    "_&&_": junction(decides=False),
    "_||_": junction(decides=True),
    "!_": negation,
    "_?_:_": choice,
}
CALLS: Final = {**FUNCTIONS, **LOGIC}


def ident(node: Ident, parameters: Parameters) -> Evaluate:
    name = node.name
    return lambda scope: scope.variables.get(name, VANISHED)


VANISHED: Final = Failed("A name that is not known here.")


def select(node: Select, parameters: Parameters) -> Evaluate:
    operand, field = compiled(node.operand, parameters), node.field
    if node.test:
        return lambda scope: applied(lambda value: contained(field, value), (operand(scope),))
    return lambda scope: applied(lambda value: item(value, field), (operand(scope),))


def call(node: Call, parameters: Parameters) -> Evaluate:
    if node.function == "@not_strictly_false":
        inner = compiled(node.args[0], parameters)
        return lambda scope: inner(scope) is not False
    return CALLS[node.function](tuple(compiled(arg, parameters) for arg in node.args))


def list_of(node: ListOf, parameters: Parameters) -> Evaluate:
    items = tuple(compiled(part, parameters) for part in node.items)
    return lambda scope: applied(lambda *values: list(values), tuple(part(scope) for part in items))


def map_of(node: MapOf, parameters: Parameters) -> Evaluate:
    entries = tuple(compiled(part, parameters) for entry in node.entries for part in entry)
    return lambda scope: applied(lambda *values: dict(zip(values[::2], values[1::2], strict=True)), tuple(part(scope) for part in entries))


def fold(node: Fold, parameters: Parameters) -> Evaluate:
    over, start, condition, step, result = (compiled(part, parameters) for part in (node.over, node.start, node.condition, node.step, node.result))
    variable, total = node.variable, node.total

    def evaluate(scope: Scope) -> Any:
        items = over(scope)
        if type(items) in GAPS:
            return items if type(items) is Failed else Unknown(items.facts)
        if not isinstance(items, list | dict):
            return Failed(f"{shown(items)} is not a list.")
        outer = scope.variables
        scope.variables = {**outer, total: start(scope)}
        try:
            for entry in items:
                scope.steps += 1
                if scope.steps > MAX_STEPS:
                    return Failed("This takes too many steps.")
                scope.variables[variable] = entry
                if condition(scope) is not True:
                    break
                scope.variables[total] = step(scope)
            return result(scope)
        finally:
            scope.variables = outer

    return evaluate


MAKERS: Final[Mapping[type, Callable[[Any, Parameters], Evaluate]]] = {
    Ident: ident,
    Select: select,
    Call: call,
    ListOf: list_of,
    MapOf: map_of,
    Fold: fold,
}
