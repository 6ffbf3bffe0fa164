"""How far a requirement is inside or outside its limit: the comparison of numbers that decides it, and its margin.

Of a conjunction that fails, the worst of the comparisons that fail decides; of one that holds, the tightest. Of a disjunction that holds the most
comfortable one decides, of one that fails the nearest. "Worst" and "tightest" compare margins relative to the limit.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from validation.core import evaluation, expressions, syntax
from validation.core.evaluation import Parameters
from validation.core.gaps import DIGITS, Scope, is_number, options_of
from validation.core.operators import Evaluate
from validation.core.rules import Judgement, Outcome
from validation.core.syntax import Call, Const, Node

NEAR: Final = 0.05  # a pass within 5 % of its limit is a near miss


@dataclass(frozen=True, slots=True)
class Deciding:
    """margin: positive inside, in the unit of the comparison; relative: to the limit. strict: a margin of 0 is outside."""

    actual: float
    required: float
    unit: str
    margin: float
    sign: str

    @property
    def relative(self) -> float:
        return self.margin / max(abs(self.required), 1e-9)


Decide: TypeAlias = Callable[[Scope], Deciding | None]
Units: TypeAlias = Mapping[str, str]  # "clear_width" or "p.min" -> unit

UNDECIDED: Final[Decide] = lambda scope: None  # noqa: E731  a constant of its type
MIRRORED: Final[Mapping[str, str]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
NEGATED: Final[Mapping[str, str]] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
INSIDE: Final[Mapping[str, Callable[[float, float], float]]] = {
    ">=": lambda actual, required: actual - required,
    ">": lambda actual, required: actual - required,
    "<=": lambda actual, required: required - actual,
    "<": lambda actual, required: required - actual,
    "==": lambda actual, required: -abs(actual - required),
    "!=": lambda actual, required: abs(actual - required),
}
COMPARISONS: Final = {f"_{sign}_": sign for sign in INSIDE}


def deciding(node: Node, parameters: Parameters, units: Units, *, holds: bool = True) -> Decide:
    """The function that finds the deciding comparison of a condition. holds: False looks at the condition's negation."""
    match node:
        case Call("!_", (inner,)):
            return deciding(inner, parameters, units, holds=not holds)
        case Call("_?_:_", (condition, then, otherwise)):
            return chosen(
                evaluation.compiled(condition, parameters),
                deciding(then, parameters, units, holds=holds),
                deciding(otherwise, parameters, units, holds=holds),
            )
        case Call("_&&_" | "_||_" as junction, (left, right)):
            sides = tuple((evaluation.compiled(side, parameters), deciding(side, parameters, units, holds=holds)) for side in (left, right))
            return joined(sides, all_of=(junction == "_&&_") is holds, truth=holds)
        case Call(function, (left, right)) if function in COMPARISONS:
            return compared(COMPARISONS[function], left, right, parameters, units, holds=holds)
    return UNDECIDED


def chosen(condition: Evaluate, then: Decide, otherwise: Decide) -> Decide:
    def decide(scope: Scope) -> Deciding | None:
        value = condition(scope)
        if value is True:
            return then(scope)
        return otherwise(scope) if value is False else nearest([then(scope), otherwise(scope)])

    return decide


def joined(sides: tuple[tuple[Evaluate, Decide], ...], *, all_of: bool, truth: bool) -> Decide:
    """`truth` is the value of a side that is satisfied. The satisfied sides of an alternative decide it, the others of a conjunction."""

    def decide(scope: Scope) -> Deciding | None:
        values = [(evaluate(scope), find) for evaluate, find in sides]
        satisfied = [find(scope) for value, find in values if value is truth]
        broken = [find(scope) for value, find in values if value is (not truth)]
        if all_of:
            return nearest(broken) if broken else nearest(satisfied)
        if satisfied:
            return None if None in satisfied else farthest(satisfied)
        return farthest(broken)

    return decide


def nearest(found: Iterable[Deciding | None]) -> Deciding | None:
    return min((one for one in found if one is not None), key=lambda one: one.relative, default=None)


def farthest(found: Iterable[Deciding | None]) -> Deciding | None:
    return max((one for one in found if one is not None), key=lambda one: one.relative, default=None)


def compared(sign: str, left: Node, right: Node, parameters: Parameters, units: Units, *, holds: bool) -> Decide:
    """The limit is the side without facts, else the one with parameters, else the right one."""
    if not holds:
        sign = NEGATED[sign]
    if limit_rank(left) > limit_rank(right):
        sign, left, right = MIRRORED[sign], right, left
    unit = unit_of(left, right, units)
    actual, required, inside = evaluation.compiled(left, parameters), evaluation.compiled(right, parameters), INSIDE[sign]

    def decide(scope: Scope) -> Deciding | None:
        pairs = [
            Deciding(first, second, unit, round(inside(first, second), DIGITS) + 0.0, sign)
            for first in options_of(actual(scope))
            for second in options_of(required(scope))
            if is_number(first) and is_number(second)
        ]
        return nearest(pairs)

    return decide


def limit_rank(node: Node) -> int:
    if not any(expressions.facts(node)):
        return 2
    return 1 if any(expressions.parameters(node)) else 0


def unit_of(actual: Node, required: Node, units: Units) -> str:
    """Of the facts that are compared when they agree, else of the parameters of the limit."""
    facts = {units.get(fact.partition(".")[2], "") for fact in expressions.facts(actual)} - {""}
    limits = {units.get(f"p.{name}", "") for name in branches(required)} - {""}
    for found in (facts, limits):
        if len(found) == 1:
            return next(iter(found))
    return ""


def branches(node: Node) -> Iterable[str]:
    """The parameters that a limit can be, not those that its conditions or factors read."""
    match node:
        case Call("_?_:_", (_, then, otherwise)):
            return [*branches(then), *branches(otherwise)]
        case Call("_[_]", (container, key)) if not isinstance(key, Const):
            return branches(container)
        case syntax.Select(operand, _, _) if expressions.name_of(node) is None:
            return branches(operand)
        case Call(function) if function in ("_*_", "_/_"):
            return []
    return list(expressions.parameters(node))


def near_miss(judgement: Judgement, within: float = NEAR) -> bool:
    """Whether it passes, and by no more than `within` of its limit."""
    if judgement.outcome is not Outcome.PASS or judgement.margin is None or not is_number(judgement.required):
        return False
    return 0 <= judgement.margin <= within * max(abs(float(judgement.required)), 1e-9)


def plain_units(parameters: Mapping[str, Any], facts: Units) -> dict[str, str]:
    return {**facts, **{f"p.{name}": parameter.unit for name, parameter in parameters.items()}}
