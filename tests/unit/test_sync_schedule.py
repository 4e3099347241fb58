"""The calendar of the reports: periods of Beijing time follow each other without a gap, through any month and year."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.schedule import Kind, Span, following, span_at

KINDS = st.sampled_from(["hour", "day", "month"])
MOMENTS = st.datetimes(datetime(2001, 1, 2), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them naive


@given(KINDS, MOMENTS)
def test_every_moment_lies_in_one_period_and_the_next_begins_where_it_ends(kind: Kind, moment: datetime) -> None:
    span = span_at(kind, moment)
    assert span.start <= moment < span.end
    assert span_at(kind, span.start) == span_at(kind, span.end - timedelta(microseconds=1)) == span
    assert following(span).start == span.end
    assert span.end <= span.first_attempt < span.due < span.alarm
    assert datetime.fromisoformat(span.period.start) == span.start
    assert datetime.fromisoformat(span.period.end) == span.end
    assert span.period.kind == kind


@pytest.mark.parametrize(
    ("kind", "moment", "start", "end", "attempt"),
    [
        ("day", "2032-02-28T16:00:00Z", "2032-02-28T16:00:00Z", "2032-02-29T16:00:00Z", "2032-02-29T16:10:00Z"),
        ("day", "2031-12-31T15:59:59Z", "2031-12-30T16:00:00Z", "2031-12-31T16:00:00Z", "2031-12-31T16:10:00Z"),
        ("month", "2032-02-29T15:59:59Z", "2032-01-31T16:00:00Z", "2032-02-29T16:00:00Z", "2032-02-29T17:00:00Z"),
        ("month", "2031-12-31T16:00:00Z", "2031-12-31T16:00:00Z", "2032-01-31T16:00:00Z", "2032-01-31T17:00:00Z"),
        ("hour", "2031-12-31T16:59:59Z", "2031-12-31T16:00:00Z", "2031-12-31T17:00:00Z", "2031-12-31T17:02:00Z"),
    ],
)
def test_periods_are_beijing_s(kind: Kind, moment: str, start: str, end: str, attempt: str) -> None:
    span = span_at(kind, datetime.fromisoformat(moment))
    assert (span.period.start, span.period.end) == (start, end)
    assert span.first_attempt == datetime.fromisoformat(attempt)


def test_when_a_period_is_due_and_when_its_absence_is_an_alarm() -> None:
    end = datetime(2031, 5, 6, 16, tzinfo=UTC)

    def times(kind: Kind) -> tuple[timedelta, timedelta]:
        span = Span(kind, end - timedelta(hours=1), end)
        return span.due - end, span.alarm - end

    assert times("hour") == (timedelta(minutes=30), timedelta(minutes=60))
    assert times("day") == (timedelta(hours=6), timedelta(hours=8))
    assert times("month") == (timedelta(hours=24), timedelta(hours=32))
