"""Addresses of resources, and templates of them: RFC 6570, level 1 (`reports://{report}/pdf`)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def variables(template: str) -> tuple[str, ...]:
    return tuple(_VARIABLE.findall(template))


def match(template: str, uri: str) -> dict[str, str] | None:
    """The values of the template's variables in `uri`, decoded; None when it is no such address. A value has no slash and is not empty."""
    found = _pattern(template).fullmatch(uri)
    return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


def expand(template: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda one: quote(values[one[1]], safe=""), template)


@lru_cache(maxsize=256)
def _pattern(template: str) -> re.Pattern[str]:
    parts = _VARIABLE.split(template)
    literal_then_name = [re.escape(part) if index % 2 == 0 else f"(?P<{part}>[^/?#]+)" for index, part in enumerate(parts)]
    return re.compile("".join(literal_then_name))
