"""Lag: known when reading, honest when not."""

from datetime import UTC, datetime, timedelta

from identifiers.changes import Change
from resolver.lag import Lag

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START.timestamp()

    def __call__(self) -> float:
        return self.now


def change(age_s: float, clock: Clock) -> Change:
    at = datetime.fromtimestamp(clock.now, UTC) - timedelta(seconds=age_s)
    return Change(1, 1, at, "identifier", "k", "create", b"{}")


def test_it_grows_until_the_first_reading() -> None:
    clock = Clock()
    lag = Lag(clock)
    clock.now += 3
    assert lag.seconds == 3


def test_it_is_the_age_of_the_oldest_change_not_applied() -> None:
    clock = Clock()
    lag = Lag(clock)
    batch = [change(20, clock), change(5, clock)]
    lag.read(batch)
    assert lag.seconds == 20
    lag.applied(batch)
    assert lag.seconds == 5
    lag.read([])
    assert lag.seconds == 0


def test_it_grows_from_the_last_reading_while_none_succeeds() -> None:
    clock = Clock()
    lag = Lag(clock)
    lag.read([])
    clock.now += 0.5
    assert lag.seconds == 0
    clock.now += 9.5
    assert lag.seconds == 10


def test_a_clock_set_back_shows_no_negative_lag() -> None:
    clock = Clock()
    lag = Lag(clock)
    clock.now -= 100
    assert lag.seconds == 0
