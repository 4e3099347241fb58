"""What the workers of a host share: entries end, are bounded by number, address and octets, and are taken once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resolver.handle.auth.rates import KEPT_MAX, Events
from resolver.handle.auth.shared_table import Full, SharedState, SharedTable, TableLimits

HERE, THERE = "192.0.2.1", "2001:db8::1"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SharedState]:
    made = SharedState(tmp_path / "shared")
    yield made
    made.close()


def fill(table: SharedTable, count: int, address: str = HERE, octets: int = 10, until_ms: int = 10_000) -> None:
    first = len(table) + 1
    for at in range(first, first + count):
        table.put(at, bytes(octets), address=address, now_ms=at, until_ms=until_ms)


def test_the_directory_is_for_this_user_alone(state: SharedState, tmp_path: Path) -> None:
    assert state is not None
    assert (tmp_path / "shared").stat().st_mode & 0o077 == 0
    assert (tmp_path / "shared" / "data.mdb").stat().st_mode & 0o077 == 0


def test_an_entry_ends(state: SharedState) -> None:
    table = state.table("t", TableLimits(10))
    table.put(7, b"seven", address=HERE, now_ms=0, until_ms=100)
    assert table.get(7, 99) == b"seven"
    assert table.get(7, 100) is None
    assert table.take(7, 100) is None
    fill(table, 1, until_ms=1_000)
    assert len(table) == 2
    table.put(9, b"", address=HERE, now_ms=200, until_ms=1_000)
    assert table.get(7, 50) is None


def test_an_entry_is_taken_once(state: SharedState) -> None:
    table = state.table("t", TableLimits(10))
    table.put(7, b"seven", address=HERE, now_ms=0, until_ms=100)
    assert table.take(7, 1) == b"seven"
    assert table.take(7, 1) is None
    assert len(table) == 0


def test_an_address_pushes_out_its_own_entries_alone(state: SharedState) -> None:
    table = state.table("t", TableLimits(100, per_address=3))
    fill(table, 1, THERE)
    fill(table, 2)
    for at in range(10, 15):
        table.put(at, b"", address=HERE, now_ms=at, until_ms=10_000)
    assert len(table) == 4
    assert table.get(1, 50) is not None
    assert [at for at in range(2, 15) if table.get(at, 50) is not None] == [12, 13, 14]


def test_a_full_table_refuses_or_drops_what_rested_longest(state: SharedState) -> None:
    refusing, dropping = state.table("r", TableLimits(3, drops=False)), state.table("d", TableLimits(3))
    fill(refusing, 3)
    with pytest.raises(Full):
        fill(refusing, 1)
    fill(dropping, 3)
    with dropping.changing(1, 5) as entry:
        assert entry is not None
        entry.octets, entry.is_used = b"used", True
    fill(dropping, 1)
    dropping.put(99, b"", address=HERE, now_ms=9, until_ms=10_000)
    assert dropping.get(1, 10) == b"used"
    assert dropping.get(2, 10) is None


def test_octets_are_bounded_and_counted_back(state: SharedState) -> None:
    table = state.table("t", TableLimits(1_000, octets=100, drops=False))
    fill(table, 9)
    with pytest.raises(Full):
        table.put(50, bytes(11), address=HERE, now_ms=1, until_ms=10_000)
    table.remove(1)
    table.put(50, bytes(11), address=HERE, now_ms=1, until_ms=10_000)
    with table.changing(50, 2) as entry:
        assert entry is not None
        entry.octets = b""
    table.put(51, bytes(20), address=HERE, now_ms=1, until_ms=10_000)


def test_events_are_counted_by_key_within_a_time() -> None:
    now = [0.0]
    events = Events(2, 60.0, lambda: now[0])
    for _ in range(2):
        assert not events.is_over("a")
        events.note("a")
    assert events.is_over("a")
    assert not events.is_over("b")
    now[0] = 60.0
    assert not events.is_over("a")


def test_so_many_keys_are_remembered() -> None:
    events = Events(1, 60.0, lambda: 0.0)
    events.note("first")
    for at in range(KEPT_MAX):
        events.note(at)
    assert not events.is_over("first")
    assert events.is_over(0)
