"""Days are Beijing's, instants are UTC's."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.calendar_time import beijing_day, day_period, instant

moments = st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2031-05-05T15:59:59+00:00", date(2031, 5, 5)),
        ("2031-05-05T16:00:00+00:00", date(2031, 5, 6)),
        ("2031-12-31T16:00:00+00:00", date(2032, 1, 1)),
        ("2032-02-28T16:00:00+00:00", date(2032, 2, 29)),
        ("2032-02-29T16:00:00+00:00", date(2032, 3, 1)),
    ],
    ids=["before midnight", "midnight", "new year", "leap day", "after leap day"],
)
def test_the_day_changes_at_midnight_in_beijing(moment: str, day: date) -> None:
    assert beijing_day(datetime.fromisoformat(moment)) == day


def test_a_days_period_is_written_in_utc() -> None:
    period = day_period(date(2031, 5, 6))
    assert (period.kind, period.start, period.end) == ("day", "2031-05-05T16:00:00Z", "2031-05-06T16:00:00Z")


@given(moments)
def test_every_moment_lies_in_the_period_of_its_day(moment: datetime) -> None:
    period = day_period(beijing_day(moment))
    assert period.start <= instant(moment) < period.end


def test_an_instant_drops_fractions_and_zones() -> None:
    there = datetime(2031, 5, 6, 9, 2, 3, 999_999, tzinfo=timezone(timedelta(hours=8)))
    assert instant(there) == "2031-05-06T01:02:03Z"
