"""Dates and times as people say them, in the user's language, relative to `now`. Values are ISO 8601, local (no zone)."""

import re
from datetime import date, datetime, time

from conversations.core.words import language
from flows.core.types import SlotType

_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)
_CLOCK = re.compile(r"\b([01]?\d|2[0-3])(?:[:.h]([0-5]\d))?\s*(am|pm|a\.m\.|p\.m\.|uhr|o'clock|h)?(?!\w)", re.IGNORECASE | re.ASCII)
_FILLER = re.compile(r"^\s*(?:on|by|at|from|until|it'?s|is|the|start(?:ing|s)?|about|am|ab|bis|zum|der|den|le|um|gegen)\s+", re.IGNORECASE)
_SAYS_SOMETHING = re.compile(r"[^\W\d_]{3}|\d\s*[./-]\s*\d|\d{6,8}")
_SAYS_TIME = re.compile(r"\d|\b(?:noon|midday|midnight|mittags?|mitternacht|midi|minuit|now|jetzt|hour|stunde|minute)", re.IGNORECASE)
_SPOKEN = frozenset({"en", "de", "fr", "es", "it", "pt", "nl", "pl", "cs", "sv", "da", "fi", "nb", "tr", "ru", "ja", "zh"})

MOST_ATTEMPTS = 24  # dateparser takes a millisecond for each: a hostile text must not hold the turn

Read = tuple[str, str]  # the value and the words it was read from


def read(kind: SlotType, text: str, locale: str, now: datetime) -> Read | None:
    found = iso(kind, text)
    if found is None and kind is SlotType.TIME:
        found = _clock(text)
    return found or _spoken(kind, text[:200], locale, now)


def iso(kind: SlotType, text: str) -> Read | None:
    """A date written the ISO way, wherever it stands in the text."""
    match = _ISO_DATE.search(text) if kind is not SlotType.TIME else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        return _value(kind, datetime.combine(date(year, month, day), time(hour, minute, second))), match[0]
    except ValueError:
        return None


def _value(kind: SlotType, moment: datetime) -> str:
    if kind is SlotType.DATE:
        return moment.date().isoformat()
    return moment.time().isoformat(timespec="minutes") if kind is SlotType.TIME else moment.replace(tzinfo=None).isoformat(timespec="seconds")


def _clock(text: str) -> Read | None:
    """ "17:30", "5 pm", "17 Uhr"; a bare number only when it is the whole message."""
    for match in _CLOCK.finditer(text):
        hour, minute, mark = int(match[1]), int(match[2] or 0), (match[3] or "").lower()
        if not (match[2] or mark or match[0].strip() == text.strip()):
            continue
        if mark.startswith("p") and hour < 12:
            hour += 12
        elif mark.startswith("a") and hour == 12:
            hour = 0
        return time(hour, minute).isoformat(timespec="minutes"), match[0]
    return None


def _spoken(kind: SlotType, text: str, locale: str, now: datetime) -> Read | None:
    """dateparser reads "5" as a day of some month and any word as a month's abbreviation: only texts that look like dates reach it."""
    if not _SAYS_SOMETHING.search(text) or (kind is SlotType.TIME and not _SAYS_TIME.search(text)):
        return None
    shorter = _FILLER.sub("", _FILLER.sub("", text)).strip(" .,!?")
    for candidate in dict.fromkeys((text.strip(" .,!?"), shorter)):
        moment = _parsed(candidate, locale, now)
        if moment is not None:
            return _value(kind, moment), text
    return _within(kind, text, locale, now)


def _settings(now: datetime) -> dict[str, object]:
    return {"RELATIVE_BASE": now.replace(tzinfo=None), "PREFER_DATES_FROM": "future", "RETURN_AS_TIMEZONE_AWARE": False}


def _languages(locale: str) -> list[str]:
    spoken = language(locale)
    return [spoken, "en"] if spoken in _SPOKEN and spoken != "en" else ["en"]


def _parsed(text: str, locale: str, now: datetime) -> datetime | None:
    import dateparser

    try:
        return dateparser.parse(text, languages=_languages(locale), settings=_settings(now))
    except (ValueError, OverflowError, RecursionError):  # "99999 years ago" and its like
        return None


def _within(kind: SlotType, text: str, locale: str, now: datetime) -> Read | None:
    """A date inside a longer sentence: the longest run of at most five words that is one and has a digit or a well-known word."""
    words = text.split()[:25]
    attempts = MOST_ATTEMPTS
    for length in range(min(5, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            part = " ".join(words[start : start + length]).strip(" .,!?")
            if _PROMISING.search(part):
                attempts -= 1
                if attempts < 0:
                    return None
                moment = _parsed(part, locale, now)
                if moment is not None:
                    return _value(kind, moment), part
    return None


_PROMISING = re.compile(
    r"\d|\b(?:today|tomorrow|tonight|yesterday|(?:mon|tues|wednes|thurs|fri|satur|sun)day|next|"
    r"heute|morgen|übermorgen|gestern|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|nächste[nrs]?|demain|aujourd)\b",
    re.IGNORECASE,
)
