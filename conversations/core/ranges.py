"""From one day to another, from one hour to another: {start, end} as ISO texts, both ends included."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Final

from conversations.core import dates
from conversations.core.words import folded
from flows.core.types import Json, SlotType

RANGES: Final[Mapping[SlotType, SlotType]] = {SlotType.DATE_RANGE: SlotType.DATE, SlotType.TIME_RANGE: SlotType.TIME}
_BETWEEN: Final = re.compile(
    r"\s+(?:to|till|until|through|thru|bis|zum|au|à|jusqu'?(?:au|à)|hasta|al?|and|und|et|y)\s+(?:the\s+|zum\s+|le\s+|el\s+)?|\s*[–—]\s*|\s+-\s+|/",
    re.IGNORECASE,
)
_TIGHT: Final = re.compile(r"^(\d{1,2}(?::\d{2})?\s*(?:am|pm)?\.?)\s*-\s*(\d{1,2}\b.*)$", re.IGNORECASE)
_LEADING: Final = re.compile(
    r"^\s*(?:from|between|starting|vom|von|ab|zwischen|du|de|entre|del|desde)\s+(?:the\s+|dem\s+|le\s+|el\s+)?", re.IGNORECASE
)
_DAY: Final = re.compile(r"^\s*(\d{1,2})(?:st|nd|rd|th|\.|er)?\s*$", re.IGNORECASE)
_DAY_OF: Final = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th|\.)?(?!\d|[:.]\d)", re.IGNORECASE)

Ends = tuple[Json, Json]


def read(kind: SlotType, text: str, locale: str, now: datetime) -> Ends | None:
    """The two ends as they were said, not yet checked; None when there are no two."""
    named = _named(folded(text), now.date()) if kind is SlotType.DATE_RANGE else None
    if named is not None:
        return named
    for first, last in _halves(_LEADING.sub("", text[:200].strip(" .,!?"))):
        ends = _ends(RANGES[kind], first, last, locale, now)
        if ends is not None:
            return ends
    return None


def _halves(text: str) -> list[tuple[str, str]]:
    tight = _TIGHT.match(text)
    found = [(tight[1], tight[2])] if tight is not None else []
    found += [(text[: match.start()], text[match.end() :]) for match in _BETWEEN.finditer(text)]
    return [(first.strip(), last.strip()) for first, last in found if first.strip() and last.strip()][:6]


def _ends(kind: SlotType, first: str, last: str, locale: str, now: datetime) -> Ends | None:
    end = dates.read(kind, last, locale, now)
    if end is None:
        return None
    begins = _DAY.match(first) if kind is SlotType.DATE else None
    if begins is not None:  # "3 to 5 December": the month stands with the second day only
        first = _DAY_OF.sub(begins[1], last, count=1)
    start = dates.read(kind, _with_half(kind, first, last), locale, now)
    if start is None:
        return None
    return start[0], _not_before(kind, start[0], last, end[0], locale)


def _with_half(kind: SlotType, first: str, last: str) -> str:
    """ "9 to 11 am": the half of the day stands with the second hour only."""
    half = re.search(r"\b(?:am|pm|uhr|h)\b", last, re.IGNORECASE) if kind is SlotType.TIME else None
    return f"{first} {half[0]}" if half is not None and first.strip().isdigit() else first


def _not_before(kind: SlotType, start: str, last: str, end: str, locale: str) -> str:
    """ "from Friday to Monday": the end is looked for from the beginning on."""
    if kind is not SlotType.DATE or end >= start:
        return end
    try:
        anchor = datetime.combine(date.fromisoformat(start), time(12))
    except ValueError:
        return end
    again = dates.read(kind, last, locale, anchor)
    return again[0] if again is not None and again[0] >= start else end


def checked(kind: SlotType, start: Json, end: Json) -> dict[str, Json] | None:
    """The range, when both ends are well formed; None otherwise, or when days end before they begin. Hours may go past midnight."""
    parse: Callable[[str], date | time] = date.fromisoformat if kind is SlotType.DATE_RANGE else time.fromisoformat
    if not isinstance(start, str) or not isinstance(end, str):
        return None
    try:
        first, last = parse(start[:32]), parse(end[:32])
    except ValueError:
        return None
    if isinstance(first, date) and isinstance(last, date) and last < first:
        return None
    return {"start": start, "end": end}


def _week(day: date, weeks: int) -> tuple[date, date]:
    monday = day - timedelta(days=day.weekday()) + timedelta(weeks=weeks)
    return monday, monday + timedelta(days=6)


def _weekend(day: date, weeks: int) -> tuple[date, date]:
    saturday = day - timedelta(days=day.weekday()) + timedelta(days=5, weeks=weeks)
    return saturday, saturday + timedelta(days=1)


def _month(day: date, months: int) -> tuple[date, date]:
    index = day.year * 12 + day.month - 1 + months
    first = date(index // 12, index % 12 + 1, 1)
    following = date((index + 1) // 12, (index + 1) % 12 + 1, 1)
    return first, following - timedelta(days=1)


_NAMED: Final[Mapping[str, tuple[Callable[[date, int], tuple[date, date]], int]]] = {
    phrase: (make, offset)
    for make, offset, phrases in (
        (_week, 0, ("this week", "diese woche", "cette semaine", "esta semana")),
        (_week, 1, ("next week", "nächste woche", "la semaine prochaine", "semaine prochaine", "la próxima semana", "próxima semana")),
        (_weekend, 0, ("this weekend", "the weekend", "dieses wochenende", "ce week end", "este fin de semana")),
        (_weekend, 1, ("next weekend", "nächstes wochenende", "le week end prochain", "el próximo fin de semana")),
        (_month, 0, ("this month", "diesen monat", "ce mois", "este mes")),
        (_month, 1, ("next month", "nächsten monat", "le mois prochain", "el próximo mes", "próximo mes")),
    )
    for phrase in phrases
}


def _named(said: str, today: date) -> Ends | None:
    words = said.removeprefix("in ").removeprefix("the whole of ").strip()
    found = _NAMED.get(said) or _NAMED.get(words)
    if found is None:
        return None
    start, end = found[0](today, found[1])
    return start.isoformat(), end.isoformat()
