"""The filters of templates: plain functions on plain values. Adding one is a function and a row of FILTERS."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

MAX_OUTPUT: Final = 16_384
SEPARATORS: Final[Mapping[str, tuple[str, str]]] = {  # language -> thousands, decimal
    **dict.fromkeys(("de", "es", "it", "nl", "pt", "da", "id", "tr", "el"), (".", ",")),
    **dict.fromkeys(("fr", "cs", "fi", "nb", "no", "pl", "ru", "sk", "sv", "uk", "bg", "hu"), ("\u202f", ",")),
}


def as_text(value: Any) -> str:
    """How a value reads in a message: no decimals on whole numbers, lists with commas, nothing for null."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.10g}" if abs(value) < 1e10 else f"{value:.0f}"
    return compound_as_text(value)


def compound_as_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(as_text(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=as_text)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    return str(value)


def as_number(value: Any) -> float:
    return float(value.strip() if isinstance(value, str) else value)


def number(value: Any, locale: str, decimals: int = 0) -> str:
    thousands, point = SEPARATORS.get(locale.partition("-")[0].lower(), (",", "."))
    plain = f"{as_number(value):,.{max(0, min(decimals, 10))}f}"
    return plain.translate({ord(","): thousands, ord("."): point})


def as_moment(value: Any) -> date:
    """Slots hold dates and times as ISO text."""
    if isinstance(value, date):
        return value
    return datetime.fromisoformat(str(value).strip())


DATE_PARTS: Final[Mapping[str, Callable[[datetime], str]]] = {
    "Y": lambda moment: f"{moment.year:04}",
    "y": lambda moment: f"{moment.year % 100:02}",
    "m": lambda moment: f"{moment.month:02}",
    "d": lambda moment: f"{moment.day:02}",
    "H": lambda moment: f"{moment.hour:02}",
    "I": lambda moment: f"{(moment.hour + 11) % 12 + 1:02}",
    "p": lambda moment: "AM" if moment.hour < 12 else "PM",
    "M": lambda moment: f"{moment.minute:02}",
    "S": lambda moment: f"{moment.second:02}",
    "%": lambda _moment: "%",
}


def date_text(value: Any, _locale: str, pattern: str = "%Y-%m-%d") -> str:
    """Only the directives of DATE_PARTS, so that the same flow says the same on every machine."""
    moment = as_moment(value)
    full = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001  a date has no zone
    return re.sub("%([YymdHIpMS%])", lambda match: DATE_PARTS[match[1]](full), pattern)


def truncate(value: Any, _locale: str, length: int = 80) -> str:
    text = as_text(value)
    return text if len(text) <= max(1, length) else text[: max(1, length) - 1].rstrip() + "…"


def join(value: Any, _locale: str, separator: str = ", ", last: str = "") -> str:
    """`join(', ', ' and ')`: "a, b and c"."""
    words = [as_text(item) for item in value] if isinstance(value, list) else [as_text(value)]
    if last and len(words) > 1:
        return f"{separator.join(words[:-1])}{last}{words[-1]}"
    return separator.join(words)


def choose(value: Any, _locale: str, yes: str = "yes", no: str = "no") -> str:
    return yes if value is True or value == "true" else no


def plural(value: Any, _locale: str, one: str, many: str) -> str:
    return one if as_number(value) == 1 else many


def replace(value: Any, _locale: str, old: str, new: str = "") -> str:
    text = as_text(value)
    return text.replace(old, new) if old and len(text) + text.count(old) * len(new) <= MAX_OUTPUT else text


@dataclass(frozen=True, slots=True)
class Filter:
    """`arguments` are the types of what may stand in the brackets; the first `least` of them must."""

    apply: Callable[..., Any]
    arguments: tuple[type, ...] = ()
    least: int = 0


def on_text(function: Callable[[str], Any]) -> Filter:
    return Filter(lambda value, _locale: function(as_text(value)))


FILTERS: Final[Mapping[str, Filter]] = {
    "upper": on_text(str.upper),
    "lower": on_text(str.lower),
    "title": on_text(str.title),
    "capitalize": on_text(lambda text: text[:1].upper() + text[1:]),
    "trim": on_text(str.strip),
    "length": Filter(lambda value, _locale: len(value) if isinstance(value, list | dict) else len(as_text(value))),
    "default": Filter(lambda value, _locale, otherwise: otherwise if value in (None, "") else value, (str,), 1),
    "number": Filter(number, (int,)),
    "date": Filter(date_text, (str,)),
    "truncate": Filter(truncate, (int,)),
    "join": Filter(join, (str, str)),
    "choose": Filter(choose, (str, str)),
    "plural": Filter(plural, (str, str), 2),
    "replace": Filter(replace, (str, str), 1),
    "json": Filter(lambda value, _locale: json.dumps(value, ensure_ascii=False, default=as_text)),
    "urlencode": on_text(lambda text: quote(text, safe="")),
}
