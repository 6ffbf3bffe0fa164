"""When schedules are due, whatever clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.core.calendar import Rhythm, next_due, period_of

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati")


def weekly(**more: Any) -> Rhythm:
    return Rhythm(**{"cadence": "weekly", "weekday": 0, "day": 1, "at": time(8), "zone": BERLIN, **more})


def monthly(**more: Any) -> Rhythm:
    return weekly(cadence="monthly", **more)


@pytest.mark.parametrize(
    ("rhythm", "after", "due"),
    [
        (weekly(), "2026-11-21T00:00Z", "2026-11-23T07:00Z"),
        (weekly(), "2026-11-23T06:59Z", "2026-11-23T07:00Z"),
        (weekly(), "2026-11-23T07:00Z", "2026-11-30T07:00Z"),
        (weekly(weekday=6, at=time(2, 30)), "2026-03-27T00:00Z", "2026-03-29T01:30Z"),  # half past two is left out that night
        (weekly(weekday=6, at=time(2, 30)), "2026-10-24T00:00Z", "2026-10-25T00:30Z"),  # and comes twice that one
        (weekly(weekday=6, at=time(2, 30)), "2026-10-25T00:30Z", "2026-11-01T01:30Z"),
        (monthly(day=31), "2027-01-31T12:00Z", "2027-02-28T07:00Z"),
        (monthly(day=31), "2027-02-28T12:00Z", "2027-03-31T06:00Z"),
        (monthly(day=1), "2026-12-15T00:00Z", "2027-01-01T07:00Z"),
        (weekly(weekday=0, at=time(0), zone=ZoneInfo("Pacific/Kiritimati")), "2026-11-21T00:00Z", "2026-11-22T10:00Z"),
    ],
)
def test_the_next_time(rhythm: Rhythm, after: str, due: str) -> None:
    assert next_due(rhythm, datetime.fromisoformat(after)) == datetime.fromisoformat(due)


rhythms = st.builds(
    Rhythm,
    cadence=st.sampled_from(("weekly", "monthly")),
    weekday=st.integers(0, 6),
    day=st.integers(1, 31),
    at=st.times().map(lambda found: found.replace(microsecond=0)),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)


@given(rhythm=rhythms, after=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda found: found.replace(tzinfo=UTC)))  # noqa: DTZ001
def test_times_go_on_and_each_has_a_period_of_its_own(rhythm: Rhythm, after: datetime) -> None:
    times = [next_due(rhythm, after)]
    for _ in range(6):
        times.append(next_due(rhythm, times[-1]))
    assert after < times[0] <= after + timedelta(days=33)
    assert all(timedelta(days=6) < later - before < timedelta(days=32, hours=3) for before, later in pairwise(times))
    periods = [period_of(rhythm, due) for due in times]
    assert len({one.label for one in periods}) == len(periods)
    assert all(before.until + timedelta(days=1) == later.since for before, later in pairwise(periods))


def test_a_period_is_the_days_before() -> None:
    found = period_of(weekly(), datetime(2026, 11, 23, 7, tzinfo=UTC))
    assert (found.label, found.since, found.until) == ("2026-W48", date(2026, 11, 16), date(2026, 11, 22))
    found = period_of(monthly(), datetime(2027, 1, 1, 7, tzinfo=UTC))
    assert (found.label, found.since, found.until) == ("2027-01", date(2026, 12, 1), date(2026, 12, 31))
