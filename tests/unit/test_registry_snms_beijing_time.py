"""Dates and times of the SNMS-compatible API: one form each, in Beijing time."""

from datetime import UTC, date, datetime

import pytest

from registry.snms.beijing_time import read_date, read_datetime, written


def test_an_instant_is_read_as_it_is_written() -> None:
    instant = datetime(2031, 5, 5, 17, 2, 3, tzinfo=UTC)
    assert written(instant) == "2031-05-06 01:02:03"
    assert read_datetime("2031-05-06 01:02:03") == instant
    assert read_date("2031-05-06") == date(2031, 5, 6)


@pytest.mark.parametrize(
    "text",
    ["", "2031-05-06", "2031-05-06T01:02:03", "2031-05- 6 01:02:03", "2031-02-30 00:00:00", "0001-01-01 00:00:00"],
)
def test_what_is_no_instant_of_this_form_is_none(text: str) -> None:
    assert read_datetime(text) is None


@pytest.mark.parametrize("text", ["", "2031-02-30", "2031-W01-1", "20310506", "2031-5-6", "２０３１-05-06"])
def test_what_is_no_date_of_this_form_is_none(text: str) -> None:
    assert read_date(text) is None
