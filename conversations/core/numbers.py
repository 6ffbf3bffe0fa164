"""Numbers as people write them: "5", "1.250,50 €" (de), "1,250.50" (en), "twenty-five", "$2k" is not one."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite

from conversations.core.words import language
from flows.core.types import SlotType

_WHOLE = re.compile(r"\s*[-+]?\d{1,18}\s*", re.ASCII)
_NUMBER = re.compile(r"(?<![\w.,])[-+]?\d[\d.,'’ \u00a0\u202f]*\d(?![\w])|(?<![\w.,])[-+]?\d+(?![\d\w])", re.ASCII)
_NUMBER_LOOSE = re.compile(r"[-+]?\d[\d.,']*\d|[-+]?\d", re.ASCII)
_CURRENCY = re.compile(r"[$€£¥₹]|\b(?:usd|eur|gbp|chf|euros?|dollars?|pounds?|franken)\b", re.IGNORECASE)
_SPOKEN = frozenset({"en", "de", "fr", "es", "it", "pt", "nl", "ca", "ru"})  # what text2num speaks
_DECIMAL_COMMA = frozenset({"de", "fr", "es", "it", "pt", "nl", "ru", "pl", "cs", "sv", "da", "fi", "nb", "tr"})

Read = tuple[float, str]  # the value and the words it was read from


def read(kind: SlotType, text: str, locale: str) -> Read | None:
    """The first number of the text: digits, else number words, else (money) a price."""
    if _WHOLE.fullmatch(text):
        return int(text), text
    found = _digits(text, locale)
    if found is None and not any(letter.isdigit() for letter in text):
        found = _spoken(text, locale)
    if found is None and kind is SlotType.MONEY:
        found = _price(text)
    return found


_UNIT = re.compile(r"\s*([^\W\d_]+(?:[²³]|\s?(?:2|3)\b)?|[%°\"']+[^\W\d_]?|[$€£¥])?", re.UNICODE)


def measure(text: str, locale: str, units: Mapping[str, float]) -> tuple[float, str, bool] | None:
    """(value in the stored unit, the words it was read from, whether its unit is unknown) of the first number with or without a unit.

    `units`: folded word -> factor. A word after the number that is no unit is none of its business, unless it is all that is left.
    """
    found = read(SlotType.NUMBER, text, locale)
    if found is None:
        return None
    value, used = found
    start = text.find(used) if used in text else -1
    rest = text[start + len(used) :] if start >= 0 and used.strip() != text.strip() else ""
    if start < 0 or used == text:
        spoken = next((word for word in sorted(units, key=len, reverse=True) if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text.lower())), "")
        return value * units.get(spoken, 1.0), used, False
    for word in sorted(units, key=len, reverse=True):
        if re.match(rf"\s*{re.escape(word)}(?!\w)", _folded_unit(rest)):
            return value * units[word], text[start : start + len(used)], False
    match = _UNIT.match(rest)
    unknown = match is not None and bool(match[1]) and rest.strip(" .!?") == match[1].strip()
    return value, used, unknown


def _folded_unit(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def fitting(kind: SlotType, value: float) -> int | float | None:
    """The value as the slot's type; None when it is not finite, or when a whole number is wanted and this is none."""
    if not isfinite(value):
        return None
    if kind is not SlotType.INTEGER:
        return float(value)
    return int(value) if value == int(value) and abs(value) < 10**18 else None


def shown(limit: float) -> str:
    return f"{limit:g}" if abs(limit) < 1e15 else str(limit)


def has_currency(text: str) -> bool:
    return _CURRENCY.search(text) is not None


def beside(name: str, text: str, locale: str) -> str:
    """The number that stands beside the slot's name ("5 storeys", "height: 12.5"), else ""."""
    before, after = _beside(name)
    match = before.search(text) or after.search(text)
    if match is not None:
        return match[1]
    if any(letter.isdigit() for letter in text) or not before.pattern:
        return ""
    spoken = _as_digits(text, language(locale))
    match = before.search(spoken) or after.search(spoken)
    return match[1] if match is not None else ""


@lru_cache(maxsize=1024)
def _beside(name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A slot called `floor_area` is spoken of as "floor area", "floor-area", "floorarea" or, in the plural, "floors"."""
    words = [re.escape(word.rstrip("s")) for word in name.lower().split("_") if word]
    spoken = r"[\s_-]?".join(f"{word}s?" for word in words)
    number = r"([-+]?\d[\d.,']*)"
    return (
        re.compile(rf"(?<![\w.,']){number}[\s-]{{0,3}}(?:\w{{1,3}}\s)?{spoken}\b", re.IGNORECASE),
        re.compile(rf"\b{spoken}\b\s*(?:is|are|:|=|of|ist|sind|von)?\s*{number}", re.IGNORECASE),
    )


def _digits(text: str, locale: str) -> Read | None:
    match = _NUMBER.search(text) or _NUMBER_LOOSE.search(text)
    if match is None:
        return None
    used = match[0].strip(" .,")
    value = parse(used, locale)
    return (value, used) if value is not None else None


def parse(digits: str, locale: str) -> float | None:
    """Digits with separators, read the locale's way unless they can only mean the other: "1,234.5" is the same number everywhere."""
    text = re.sub(r"['’\s]", "", digits)
    decimal = "," if language(locale) in _DECIMAL_COMMA else "."
    group = "." if decimal == "," else ","
    if decimal in text and group in text:
        decimal = max(decimal, group, key=text.rfind)
        group = "." if decimal == "," else ","
    elif group in text and not re.fullmatch(rf"[-+]?\d{{1,3}}(?:\{group}\d{{3}})+", text):
        decimal, group = group, decimal
    text = text.replace(group, "").replace(decimal, ".")
    try:
        value = float(text)
    except ValueError:
        return None
    if not isfinite(value):
        return None
    return int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else value


def _spoken(text: str, locale: str) -> Read | None:
    digits = _as_digits(text, language(locale))
    match = _NUMBER.search(digits)
    if match is None:
        return None
    value = parse(match[0].strip(), "en")
    return (value, text) if value is not None else None


def _as_digits(text: str, lang: str) -> str:
    """ "twenty-five floors" -> "25 floors"."""
    from text_to_num import alpha2digit

    try:
        return str(alpha2digit(text[:500].replace("-", " "), lang if lang in _SPOKEN else "en", threshold=0))
    except (ValueError, KeyError, IndexError):  # the library trips over some texts
        return text


def _price(text: str) -> Read | None:
    from price_parser import Price

    price = Price.fromstring(text[:200])
    return (float(price.amount), text) if price.amount is not None else None
