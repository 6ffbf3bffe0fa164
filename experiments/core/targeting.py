"""Who an experiment is for: conditions over attributes, in GrowthBook's condition language (the MongoDB-like one).

Values are compared as JSON is: numbers are no booleans, objects and lists are equal when their JSON is. Patterns are RE2's, which cannot be
made slow. A condition that cannot be evaluated matches nobody, and negation does not turn it into one that matches everybody.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

Groups = Mapping[str, Any]
# True, False, or None: it depends on an operator or a kind of saved group that is not known here.
Verdict = bool | None
DEEPEST: Final = 32
MISSES: Final = (TypeError, ValueError, AttributeError, IndexError, KeyError, RecursionError)


class TooDeep(ValueError):
    """A condition nests deeper than anybody can mean."""


def matches(attributes: Mapping[str, Any], condition: Mapping[str, Any], groups: Groups | None = None) -> bool:
    """Whether these attributes fit the condition. `groups`: saved groups by id, each a list of values or {type, values | condition}."""
    try:
        return condition_holds(attributes, condition, groups or {}, frozenset()) is True
    except MISSES:
        return False


def condition_holds(attributes: Any, condition: Mapping[str, Any], groups: Groups, inside: frozenset[str]) -> Verdict:
    """Every entry must hold. `inside`: the saved groups that are being looked into, so that a circle ends."""
    return _all(_entry(attributes, key, value, groups, inside) for key, value in condition.items())


def _entry(attributes: Any, key: str, value: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    logic = LOGIC.get(key)
    if logic is not None:
        return logic(attributes, value, groups, inside)
    return value_fits(value, at_path(attributes, key), groups, inside)


def _all(verdicts: Any) -> Verdict:
    """False as soon as one is False, else None when one is."""
    found: Verdict = True
    for verdict in verdicts:
        if verdict is False:
            return False
        found = None if verdict is None else found
    return found


def _any(verdicts: Any) -> Verdict:
    found: Verdict = False
    for verdict in verdicts:
        if verdict is True:
            return True
        found = None if verdict is None else found
    return found


def _not(verdict: Verdict) -> Verdict:
    return None if verdict is None else not verdict


def _or(attributes: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    return True if len(given) == 0 else _any(condition_holds(attributes, one, groups, inside) for one in given)


def _nor(attributes: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    return _not(_or(attributes, given, groups, inside))


def _and(attributes: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    return _all(condition_holds(attributes, one, groups, inside) for one in given)


def _none_of(attributes: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    return _not(condition_holds(attributes, given, groups, inside))


def _saved_group(attributes: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    """{"id": …, "attributeKey": …}: a group with a type, named in place of an attribute."""
    name = given.get("id") if isinstance(given, Mapping) else None
    if not isinstance(name, str) or name in inside or not isinstance(given.get("attributeKey", ""), str):
        return False
    group = groups.get(name)
    if not isinstance(group, Mapping):
        return False
    kind = _GROUPS.get(group.get("type", ""))
    return kind(attributes, given, group, groups, inside | {name}) if kind is not None else None


def _group_of_values(attributes: Any, given: Mapping[str, Any], group: Mapping[str, Any], groups: Groups, inside: frozenset[str]) -> Verdict:
    key, values = given.get("attributeKey", group.get("attributeKey")), group.get("values")
    return isinstance(key, str) and isinstance(values, list) and is_in(values, at_path(attributes, key))


def _group_by_condition(attributes: Any, given: Mapping[str, Any], group: Mapping[str, Any], groups: Groups, inside: frozenset[str]) -> Verdict:
    condition = group.get("condition")
    return condition_holds(attributes, condition, groups, inside) if isinstance(condition, Mapping) else False


_GROUPS: Final[Mapping[str, Callable[..., Verdict]]] = {"list": _group_of_values, "condition": _group_by_condition}


def _never(attributes: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    return False


LOGIC: Final[Mapping[str, Callable[[Any, Any, Groups, frozenset[str]], Verdict]]] = {
    "$or": _or,
    "$nor": _nor,
    "$and": _and,
    "$not": _none_of,
    "$savedGroup": _saved_group,
    "$savedGroups": _never,
}
ON_CONDITIONS: Final = frozenset({"$or", "$nor", "$and", "$savedGroup"})  # `$not` is an operator on values, too


def at_path(attributes: Any, path: str) -> Any:
    """What lies at a dotted path, or None. Lists have their indices and `length`."""
    held = attributes
    for step in path.split("."):
        if isinstance(held, Mapping) and step in held:
            held = held[step]
        elif isinstance(held, list) and step == "length":
            held = len(held)
        elif isinstance(held, list) and _is_index(step, len(held)):
            held = held[int(step)]
        else:
            return None
    return held


def _is_index(text: str, length: int) -> bool:
    return len(text) <= 10 and text.isascii() and text.isdigit() and (text == "0" or text[0] != "0") and int(text) < length


def value_fits(wanted: Any, value: Any, groups: Groups, inside: frozenset[str] = frozenset(), *, folded: bool = False) -> Verdict:
    """A literal must be equal; an object of operators must hold in each. `folded`: texts are compared without their case."""
    if has_operators(wanted):
        return _all(_operator(name, value, given, groups, inside) for name, given in wanted.items())
    if folded and isinstance(wanted, str) and isinstance(value, str):
        return wanted.lower() == value.lower()
    return same_json(wanted, value)


def has_operators(value: Any) -> bool:
    return isinstance(value, Mapping) and all(key.startswith("$") for key in value)


def _operator(name: str, value: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    plain = OPERATORS.get(name)
    if plain is not None:
        return plain(value, given)
    nested = NESTED.get(name)
    if nested is not None:
        return nested(value, given, groups, inside)
    return False if name in ON_CONDITIONS else None


def type_of(value: Any) -> str:
    """JSON's own name of the type."""
    if isinstance(value, bool):
        return "boolean"
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "unknown")


_TYPES: Final[tuple[tuple[Any, str], ...]] = (
    (type(None), "null"),
    ((int, float), "number"),
    (str, "string"),
    ((list, set, tuple), "array"),
    (Mapping, "object"),
)


def same_json(one: Any, other: Any) -> bool:
    """Equal in type and value, all the way down; members of objects in JavaScript's order."""
    kind = type_of(one)
    if kind != type_of(other):
        return False
    if kind == "array":
        return len(one) == len(other) and all(same_json(_finite(a), _finite(b)) for a, b in zip(one, other, strict=True))
    if kind == "object":
        return _in_order(one) == _in_order(other) and all(same_json(_finite(one[key]), _finite(other[key])) for key in one)
    return bool(one == other)


def _in_order(value: Mapping[str, Any]) -> list[str]:
    indices = [key for key in value if _is_index(key, 2**32 - 1)]
    return sorted(indices, key=int) + [key for key in value if not _is_index(key, 2**32 - 1)]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def identical(one: Any, other: Any) -> bool:
    """JavaScript's ===: two objects or lists are never the same one."""
    kind = type_of(one)
    return kind == type_of(other) and kind not in ("array", "object") and bool(one == other)


def _ordered(value: Any, given: Any) -> bool:
    numbers = type_of(value) == type_of(given) == "number" and not math.isnan(value) and not math.isnan(given)
    return numbers or (isinstance(value, str) and isinstance(given, str))


def _units(value: Any) -> Any:
    """Texts are ordered by UTF-16 code units, numbers as they are."""
    return value.encode("utf-16-be", "surrogatepass") if isinstance(value, str) else value


def _compared(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, given: _ordered(value, given) and holds(_units(value), _units(given))


def _versions(holds: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def fits(value: Any, given: Any) -> bool:
        comparable = (isinstance(value, str) and isinstance(given, str)) or type_of(value) == type_of(given) == "number"
        return comparable and holds(padded_version(value), padded_version(given))

    return fits


def padded_version(value: Any) -> str:
    """A version as a text that sorts: numbers padded, a release after its previews. `v1.2.3-rc.1+build` -> `    1-    2-    3-rc-    1`."""
    text = number_text(value) if type_of(value) == "number" else value
    text = text or "0"
    text = text.removeprefix("v").partition("+")[0]
    parts = text.replace("-", ".").split(".")
    if len(parts) == 3:
        parts.append("~")  # the last character of ASCII: 1.0.0 comes after 1.0.0-beta
    return "-".join(part.rjust(5) if part.isdigit() else part for part in parts)


def number_text(value: float) -> str:
    """A number as JavaScript writes it: 5 for 5.0, and powers only from 1e21 up and 1e-7 down."""
    try:
        number = float(value)
    except OverflowError:
        return "Infinity" if value > 0 else "-Infinity"
    if math.isnan(number) or math.isinf(number):
        return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")
    if number == 0:
        return "0"
    return f"-{_positive_text(-number)}" if number < 0 else _positive_text(number)


def _positive_text(number: float) -> str:
    mantissa, _, power = repr(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    padded = (whole + fraction).lstrip("0")
    digits = padded.rstrip("0")
    places, point = len(digits), int(power or "0") - len(fraction) + len(padded)
    if places <= point <= 21:
        return digits + "0" * (point - places)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    head = digits[0] + (f".{digits[1:]}" if places > 1 else "")
    return f"{head}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def is_in(values: Any, value: Any, *, folded: bool = False) -> bool:
    """Whether the value is among the values; of a list, whether any of it is."""
    held = value if isinstance(value, list) else [value]
    return any(identical(_case(one, folded), _case(other, folded)) for one in held for other in values)


def _case(value: Any, folded: bool) -> Any:
    return value.lower() if folded and isinstance(value, str) else value


def _listed(*, folded: bool, negated: bool) -> Callable[[Any, Any], bool]:
    return lambda value, given: isinstance(given, list) and is_in(given, value, folded=folded) is not negated


@lru_cache(maxsize=512)
def _pattern(text: str, folded: bool) -> Any:
    """Raises re2.error, which its callers take as no match."""
    import re2  # 20 ms, and few conditions have a pattern

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not folded
    return re2.compile(text, options)


def _found(text: Any, value: Any, folded: bool) -> bool:
    if not isinstance(text, str) or not isinstance(value, str):
        return False
    try:
        return _pattern(text, folded).search(value) is not None
    except Exception:  # noqa: BLE001  re2.error has no import that is quick; a pattern that does not compile finds nothing
        return False


OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$eq": identical,
    "$ne": lambda value, given: not identical(value, given),
    "$lt": _compared(lambda a, b: a < b),
    "$lte": _compared(lambda a, b: a <= b),
    "$gt": _compared(lambda a, b: a > b),
    "$gte": _compared(lambda a, b: a >= b),
    "$veq": _versions(lambda a, b: a == b),
    "$vne": lambda value, given: not OPERATORS["$veq"](value, given),
    "$vlt": _versions(lambda a, b: a < b),
    "$vlte": _versions(lambda a, b: a <= b),
    "$vgt": _versions(lambda a, b: a > b),
    "$vgte": _versions(lambda a, b: a >= b),
    "$regex": lambda value, given: _found(given, value, False),
    "$regexi": lambda value, given: _found(given, value, True),
    "$notRegex": lambda value, given: not _found(given, value, False),
    "$notRegexi": lambda value, given: not _found(given, value, True),
    "$in": _listed(folded=False, negated=False),
    "$nin": _listed(folded=False, negated=True),
    "$ini": _listed(folded=True, negated=False),
    "$nini": _listed(folded=True, negated=True),
    "$exists": lambda value, given: (value is not None) == bool(given),
    "$type": lambda value, given: type_of(value) == given,
}


def _in_group(value: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    values = _values_of(groups, given) if isinstance(given, str) else False
    return is_in(values, value) if isinstance(values, list) else values


def _not_in_group(value: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    values = _values_of(groups, given) if isinstance(given, str) else False
    return not is_in(values, value) if isinstance(values, list) else values


def _values_of(groups: Groups, name: str) -> Any:
    """The list; an empty one for a group that is not there, False for one that has no list, None for a type that is not known here."""
    if name not in groups:
        return []
    group = groups[name]
    if isinstance(group, list):
        return group
    if isinstance(group, Mapping) and group.get("type") not in _GROUPS:
        return None
    values = group.get("values") if isinstance(group, Mapping) and group.get("type") == "list" else None
    return values if isinstance(values, list) else False


def _size(value: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    return value_fits(given, len(value), groups, inside) if isinstance(value, list) else False


def _every(*, folded: bool) -> Callable[[Any, Any, Groups, frozenset[str]], Verdict]:
    def fits(value: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
        if not isinstance(given, list) or not isinstance(value, list):
            return False
        return _all(_any(value_fits(wanted, one, groups, inside, folded=folded) for one in value) for wanted in given)

    return fits


def _element(value: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    """Operators test an element itself, conditions its members."""
    if not isinstance(value, list):
        return False
    itself = has_operators(given) and not ON_CONDITIONS.intersection(given)
    test = value_fits if itself else _holds_for
    return _any(test(given, one, groups, inside) for one in value if one is not None)


def _holds_for(condition: Any, value: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    return condition_holds(value, condition, groups, inside)


def _negated(value: Any, given: Any, groups: Groups, inside: frozenset[str]) -> Verdict:
    return _not(value_fits(given, value, groups, inside))


NESTED: Final[Mapping[str, Callable[[Any, Any, Groups, frozenset[str]], Verdict]]] = {
    "$inGroup": _in_group,
    "$notInGroup": _not_in_group,
    "$size": _size,
    "$all": _every(folded=False),
    "$alli": _every(folded=True),
    "$elemMatch": _element,
    "$not": _negated,
}

KNOWN: Final = frozenset({*LOGIC, *OPERATORS, *NESTED})


def faults(condition: Any, path: str = "$", depth: int = 0) -> list[tuple[str, str]]:
    """(path, what is wrong) of a condition that an author wrote: what `matches` would quietly take as no match."""
    if depth > DEEPEST:
        return [(path[:200], f"nests deeper than {DEEPEST}")]
    if not isinstance(condition, Mapping):
        return [(path, "is not an object")] if depth == 0 else []
    found: list[tuple[str, str]] = []
    for key, value in condition.items():
        here = f"{path}.{key}"
        if key.startswith("$") and key not in KNOWN:
            found.append((here, "is no operator"))
        if key in ("$or", "$nor", "$and", "$in", "$nin", "$ini", "$nini", "$all", "$alli") and not isinstance(value, list):
            found.append((here, "takes a list"))
        if key in ("$regex", "$regexi", "$notRegex", "$notRegexi") and not _compiles(value):
            found.append((here, "is no pattern of RE2"))
        inner = value if isinstance(value, list) else [value]
        for index, one in enumerate(inner):
            if isinstance(one, Mapping):
                found += faults(one, f"{here}[{index}]" if isinstance(value, list) else here, depth + 1)
    return found


def _compiles(text: Any) -> bool:
    try:
        return isinstance(text, str) and _pattern(text, False) is not None
    except Exception:  # noqa: BLE001  as in _found
        return False
