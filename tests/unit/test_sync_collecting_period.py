"""Periods of batches at the edges of the calendar: refused or taken, never an accident of the collector."""

import pytest

from sync.collecting.header import Span, check_period
from sync.collecting.problems import Problem


@pytest.mark.parametrize(
    ("table", "period"),
    [
        ("T9", Span("day", "2031-01-30T16:00:00Z", "2031-01-31T16:00:00Z")),
        ("T9", Span("day", "2031-05-30T16:00:00Z", "2031-05-31T16:00:00Z")),
        ("T5", Span("month", "2030-12-31T16:00:00Z", "2031-01-31T16:00:00Z")),
        ("T5", Span("month", "2031-11-30T16:00:00Z", "2031-12-31T16:00:00Z")),
    ],
)
def test_periods_at_the_ends_of_months_are_taken(table: str, period: Span) -> None:
    check_period(table, "delta", period)


@pytest.mark.parametrize(
    ("table", "period"),
    [
        ("T9", Span("day", "9999-12-31T16:00:00Z", "9999-12-31T23:00:00Z")),
        ("T5", Span("month", "2031-01-30T16:00:00Z", "2031-02-27T16:00:00Z")),
        ("T5", Span("month", "9999-12-31T16:00:00Z", "9999-12-31T23:00:00Z")),
        ("T6", Span("hour", "9999-12-31T23:00:00Z", "9999-12-31T23:59:59Z")),
    ],
)
def test_periods_that_are_none_are_refused(table: str, period: Span) -> None:
    with pytest.raises(Problem) as refused:
        check_period(table, "delta", period)
    assert (refused.value.status, refused.value.code) == (400, "malformed")
