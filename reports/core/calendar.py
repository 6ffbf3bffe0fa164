"""When a schedule is due, and which days its report is about. Local times are those of the readers; what comes out is UTC."""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

WEEKLY: Final = "weekly"
LONGEST_MONTHS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """`weekday` (0 is Monday) counts where it is weekly, `day` of the month where it is monthly: in a shorter month it is the last one."""

    cadence: str
    weekday: int
    day: int
    at: time
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """`label` names it, once for each week or month; `since` and `until` are its days, both included."""

    label: str
    since: date
    until: date


def next_due(rhythm: Rhythm, after: datetime) -> datetime:
    """The first moment later than `after` (UTC).

    A time that a clock change leaves out is due when it would have been; one that comes twice is due the first time.
    """
    today = after.astimezone(rhythm.zone).date()
    return next(moment for day in _days(rhythm, today - timedelta(days=1)) if (moment := _moment(rhythm, day)) > after)


def period_of(rhythm: Rhythm, due: datetime) -> Period:
    """What is reported on at `due`: the days since the time before, without the day itself."""
    day = due.astimezone(rhythm.zone).date()
    if rhythm.cadence == WEEKLY:
        year, week, _ = day.isocalendar()
        return Period(label=f"{year}-W{week:02d}", since=day - timedelta(days=7), until=day - timedelta(days=1))
    before = _in_month(day.year, day.month - 1, rhythm.day)
    return Period(label=f"{day:%Y-%m}", since=before, until=day - timedelta(days=1))


def _days(rhythm: Rhythm, first: date) -> Iterator[date]:
    """The days of the rhythm from `first` on."""
    if rhythm.cadence == WEEKLY:
        start = first + timedelta(days=(rhythm.weekday - first.weekday()) % 7)
        yield from (start + timedelta(days=7 * number) for number in range(3))
        return
    months = (_in_month(first.year, first.month + number, rhythm.day) for number in range(LONGEST_MONTHS + 1))
    yield from (day for day in months if day >= first)


def _in_month(year: int, month: int, day: int) -> date:
    """`month` may be 0 or above 12: then it is one of another year."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _moment(rhythm: Rhythm, day: date) -> datetime:
    return datetime.combine(day, rhythm.at, rhythm.zone).astimezone(UTC)
