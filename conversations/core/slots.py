"""What a message says for a slot: extract the value of the slot that was asked for, spot values of slots that were not, check bounds.

Values are plain JSON: whole numbers, floats (number and money), true/false, ISO 8601 texts (date, time, datetime), E.164 (phone), and texts.
The quick way comes first everywhere; the libraries for the hard cases are imported when the first hard case arrives.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from math import isfinite
from typing import Any, TypeAlias

from conversations.core import choices, dates, numbers, products, ranges
from conversations.core.words import LONGEST, clean, folded
from flows.core.types import Json, SlotRule, SlotType


@dataclass(frozen=True, slots=True)
class Extracted:
    """`used` are the words the value was read from; what is left of the message may hold more."""

    value: Json
    used: str


@dataclass(frozen=True, slots=True)
class Refused:
    """There is an answer, but it will not do. `reason` is a key of words.sentence, `facts` are its blanks."""

    reason: str
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NothingFound:
    """No answer to this question."""


Found: TypeAlias = Extracted | Refused | NothingFound
NOTHING = NothingFound()


def extract(rule: SlotRule, text: str, *, locale: str, now: datetime) -> Found:
    """The answer to the question for this slot, bounds checked. `now` anchors "tomorrow"."""
    found = EXTRACTORS[rule.type](rule, clean(text[:LONGEST]), locale, now)
    return _checked(rule, found) if type(found) is Extracted else found


def spot(rule: SlotRule, text: str, *, locale: str, now: datetime) -> Found:
    """A value for a slot nobody asked for: only what can mean nothing else (a choice, an address, a number beside the slot's name)."""
    spotter = SPOTTERS.get(rule.type)
    found = spotter(rule, clean(text[:LONGEST]), locale, now) if spotter is not None else NOTHING
    return _checked(rule, found) if type(found) is Extracted else found


def accept(rule: SlotRule, value: Json, *, locale: str, now: datetime) -> Found:
    """A value that did not come from words (a button, an API's input): the right type as it is, a text as if it had been typed."""
    if rule.type is SlotType.PRODUCT:
        return _product_value(rule, value)
    if rule.multiple and rule.type is SlotType.ENUM and isinstance(value, list):
        return _several(rule, value)
    if isinstance(value, dict):
        return _compound(rule, value)
    if isinstance(value, str):
        return extract(rule, value, locale=locale, now=now)
    if isinstance(value, bool):
        return Extracted(value, "") if rule.type is SlotType.BOOLEAN else NOTHING
    if isinstance(value, int | float) and rule.type in _NUMERIC:
        found = numbers.fitting(rule.type, value)
        if found is not None:
            return _checked(rule, Extracted(found, ""))
        return Refused("whole") if isfinite(value) else NOTHING
    return NOTHING


def _several(rule: SlotRule, values: list[Json]) -> Found:
    """A list of choices; one that is none makes the whole list none."""
    known = {choice.value for choice in rule.choices}
    if not values or not all(isinstance(one, str) and one in known for one in values):
        return NOTHING
    return Extracted([choice.value for choice in rule.choices if choice.value in values], "")


def _product_value(rule: SlotRule, value: Json) -> Found:
    """An id, or any other name that means one product; a list of them where the slot takes several. Without the names an id is believed."""
    if isinstance(value, list):
        found = [_product_value(replace(rule, multiple=False), one) for one in value]
        ids = [one.value for one in found if type(one) is Extracted]
        return Extracted(ids, "") if rule.multiple and ids and len(ids) == len(found) else NOTHING
    if not isinstance(value, str) or not value:
        return NOTHING
    if rule.known is None:
        return Extracted([value] if rule.multiple else value, "")
    return _product_in(rule, value, guess=True)


def _compound(rule: SlotRule, value: Mapping[str, Json]) -> Found:
    """A file, or a beginning and an end, as a program gives them."""
    if rule.type is SlotType.ATTACHMENT:
        return attached({name: str(part) for name, part in value.items() if isinstance(part, str | int | float)})
    if rule.type in ranges.RANGES:
        found = ranges.checked(rule.type, value.get("start"), value.get("end"))
        return Extracted(found, "") if found is not None else Refused("range")
    return NOTHING


FILE_PARTS = ("url", "name", "content_type", "size", "id")


def attached(attributes: Mapping[str, str]) -> Found:
    """What a client tells of a file that was sent: its members by name, texts of at most 2,000 characters. Without an address or id: nothing."""
    value: dict[str, Json] = {name: clean(attributes[name])[:2_000] for name in FILE_PARTS if attributes.get(name)}
    return Extracted(value, "") if "url" in value or "id" in value else Refused("attachment")


def validate(rule: SlotRule, value: Json) -> Refused | None:
    """The rule's bounds, lengths and pattern. Its expression needs the conversation: the machine evaluates it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _out_of_bounds(rule, value)
    return _unfit_text(rule, value) if isinstance(value, str) else None


_NUMERIC = frozenset({SlotType.INTEGER, SlotType.NUMBER, SlotType.MONEY})
_FREE = frozenset({SlotType.TEXT, SlotType.PATTERN, SlotType.EMAIL, SlotType.URL, SlotType.PHONE})


def _checked(rule: SlotRule, found: Extracted) -> Found:
    return validate(rule, found.value) or found


def _out_of_bounds(rule: SlotRule, value: float) -> Refused | None:
    if rule.minimum is not None and value < rule.minimum:
        return Refused("minimum", {"limit": numbers.shown(rule.minimum)})
    if rule.maximum is not None and value > rule.maximum:
        return Refused("maximum", {"limit": numbers.shown(rule.maximum)})
    return None


def _unfit_text(rule: SlotRule, value: str) -> Refused | None:
    if rule.type not in _FREE:
        return None
    if rule.min_length is not None and len(value) < rule.min_length:
        return Refused("min_length", {"limit": rule.min_length})
    if rule.max_length is not None and len(value) > rule.max_length:
        return Refused("max_length", {"limit": rule.max_length})
    if rule.pattern and not _matches(rule.pattern, value):
        return Refused("pattern")
    return None


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The pattern as RE2, or None when it is none: authors' patterns must never hang us, as Python's `re` can."""
    import re2

    quiet = re2.Options()
    quiet.log_errors = False
    try:
        return re2.compile(pattern, quiet)
    except re2.error:
        return None


def _matches(pattern: str, text: str) -> bool:
    program = compiled(pattern)
    return program is not None and program.fullmatch(text) is not None


def _text(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    value = text.strip()
    return Extracted(value, text) if value else NOTHING


def _pattern(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    """The whole message, else the first word of it that fits."""
    value = text.strip()
    for candidate in (value, *(word.strip(".,;:!?()\"'") for word in value.split()[:50])):
        if candidate and _matches(rule.pattern, candidate):
            return Extracted(candidate, candidate)
    return Refused("pattern") if value else NOTHING


def _email(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    import re

    if "@" not in text:
        return NOTHING
    match = re.search(r"[^\s@<>(),;:\"]{1,64}@[^\s@<>(),;:\"]{1,255}", text)
    if match is None:
        return Refused("email")
    from email_validator import EmailNotValidError, validate_email

    used = match[0].rstrip(".!?'")
    try:
        return Extracted(validate_email(used, check_deliverability=False).normalized, used)
    except EmailNotValidError:
        return Refused("email")


def _phone(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    import phonenumbers

    for match in phonenumbers.PhoneNumberMatcher(text[:500], rule.region or None):
        number = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
        return Extracted(number, match.raw_string)
    return Refused("phone") if sum(letter.isdigit() for letter in text) >= 5 else NOTHING


def _phone_abroad(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    return _phone(rule, text, locale, now) if "+" in text else NOTHING


def _url(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    import re

    match = re.search(r"(?:https?://)?(?:[\w-]{1,63}\.){1,8}[a-zA-Z]{2,24}(?::\d{2,5})?(?:[/?#][^\s<>\"]*)?", text)
    if match is None or "@" in text[: match.start() + 1]:
        return Refused("url") if "://" in text else NOTHING
    used = match[0].rstrip(".,!?)'")
    return Extracted(used if "://" in used else f"https://{used}", used)


def _url_in_full(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    return _url(rule, text, locale, now) if "://" in text else NOTHING


def _number(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    if rule.units:
        return _measure(rule, text, locale)
    found = numbers.read(rule.type, text, locale)
    if found is None:
        return NOTHING
    value = numbers.fitting(rule.type, found[0])
    return Extracted(value, found[1]) if value is not None else Refused("whole")


def _measure(rule: SlotRule, text: str, locale: str) -> Found:
    """A number with its unit, in the unit that is stored (factor 1); without a unit it is in that one already."""
    found = numbers.measure(text, locale, {folded(word): factor for word, factor in rule.units.items()})
    if found is None:
        return NOTHING
    value, used, unknown = found
    if unknown:
        return Refused("unit", {"units": ", ".join(rule.units)})
    fitting = numbers.fitting(rule.type, value)
    return Extracted(fitting, used) if fitting is not None else Refused("whole")


def _range(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    found = ranges.read(rule.type, text, locale, now)
    if found is None:
        return NOTHING
    value = ranges.checked(rule.type, *found)
    return Extracted(value, text) if value is not None else Refused("range")


def _no_file(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    """Words are no file."""
    return NOTHING


def _named_number(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    used = numbers.beside(rule.name, text, locale)
    return _number(rule, used, locale, now) if used else NOTHING


def _boolean(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    found = choices.yes_or_no(text)
    return Extracted(found[0], found[1]) if found is not None else NOTHING


def _named_boolean(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    found = choices.with_or_without(rule.name, text)
    return Extracted(found[0], found[1]) if found is not None else NOTHING


def _enum(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    if rule.multiple:
        many = choices.choose_many(rule, text)
        return Extracted(many[0], many[1]) if many is not None else NOTHING
    found = choices.choose(rule, text)
    return Extracted(found[0], found[1]) if found is not None else NOTHING


def _named_enum(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    found = choices.mentioned(rule, folded(text))
    if found is None:
        return NOTHING
    return Extracted([found[0]] if rule.multiple else found[0], found[1])


def _product(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    """Without the names of products nothing is one."""
    return _product_in(rule, text, guess=True)


def _named_product(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    """Nobody has asked for it: no guesses, and nothing where it is not sure which one is meant."""
    found = _product_in(rule, text, guess=False)
    return found if type(found) is Extracted else NOTHING


def _product_in(rule: SlotRule, text: str, *, guess: bool) -> Found:
    if rule.known is None:
        return NOTHING
    ids, words, unsure = products.found_in(rule, text, guess=guess)
    if unsure:
        return Refused("which_product", products.facts(rule, unsure))
    return Extracted(products.taken(rule, ids), words) if ids else NOTHING


def _moment(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    found = dates.read(rule.type, text, locale, now)
    return Extracted(found[0], found[1]) if found is not None else NOTHING


def _iso_moment(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    found = dates.iso(rule.type, text)
    return Extracted(found[0], found[1]) if found is not None else NOTHING


def _priced(rule: SlotRule, text: str, locale: str, now: datetime) -> Found:
    return _number(rule, text, locale, now) if numbers.has_currency(text) else _named_number(rule, text, locale, now)


Extractor = Callable[[SlotRule, str, str, datetime], Found]

EXTRACTORS: Mapping[SlotType, Extractor] = {
    SlotType.TEXT: _text,
    SlotType.INTEGER: _number,
    SlotType.NUMBER: _number,
    SlotType.BOOLEAN: _boolean,
    SlotType.DATE: _moment,
    SlotType.TIME: _moment,
    SlotType.DATETIME: _moment,
    SlotType.EMAIL: _email,
    SlotType.PHONE: _phone,
    SlotType.URL: _url,
    SlotType.MONEY: _number,
    SlotType.ENUM: _enum,
    SlotType.PATTERN: _pattern,
    SlotType.ATTACHMENT: _no_file,
    SlotType.DATE_RANGE: _range,
    SlotType.TIME_RANGE: _range,
    SlotType.PRODUCT: _product,
}

SPOTTERS: Mapping[SlotType, Extractor] = {
    SlotType.INTEGER: _named_number,
    SlotType.NUMBER: _named_number,
    SlotType.BOOLEAN: _named_boolean,
    SlotType.DATE: _iso_moment,
    SlotType.DATETIME: _iso_moment,
    SlotType.EMAIL: _email,
    SlotType.PHONE: _phone_abroad,
    SlotType.URL: _url_in_full,
    SlotType.MONEY: _priced,
    SlotType.ENUM: _named_enum,
    SlotType.PRODUCT: _named_product,
}
