"""What people read of a judgement: the author's template with values in it, or words of our own when there is none.

Placeholders: {e.clear_width}, {st.name}, {b.occupancy}, {p.min}, {actual}, {required}, {margin}, {name}, {class}. What a template does not know
stays empty as "unknown"; nothing in it is ever evaluated.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from validation.core import units
from validation.core.gaps import is_number

PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{\s*([a-z]+(?:\.[A-Za-z_]\w*)*)\s*\}")
PLAIN: Final = ("actual", "required", "margin", "name", "class")
MAX_MESSAGE: Final = 1_000


def placeholders(template: str) -> list[str]:
    return [match[1] for match in PLACEHOLDER.finditer(template) if match[1]]


def filled(template: str, values: Mapping[str, tuple[Any, str]], system: str) -> str:
    """values: placeholder -> value, unit."""
    actual, required = ready_pair(values, system)
    ready = {"actual": actual, "required": required}

    def text_of(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0][0]
        value, unit = values.get(name, (None, ""))
        return ready[name] if name in ready else units.shown(value, unit, system)

    return PLACEHOLDER.sub(text_of, template)[:MAX_MESSAGE]


def ready_pair(values: Mapping[str, tuple[Any, str]], system: str) -> tuple[str, str]:
    actual, unit = values.get("actual", (None, ""))
    required, _ = values.get("required", (None, ""))
    if is_number(actual) and is_number(required):
        return units.pair(actual, required, unit, system)
    return units.shown(actual, unit, system), units.shown(required, unit, system)


LIMITS: Final[Mapping[str, str]] = {
    ">=": "at least {required} is required",
    ">": "more than {required} is required",
    "<=": "at most {required} is allowed",
    "<": "less than {required} is allowed",
    "==": "{required} is required",
    "!=": "{required} is not allowed",
}


def default(title: str, sign: str) -> str:
    """The template of a rule that has none. sign: of the deciding comparison, "" when there is none."""
    escaped = title.replace("{", "{{").replace("}", "}}")
    return f"{escaped}: {{actual}}, {LIMITS[sign]}." if sign else f"{escaped}: not as required."
