"""How the state of a finding follows what the checks say, without undoing what people have decided."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in_progress"
    FIXED = "fixed"
    WAIVED = "waived"
    FALSE_POSITIVE = "false_positive"
    REOPENED = "reopened"


# The rule holds again: work is done, a decision of a person stays what it was.
AFTER_HOLDING: Final[Mapping[State, State]] = {
    State.OPEN: State.FIXED,
    State.ACKNOWLEDGED: State.FIXED,
    State.IN_PROGRESS: State.FIXED,
    State.REOPENED: State.FIXED,
}
# The rule fails, and has failed before: who said that it was fixed was wrong, or it came back.
AFTER_FAILING: Final[Mapping[State, State]] = {State.FIXED: State.REOPENED}


def at_first(*, covered: bool) -> State:
    """Of a finding that nobody has seen before; `covered` by an approved waiver of its rule."""
    return State.WAIVED if covered else State.OPEN


def when_failing(state: str, *, covered: bool, moved: bool = False) -> State:
    """moved: the element or the rule is another one than when somebody said that the check was wrong."""
    before = State(state)
    gone = (before is State.WAIVED and not covered) or (before is State.FALSE_POSITIVE and moved)
    if covered and (gone or before is State.FIXED):
        return State.WAIVED
    return State.REOPENED if gone else AFTER_FAILING.get(before, before)


def when_holding(state: str) -> State:
    before = State(state)
    return AFTER_HOLDING.get(before, before)
