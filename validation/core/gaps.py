"""Values of expressions that are not known or cannot be: what is unknown, what failed, and what functions make of them."""

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Any, Final, TypeAlias

DIGITS: Final = 9  # decimals that count
MAX_OPTIONS: Final = 16


class Scope:
    """Values by name, without prefix. A fact that is not known is absent or None."""

    __slots__ = ("b", "e", "st", "steps", "variables")

    def __init__(self, e: Mapping[str, Any], st: Mapping[str, Any], b: Mapping[str, Any]) -> None:
        self.e, self.st, self.b = e, st, b
        self.variables: dict[str, Any] = {}
        self.steps = 0


class Unknown:
    """facts: those that could decide. options: every value that it can have, when these are few."""

    __slots__ = ("facts", "options")

    def __init__(self, facts: frozenset[str], options: tuple[Any, ...] = ()) -> None:
        self.facts, self.options = facts, options


class Failed:
    """An error of the expression or of the model, such as a text where a number is needed. facts: whose values were at fault."""

    __slots__ = ("facts", "message")

    def __init__(self, message: str, facts: frozenset[str] = frozenset()) -> None:
        self.message, self.facts = message, facts


Gap: TypeAlias = Unknown | Failed
GAPS: Final = (Unknown, Failed)
Function: TypeAlias = Callable[..., Any]
NOTHING: Final = frozenset[str]()


def is_number(value: Any) -> bool:
    return type(value) is float or type(value) is int


def same(first: Any, second: Any) -> bool:
    """Equality of CEL: numbers by value, true is no number, lists and maps by their items."""
    if is_number(first) and is_number(second):
        return bool(first == second) or round(first - second, DIGITS) == 0
    if type(first) is not type(second):
        return False
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return bool(first == second)


def shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def has_options(value: Any) -> bool:
    return type(value) is not Failed and (type(value) is not Unknown or bool(value.options))


def options_of(value: Any) -> tuple[Any, ...]:
    return value.options if type(value) is Unknown else (value,)


def gathered(facts: frozenset[str], options: Iterable[Any]) -> Any:
    """One of the options, it is not known which."""
    different = list[Any]()
    for option in options:
        if not any(same(option, other) for other in different):
            different.append(option)
    if len(different) == 1:
        return different[0]
    return Unknown(facts, tuple(different) if len(different) <= MAX_OPTIONS else ())


def applied(function: Function, values: tuple[Any, ...]) -> Any:
    for value in values:
        if type(value) in GAPS:
            return lifted(function, values)
    return function(*values)


def lifted(function: Function, values: tuple[Any, ...]) -> Any:
    """The function of values some of which are not known: of all that they can be, when these are few."""
    unknown = [value for value in values if type(value) is Unknown]
    if len(unknown) == 1 and not unknown[0].options:
        return unknown[0]
    failed = next((value for value in values if type(value) is Failed), None)
    if not unknown:
        return failed or function(*values)
    facts = NOTHING.union(*(value.facts for value in unknown))
    combinations = math.prod(len(options_of(value)) for value in values)
    if failed is not None or not 0 < combinations <= MAX_OPTIONS:
        return Unknown(facts)
    results = [function(*chosen) for chosen in product(*map(options_of, values))]
    return Unknown(facts) if any(type(result) is Failed for result in results) else gathered(facts, results)
