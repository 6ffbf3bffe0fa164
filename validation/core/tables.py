"""Lookup tables: a parameter whose value depends on facts. The value of such a parameter is

    {"by": ["e.occupancy", "e.occupant_load"],
     "rows": [{"when": {"e.occupancy": ["A-1", "A-2"], "e.occupant_load": {"above": 49}}, "value": 2}, …],
     "default": 1}

The first row whose conditions all hold counts, then the default. A condition is a value, a list of values, or a range with `from`, `to`
(inclusive), `above` and `below` (exclusive). A value may be a map: `p.limits.sprinklered`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from validation.core.evaluation import fact
from validation.core.expressions import plain
from validation.core.gaps import DIGITS, Failed, Scope, Unknown, gathered, is_number, options_of, same, shown
from validation.core.operators import Evaluate

NO_ROW: Final = object()
BOUNDS: Final[Mapping[str, Callable[[float], bool]]] = {
    "from": lambda difference: difference >= 0,
    "to": lambda difference: difference <= 0,
    "above": lambda difference: difference > 0,
    "below": lambda difference: difference < 0,
}


def is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("rows"), list | tuple) and "by" in value


def facts_of(value: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for row in value["rows"] for name in row.get("when", {}))


def lookup(name: str, value: Mapping[str, Any]) -> Evaluate:
    """The function that finds the row of a scope. Rows that can still match when facts are unknown are options."""
    names = sorted(facts_of(value))
    readers = {fact_name: fact(*fact_name.split(".", 1)) for fact_name in names}
    rows = [(tuple((key, plain(condition)) for key, condition in row.get("when", {}).items()), plain(row["value"])) for row in value["rows"]]
    default = plain(value.get("default"))

    def evaluate(scope: Scope) -> Any:
        values = {fact_name: read(scope) for fact_name, read in readers.items()}
        possible, unknown = list[Any](), set[str]()
        for conditions, result in rows:
            matched, missing = matches(conditions, values)
            if matched is False:
                continue
            possible.append(result)
            if matched is True:
                break
            unknown |= missing
        else:
            possible.append(NO_ROW if default is None else default)
        return outcome(name, values, possible, frozenset(unknown))

    return evaluate


def outcome(name: str, values: Mapping[str, Any], possible: list[Any], unknown: frozenset[str]) -> Any:
    if possible == [NO_ROW]:
        found = ", ".join(f"{fact_name} = {shown(value)}" for fact_name, value in values.items())
        return Failed(f"The table {name} has no row for {found}.", frozenset(values))
    return Unknown(unknown) if NO_ROW in possible else gathered(unknown, possible)


def matches(conditions: tuple[tuple[str, Any], ...], values: Mapping[str, Any]) -> tuple[bool | None, frozenset[str]]:
    """Whether all conditions hold; None with the facts that are missing for an answer."""
    missing = frozenset[str]()
    for name, condition in conditions:
        answers = {holds(condition, option) for option in options_of(values[name])}
        if answers == {False}:
            return False, missing
        if answers != {True}:
            missing |= values[name].facts
    return (None if missing else True), missing


def holds(condition: Any, value: Any) -> bool | None:
    if isinstance(value, Unknown):
        return None
    if isinstance(condition, list):
        return any(same(option, value) for option in condition)
    if isinstance(condition, dict):
        return is_number(value) and all(BOUNDS[bound](round(value - limit, DIGITS)) for bound, limit in condition.items())
    return same(condition, value)


def faults(value: Any) -> list[tuple[str, str]]:
    """What is wrong with a table: path inside its value, message."""
    found = list[tuple[str, str]]()
    if not isinstance(value["by"], list | tuple) or not all(isinstance(name, str) for name in value["by"]):
        return [(".by", "the facts that the table is looked up by")]
    if not value["rows"]:
        found.append((".rows", "a table has rows"))
    for place, row in enumerate(value["rows"]):
        found += [(f".rows[{place}]{path}", text) for path, text in row_faults(row, value["by"])]
    seen = list[Any]()
    for place, row in enumerate(value["rows"]):
        conditions = row.get("when") if isinstance(row, Mapping) else None
        if conditions is not None and any(conditions == other for other in seen):
            found.append((f".rows[{place}]", "an earlier row has the same conditions, so this one never counts"))
        seen.append(conditions)
    return found


def row_faults(row: Any, by: Any) -> list[tuple[str, str]]:
    if not isinstance(row, Mapping) or row.get("value") is None or not isinstance(row.get("when", {}), Mapping):
        return [("", 'a row is {"when": {fact: condition}, "value": …}')]
    found = [(f".when['{name}']", "is not one of the facts in `by`") for name in row.get("when", {}) if name not in by]
    return found + [(f".when['{name}']", text) for name, condition in row.get("when", {}).items() if (text := condition_fault(condition))]


def condition_fault(condition: Any) -> str:
    if isinstance(condition, Mapping):
        if not condition or set(condition) - set(BOUNDS):
            return "a range has from, to, above or below"
        return "" if all(is_number(limit) for limit in condition.values()) else "the bounds of a range are numbers"
    scalars = condition if isinstance(condition, list) else [condition]
    return "" if all(isinstance(option, str | bool | int | float) for option in scalars) else "a condition is a value, a list of values or a range"
