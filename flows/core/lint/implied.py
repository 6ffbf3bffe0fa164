"""What a taken or a passed-over transition says about slots: which are filled then, and which are not."""

import re
from typing import Final

from flows.core.types import Condition, Transition

FILLED: Final = re.compile(r"\(*\s*filled\.(\w+)\s*\)*")
UNFILLED: Final = re.compile(r"\(*\s*!\s*\(*\s*filled\.(\w+)\s*\)*")
STRINGS: Final = re.compile(r"""'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*\"|//[^\n]*""")
MARKS: Final = re.compile(r"[(\[{]|[)\]}]|&&|\|\||\?")


def filled_when_taken(transition: Transition) -> frozenset[str]:
    """`filled.a && …` is true: a is filled."""
    if transition.condition is Condition.SLOT_FILLED and transition.condition_value:
        return frozenset((transition.condition_value,))
    return named(FILLED, transition, "&&")


def filled_when_passed(transition: Transition) -> frozenset[str]:
    """`!filled.a || …` is false: a is filled."""
    return named(UNFILLED, transition, "||")


def unfilled_when_taken(transition: Transition) -> frozenset[str]:
    """`!filled.a && …` is true: a is not filled."""
    return named(UNFILLED, transition, "&&")


def unfilled_when_passed(transition: Transition) -> frozenset[str]:
    """`filled.a || …` is false: a is not filled."""
    if transition.condition is Condition.SLOT_FILLED and transition.condition_value:
        return frozenset((transition.condition_value,))
    return named(FILLED, transition, "||")


def named(pattern: re.Pattern[str], transition: Transition, operator: str) -> frozenset[str]:
    """The slots of those operands, joined by `operator`, that are nothing but the pattern."""
    source = transition.expression if transition.condition is Condition.EXPRESSION else ""
    return frozenset(match[1] for part in operands(source, operator) if (match := pattern.fullmatch(part.strip())))


def operands(source: str, operator: str) -> list[str]:
    """`a && (b || c)` by `&&` is a and (b || c). None when another operator joins on top: `a && b || c` is no conjunction."""
    text = STRINGS.sub("''", source)
    depth, start = 0, 0
    found: list[str] = []
    for match in MARKS.finditer(text):
        mark = match[0]
        depth += (mark in "([{") - (mark in ")]}")
        if depth or mark in "([{)]}":
            continue
        if mark != operator:
            return []
        found.append(text[start : match.start()])
        start = match.end()
    return [*found, text[start:]]
