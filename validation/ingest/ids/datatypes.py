"""The types of XML Schema that IDS uses: how their values are written, and which restrictions each can have."""

import re
from functools import cache
from typing import Any, Final

# Documentation/ImplementersDocumentation/DataTypes.md of the standard, "XML base types". A number needs a digit, as XML Schema says.
_DAY: Final = r"\d{4}-\d{2}-\d{2}"
_CLOCK: Final = r"\d{2}:\d{2}:\d{2}(\.\d+)?"
_ZONE: Final = r"(Z|([+-]\d{2}:\d{2}))?"
WRITTEN: Final[dict[str, re.Pattern[str]]] = {
    "xs:anyUri": re.compile(r"\S+"),
    "xs:boolean": re.compile(r"true|false|0|1"),
    "xs:date": re.compile(_DAY + _ZONE),
    "xs:dateTime": re.compile(_DAY + "T" + _CLOCK + _ZONE),
    "xs:double": re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|NaN|\+?INF|-INF"),
    "xs:duration": re.compile(r"[-+]?P(\d+Y)?(\d+M)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"),
    "xs:integer": re.compile(r"[+-]?\d+"),
    "xs:string": re.compile(r".*", re.DOTALL),
    "xs:time": re.compile(_CLOCK + _ZONE),
}
_TEXTUAL: Final = frozenset({"enumeration", "pattern", "minLength", "maxLength", "length"})
_ORDERED: Final = frozenset({"enumeration", "pattern", "minExclusive", "maxExclusive", "minInclusive", "maxInclusive"})
RESTRICTIONS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(WRITTEN, _ORDERED),
    "xs:string": _TEXTUAL,
    "xs:anyUri": _TEXTUAL,
    "xs:boolean": frozenset({"pattern"}),
}
LENGTHS: Final = ("length", "minLength", "maxLength")
BOUNDS: Final = ("minInclusive", "maxInclusive", "minExclusive", "maxExclusive")

# Defined types of IFC whose values IDS writes otherwise than their EXPRESS type suggests.
SPECIAL: Final[dict[str, str]] = {
    "IFCDATE": "xs:date",
    "IFCDATETIME": "xs:dateTime",
    "IFCDURATION": "xs:duration",
    "IFCTIME": "xs:time",
    "IFCURIREFERENCE": "xs:anyUri",
    "IFCLOGICAL": "xs:string",
    "IFCCOUNTMEASURE": "xs:integer",
}
OF_EXPRESS: Final[dict[str, str]] = {
    "string": "xs:string",
    "integer": "xs:integer",
    "real": "xs:double",
    "number": "xs:double",
    "boolean": "xs:boolean",
    "logical": "xs:string",
    "binary": "",
}


def is_written_as(text: str, base: str) -> bool:
    pattern = WRITTEN.get(canonical(base))
    return pattern is None or pattern.fullmatch(text) is not None


def canonical(base: str) -> str:
    """XML Schema writes anyURI, the standard's table anyUri; both are meant."""
    return "xs:anyUri" if base.lower() == "xs:anyuri" else base


@cache
def expression(pattern: str) -> re.Pattern[str]:
    """A pattern of XML Schema for whole values. Raises ValueError when it is none."""
    from elementpath.regex import RegexError, translate_pattern

    try:
        translated: Any = translate_pattern(pattern, back_references=False, lazy_quantifiers=False, anchors=False)
        return re.compile(translated)
    except (RegexError, re.error, OverflowError, RecursionError) as problem:
        raise ValueError(str(problem)[:200]) from problem
