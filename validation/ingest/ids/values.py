"""Whether a value is what a constraint asks for: types, the tolerance of real numbers, restrictions."""

from decimal import Decimal
from typing import Any, Final

from validation.ingest.ids import datatypes
from validation.ingest.ids.terms import Constraint, Restriction, Simple

EPSILON: Final = Decimal("1e-6")


def text_meets(text: str, constraint: Constraint) -> bool:
    return meets(text, constraint)


def meets(value: Any, constraint: Constraint) -> bool:
    """value: bool, int, float or str, numbers in SI."""
    if isinstance(constraint, Simple):
        return _equals(value, constraint.text)
    return (
        (not constraint.enumeration or any(_equals(value, one) for one in constraint.enumeration))
        and _meets_patterns(value, constraint)
        and all(_LIMITS[name](value, limit) for name, limit in constraint.limits)
    )


def _equals(value: Any, text: str) -> bool:
    if isinstance(value, bool):
        return {"true": True, "1": True, "false": False, "0": False}.get(text) is value
    if isinstance(value, int | float):
        wanted = _number(text)
        return wanted is not None and same_number(value, wanted)
    return str(value) == text


def same_number(value: float, wanted: Decimal) -> bool:
    """Equal up to |wanted| / 1,000,000 + 0.000001. The values are taken as they are written, so that the limit itself still counts as equal."""
    if isinstance(value, int):
        return Decimal(value) == wanted
    one = Decimal(repr(value))
    if not one.is_finite() or not wanted.is_finite():
        return one == wanted
    return abs(one - wanted) <= abs(wanted) * EPSILON + EPSILON


def _number(text: str) -> Decimal | None:
    if not datatypes.WRITTEN["xs:double"].fullmatch(text):
        return None
    return Decimal({"INF": "Infinity", "+INF": "Infinity", "-INF": "-Infinity"}.get(text, text))


def _meets_patterns(value: Any, one: Restriction) -> bool:
    """Patterns are for text alone; several are alternatives."""
    if not one.patterns:
        return True
    return isinstance(value, str) and any(datatypes.expression(pattern).fullmatch(value) for pattern in one.patterns)


def _bound(compare: Any) -> Any:
    """Bounds are exact: a tolerance there would let the same value be inside and outside."""

    def within(value: Any, limit: str) -> bool:
        if isinstance(value, bool):
            return False
        if isinstance(value, int | float):
            wanted = _number(limit)
            return wanted is not None and bool(compare(Decimal(repr(value)), wanted))
        return isinstance(value, str) and bool(compare(value, limit))  # dates and times, whose order is that of their text

    return within


def _length(compare: Any) -> Any:
    def within(value: Any, limit: str) -> bool:
        return isinstance(value, str) and limit.strip().isdecimal() and bool(compare(len(value), int(limit)))

    return within


_LIMITS: Final[dict[str, Any]] = {
    "minInclusive": _bound(lambda value, limit: value >= limit),
    "maxInclusive": _bound(lambda value, limit: value <= limit),
    "minExclusive": _bound(lambda value, limit: value > limit),
    "maxExclusive": _bound(lambda value, limit: value < limit),
    "length": _length(lambda value, limit: value == limit),
    "minLength": _length(lambda value, limit: value >= limit),
    "maxLength": _length(lambda value, limit: value <= limit),
}
