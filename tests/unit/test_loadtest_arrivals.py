from __future__ import annotations

from typing import TYPE_CHECKING, cast

from loadtest.arrivals import Arrivals
from loadtest.recorder import Recorder
from loadtest.schedule import NS_PER_S, Schedule

if TYPE_CHECKING:
    from loadtest.connection import Connection

MS = 1_000_000


class Exchange:
    """Arrivals with a hand-moved clock; `begun` are the intended times of what was sent."""

    def __init__(self, rate: float, *, waiting_max: int = 1000, timeout_s: float = 60) -> None:
        self.now_ns = 0
        self.begun: list[int] = []
        self.recorder = Recorder("reads", frozenset({200}), begin_ns=0)
        self.arrivals = Arrivals(
            Schedule(rate),
            self.recorder,
            lambda _, intended_ns: self.begun.append(intended_ns),
            waiting_max=waiting_max,
            timeout_ns=int(timeout_s * NS_PER_S),
            clock_ns=lambda: self.now_ns,
            spin=False,
        )
        self.connection = cast("Connection", object())

    def at(self, now_ms: int) -> None:
        self.now_ns = now_ms * MS
        self.arrivals.due(self.now_ns)

    def free(self) -> None:
        self.arrivals.free(self.connection, self.now_ns)


def test_an_arrival_that_is_due_goes_out_on_a_free_connection() -> None:
    exchange = Exchange(rate=100)
    exchange.free()
    exchange.at(0)
    assert exchange.begun == [0]
    assert exchange.arrivals.waiting == 0


def test_arrivals_during_a_stall_are_sent_afterwards_with_the_times_they_were_meant_for() -> None:
    exchange = Exchange(rate=100)
    exchange.free()
    exchange.at(0)
    for now_ms in range(10, 60, 10):
        exchange.at(now_ms)
    assert exchange.begun == [0]
    for _ in range(5):
        exchange.free()
    assert exchange.begun == [0, *(ms * MS for ms in range(10, 60, 10))]
    assert exchange.recorder.waited == 5


def test_more_than_the_bound_is_dropped_and_counted() -> None:
    exchange = Exchange(rate=1000, waiting_max=10)
    exchange.at(99)
    assert (exchange.recorder.arrived, exchange.arrivals.waiting, exchange.recorder.dropped) == (100, 10, 90)


def test_a_generator_that_was_held_up_counts_its_late_arrivals() -> None:
    exchange = Exchange(rate=1000)
    exchange.at(49)
    # The last two of the fifty were due at 48 and 49 ms.
    assert exchange.recorder.late == 48


def test_arrivals_that_waited_longer_than_the_timeout_are_given_up_with_their_waiting_time() -> None:
    exchange = Exchange(rate=10, timeout_s=0.25)
    exchange.at(300)
    exchange.arrivals.give_up(exchange.now_ns)
    assert (exchange.recorder.timed_out, exchange.arrivals.waiting) == (1, 3)
    exchange.now_ns = 10 * NS_PER_S
    exchange.free()
    assert (exchange.recorder.timed_out, exchange.begun) == (4, [])
    assert exchange.recorder.series().latency.max_us >= 9_900_000


def test_a_connection_that_ended_gets_nothing_more() -> None:
    exchange = Exchange(rate=10)
    exchange.free()
    exchange.arrivals.forget(exchange.connection)
    exchange.at(0)
    assert (exchange.begun, exchange.arrivals.waiting) == ([], 1)
