"""How many connections there may be, and how long each may wait for what (handle wire 19.2, 24)."""

from collections.abc import Callable

import pytest

from resolver.handle.connections import SLOW_GRACE_S, Connections, Phase, Watch
from resolver.handle.limits import OCTETS_PER_S_MIN, HandleLimits

LIMITS = HandleLimits(connections=4, per_address=3)
ONE, OTHER = "192.0.2.1", "192.0.2.2"


class Wire:
    """A transport that remembers how it ended; `unsent` octets wait for the peer."""

    def __init__(self) -> None:
        self.end = ""
        self.unsent = 0

    def abort(self) -> None:
        self.end = "aborted"

    def close(self) -> None:
        self.end = "closed"

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Seconds:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def connections(clock: Seconds) -> Connections:
    return Connections(LIMITS, clock)


def opened(connections: Connections, address: str = ONE) -> tuple[Watch, Wire]:
    wire = Wire()
    watch = connections.admit(address, wire)
    assert watch is not None
    return watch, wire


def rests(connections: Connections, watch: Watch) -> None:
    watch.touched = True
    connections.sweep()


def _first(_: Connections, __: Watch) -> None:
    pass


def _begun(connections: Connections, watch: Watch) -> None:
    connections.enter(watch, Phase.MESSAGE)


def _idle(connections: Connections, watch: Watch) -> None:
    connections.enter(watch, Phase.IDLE)


def _later_message(connections: Connections, watch: Watch) -> None:
    connections.enter(watch, Phase.IDLE)
    connections.enter(watch, Phase.MESSAGE)
    watch.octets = 1_000_000


def _stalled(connections: Connections, watch: Watch) -> None:
    connections.enter(watch, Phase.STALLED)


@pytest.mark.parametrize(
    ("begin", "seconds", "phase"),
    [
        (_first, 15.0, "first_message"),
        (_idle, 600.0, "idle"),
        (_later_message, 15.0, "message"),
        (_stalled, 30.0, "stalled"),
    ],
)
def test_whoever_keeps_us_waiting_too_long_is_cut_off(
    connections: Connections, clock: Seconds, begin: Callable[[Connections, Watch], None], seconds: float, phase: str
) -> None:
    watch, wire = opened(connections)
    begin(connections, watch)
    clock.now += seconds
    assert connections.sweep() == 0
    clock.now += 0.1
    assert connections.sweep() == 1
    assert (wire.end, dict(connections.cut_off)) == ("aborted", {phase: 1})


def test_the_first_message_has_its_time_from_the_connection_not_from_its_first_octet(
    connections: Connections, clock: Seconds
) -> None:
    watch, wire = opened(connections)
    clock.now += 14.0
    _begun(connections, watch)
    watch.octets = 1_000_000
    clock.now += 1.5
    connections.sweep()
    assert wire.end == "aborted"


def test_a_message_must_come_at_a_kilobyte_a_second(connections: Connections, clock: Seconds) -> None:
    (slow, slow_wire), (quick, quick_wire) = opened(connections), opened(connections)
    waited = int(SLOW_GRACE_S) + 1
    for watch, octets in [(slow, OCTETS_PER_S_MIN * waited - 1), (quick, OCTETS_PER_S_MIN * waited)]:
        connections.enter(watch, Phase.IDLE)
        connections.enter(watch, Phase.MESSAGE)
        watch.octets = octets
    clock.now += waited
    connections.sweep()
    assert (slow_wire.end, quick_wire.end) == ("aborted", "")


def test_a_peer_that_reads_slowly_is_not_one_that_does_not_read(connections: Connections, clock: Seconds) -> None:
    watch, wire = opened(connections)
    wire.unsent = 1_000
    connections.enter(watch, Phase.STALLED)
    for _ in range(5):
        clock.now += 29.0
        wire.unsent -= 1
        assert connections.sweep() == 0
    clock.now += 31.0
    assert connections.sweep() == 1
    assert wire.end == "aborted"


def test_nobody_is_cut_off_for_what_we_take_long_over(connections: Connections, clock: Seconds) -> None:
    watch, wire = opened(connections)
    connections.enter(watch, Phase.BUSY)
    clock.now += 100_000.0
    assert connections.sweep() == 0
    assert not wire.end


def test_of_an_address_with_too_many_the_one_that_rests_longest_goes(connections: Connections, clock: Seconds) -> None:
    made = []
    for _ in range(3):
        made.append(opened(connections))
        rests(connections, made[-1][0])
        clock.now += 1.0
    _, other = opened(connections, OTHER)
    opened(connections)
    assert [wire.end for _, wire in made] == ["closed", "", ""]
    assert not other.end
    assert len(connections) == 4


def test_of_all_with_too_many_the_address_with_most_gives_way(connections: Connections, clock: Seconds) -> None:
    crowd = [opened(connections) for _ in range(3)]
    _, other = opened(connections, OTHER)
    for watch, _ in crowd:
        clock.now += 1.0
        connections.enter(watch, Phase.IDLE)
    opened(connections, "192.0.2.3")
    assert [wire.end for _, wire in crowd] == ["closed", "", ""]
    assert not other.end


def test_where_everybody_works_the_new_one_is_refused(connections: Connections) -> None:
    for watch, _ in [opened(connections) for _ in range(3)]:
        connections.enter(watch, Phase.BUSY)
    assert connections.admit(ONE, Wire()) is None
    assert connections.refused == 1
    assert len(connections) == 3


def test_the_places_of_those_who_left_are_free(connections: Connections) -> None:
    for _ in range(20):
        watch, _ = opened(connections)
        connections.gone(watch)
        connections.gone(watch)
    assert len(connections) == 0
    assert not connections._per_address
