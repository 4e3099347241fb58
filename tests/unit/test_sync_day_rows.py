"""Rows of a day's facts: parts that fit into a line, figures in milliseconds, nothing where nothing was measured."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from registry.day_figures import NO_REQUESTS, Measured, Peak, Registered, Requests
from sync.batch import Limits
from sync.tables.fields import check_row
from sync.tables.m1 import performance_data
from sync.tables.t3 import SOURCES_PER_PART, parts_of, sources_per_part, statistics_data

DAY = date(2031, 5, 6)
NOON = datetime(2031, 5, 6, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("address", "in_one_part"), [("255.255.255.255", SOURCES_PER_PART), ("2001:db8:1111:2222:3333:4444:5555:{:04x}", 0)]
)
def test_a_part_has_as_many_sources_as_a_line_holds(address: str, in_one_part: int) -> None:
    sums = Requests(10**15, 10**15, 12_001, len(address.format(0xFFFF)))
    held = sources_per_part(sums)
    assert held <= SOURCES_PER_PART
    assert held == in_one_part or held < SOURCES_PER_PART
    assert parts_of(sums) == -(-12_001 // held)
    sources = [(address.format(0x1000 + number % 0xE000), 10**11) for number in range(held)]
    data = statistics_data("88.118", DAY, Registered(1, 2), sums, sources, part=1)
    assert len(data) < Limits().max_line_bytes - 1_000


def test_few_sources_are_one_part_that_does_not_number_itself() -> None:
    data = msgspec.json.decode(statistics_data("88.118", DAY, Registered(0, 0), NO_REQUESTS, ()))
    assert parts_of(NO_REQUESTS) == 1
    assert "part" not in data
    assert "parts" not in data
    assert check_row("T3", data) == []


def test_microseconds_are_told_as_milliseconds_with_three_decimals() -> None:
    late = NOON + timedelta(days=1)
    resolution = Measured(3, 10, 3, NOON, 4, late)
    data = msgspec.json.decode(
        performance_data("88.118", DAY, resolution=resolution, peak=Peak(2, NOON), registration=None, measured_s=86_400)
    )
    assert data["resolution_latency_avg_ms"] == 0.003
    assert (data["resolution_latency_min_ms"], data["resolution_latency_max_ms"]) == (0.003, 0.004)
    assert data["resolution_latency_max_at"] == "2031-05-06T15:59:59Z"  # answered after midnight
    assert data["registration_latency_avg_ms"] is None
    assert "x_measured_seconds" not in data
    assert check_row("M1", data) == []
