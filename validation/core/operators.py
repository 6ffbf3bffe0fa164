"""The operators and functions of expressions, but for logic: each takes the evaluated arguments, and fails on those that it has no meaning for."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from validation.core.gaps import DIGITS, Failed, Function, Scope, applied, is_number, same, shown

Evaluate = Callable[[Scope], Any]
MAX_TEXT: Final = 10_000


def strict(function: Function) -> Callable[[tuple[Evaluate, ...]], Evaluate]:
    def make(args: tuple[Evaluate, ...]) -> Evaluate:
        if len(args) == 1:
            (only,) = args
            return lambda scope: applied(function, (only(scope),))
        return lambda scope: applied(function, tuple(arg(scope) for arg in args))

    return make


def binary(quick: Function, slow: Function) -> Callable[[tuple[Evaluate, ...]], Evaluate]:
    """Two floats take the quick way."""

    def make(args: tuple[Evaluate, ...]) -> Evaluate:
        left, right = args

        def evaluate(scope: Scope) -> Any:
            first, second = left(scope), right(scope)
            if type(first) is float and type(second) is float:
                return quick(first, second)
            return applied(slow, (first, second))

        return evaluate

    return make


def ordering(holds: Callable[[float], bool]) -> tuple[Function, Function]:
    """Of a comparison, by the difference of its sides: quick and slow."""

    def quick(first: float, second: float) -> bool:
        return holds(round(first - second, DIGITS))

    def slow(first: Any, second: Any) -> Any:
        if is_number(first) and is_number(second):
            return quick(first, second)
        if type(first) is type(second) and type(first) in (str, bool):
            return holds((first > second) - (first < second))
        return Failed(f"{shown(first)} and {shown(second)} cannot be compared.")

    return quick, slow


def arithmetic(sign: str, numbers: Callable[[Any, Any], Any], others: tuple[type, ...] = ()) -> tuple[Function, Function]:
    def slow(first: Any, second: Any) -> Any:
        if is_number(first) and is_number(second):
            return numbers(first, second)
        if type(first) is type(second) and type(first) in others:
            return first + second if len(first) + len(second) <= MAX_TEXT else Failed("This gets too long.")
        return Failed(f"{shown(first)} {sign} {shown(second)} has no meaning.")

    return numbers, slow


def quotient(first: Any, second: Any) -> Any:
    whole = type(first) is int and type(second) is int
    if second == 0:
        return (
            Failed("Division by zero.")
            if whole
            else math.nan
            if first == 0 or first != first
            else math.copysign(math.inf, first) * math.copysign(1, second)
        )
    if not whole:
        return first / second
    return abs(first) // abs(second) * (1 if (first < 0) is (second < 0) else -1)


def remainder(first: Any, second: Any) -> Any:
    if type(first) is not int or type(second) is not int:
        return Failed("% is for whole numbers: int(x) % int(y).")
    return Failed("Division by zero.") if second == 0 else first - second * quotient(first, second)


def negative(value: Any) -> Any:
    return -value if is_number(value) else Failed(f"-{shown(value)} has no meaning.")


def item(container: Any, key: Any) -> Any:
    if isinstance(container, dict):
        found = container.get(key) if isinstance(key, str) else None
        return Failed(f"There is no row for {shown(key)}.") if found is None else found
    if isinstance(container, list):
        if not is_number(key) or key != int(key):
            return Failed(f"{shown(key)} is not the place of an item.")
        return container[int(key)] if 0 <= key < len(container) else Failed(f"The list has {len(container)} items; there is no [{int(key)}].")
    return Failed(f"{shown(container)} has no items.")


def contained(value: Any, container: Any) -> Any:
    if isinstance(container, list):
        return any(same(value, other) for other in container)
    if isinstance(container, dict):
        return isinstance(value, str) and value in container
    return Failed(f"{shown(container)} is neither a list nor a table.")


def size(value: Any) -> Any:
    return len(value) if isinstance(value, str | list | dict) else Failed(f"{shown(value)} has no size.")


def textual(function: Function) -> Function:
    """A function of texts, and whole numbers, that fails on everything else."""

    def evaluate(*values: Any) -> Any:
        if not all(isinstance(value, str) or (is_number(value) and value == int(value)) for value in values) or not isinstance(values[0], str):
            return Failed(f"{shown(values[0])} is not a text.")
        return function(*(value if isinstance(value, str) else int(value) for value in values))

    return evaluate


def substring(text: str, start: int, end: int | None = None) -> Any:
    stop = len(text) if end is None else end
    return text[start:stop] if 0 <= start <= stop <= len(text) else Failed(f"{shown(text)} has no characters {start} to {stop}.")


def matches(text: str, pattern: str) -> Any:
    import re2

    try:
        return re2.search(pattern, text) is not None
    except re2.error:
        return Failed(f"{shown(pattern)} is not a regular expression.")


def whole(value: Any) -> Any:
    try:
        return int(value) if is_number(value) or isinstance(value, str) else Failed(f"{shown(value)} is not a number.")
    except (ValueError, OverflowError):
        return Failed(f"{shown(value)} is not a whole number.")


def decimal(value: Any) -> Any:
    try:
        return float(value) if is_number(value) or isinstance(value, str) else Failed(f"{shown(value)} is not a number.")
    except (ValueError, OverflowError):
        return Failed(f"{shown(value)} is not a number.")


def as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if is_number(value):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.6g}" if abs(value) >= 1e15 else repr(float(value))
    return value if isinstance(value, str) else Failed(f"{shown(value)} is not a text.")


def numeric(function: Function) -> Function:
    def evaluate(value: Any) -> Any:
        return function(value) if is_number(value) and math.isfinite(value) else Failed(f"{shown(value)} is not a number.")

    return evaluate


def rounded(value: float) -> float:
    return math.copysign(math.floor(abs(value) + 0.5), value)


def extreme(pick: Function) -> Function:
    def evaluate(*values: Any) -> Any:
        numbers = values[0] if len(values) == 1 and isinstance(values[0], list) else values
        return pick(numbers) if numbers and all(map(is_number, numbers)) else Failed("math.greatest and math.least are of numbers.")

    return evaluate


FUNCTIONS: Final[Mapping[str, Callable[[tuple[Evaluate, ...]], Evaluate]]] = {
    "_<_": binary(*ordering(lambda difference: difference < 0)),
    "_<=_": binary(*ordering(lambda difference: difference <= 0)),
    "_>_": binary(*ordering(lambda difference: difference > 0)),
    "_>=_": binary(*ordering(lambda difference: difference >= 0)),
    "_==_": binary(same, same),
    "_!=_": binary(lambda first, second: not same(first, second), lambda first, second: not same(first, second)),
    "_+_": binary(*arithmetic("+", lambda first, second: first + second, (str, list))),
    "_-_": binary(*arithmetic("-", lambda first, second: first - second)),
    "_*_": binary(*arithmetic("*", lambda first, second: first * second)),
    "_/_": binary(*arithmetic("/", quotient)),
    "_%_": strict(remainder),
    "-_": strict(negative),
    "_[_]": strict(item),
    "@in": strict(contained),
    "size": strict(size),
    "int": strict(whole),
    "double": strict(decimal),
    "string": strict(as_text),
    "startsWith": strict(textual(str.startswith)),
    "endsWith": strict(textual(str.endswith)),
    "contains": strict(textual(lambda text, part: part in text)),
    "matches": strict(textual(matches)),
    "substring": strict(textual(substring)),
    "lowerAscii": strict(textual(lambda text: "".join(letter.lower() if letter.isascii() else letter for letter in text))),
    "upperAscii": strict(textual(lambda text: "".join(letter.upper() if letter.isascii() else letter for letter in text))),
    "trim": strict(textual(str.strip)),
    "indexOf": strict(textual(str.find)),
    "split": strict(textual(lambda text, separator: text.split(separator) if separator else list(text))),
    "math.ceil": strict(numeric(lambda value: float(math.ceil(round(value, DIGITS))))),
    "math.floor": strict(numeric(lambda value: float(math.floor(round(value, DIGITS))))),
    "math.round": strict(numeric(rounded)),
    "math.abs": strict(numeric(abs)),
    "math.@max": strict(extreme(max)),
    "math.@min": strict(extreme(min)),
}
