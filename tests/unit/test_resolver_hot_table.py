"""The hot table: equal to LMDB or silent, whatever happens to it."""

import os
import resource
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identifiers.changes import Change, Cursor
from identifiers.values import Value
from resolver import hot_table, hot_table_file, hot_table_writer
from resolver.environment import MapLimits
from resolver.hot_table import (
    RESTRICTED_BIT,
    SLOT_OCTETS,
    TableState,
    Word,
    current_name,
    damage_path,
    without_mark,
)
from resolver.hot_table_file import HotTableFile
from resolver.hot_table_reader import RETRY_S, HotTableReader
from resolver.hot_table_writer import LOOK_S, HotTableWriter
from resolver.hot_table_writer import RETRY_S as WRITER_RETRY_S
from resolver.record import Record, counted
from resolver.replica import ReplicaWriter
from tests.hot_parts import entity_tag, public_json
from tests.unit.replica_states import identifier_change, prefix_change, url

PREFIX = "88.118.8"
NAMES = [f"{PREFIX}/SN{number:02d}" for number in range(40)]
SMALL = Value(1, "NOTE", b"small")
LARGE = Value(1, "NOTE", b"x" * 2_000)
RESTRICTED = Value(2, "PRICE", b"secret", permissions=0b1100)


class Clock:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Stand:
    """A replica with a hot table, and a reader that follows it."""

    def __init__(self, directory: Path, slots_min: int = 64) -> None:
        self.directory = directory
        self.slots_min = slots_min
        self.clock = Clock()
        self.seq = 1
        self.writer = ReplicaWriter.create_next(directory, "epoch", MapLimits(1 << 20, 1 << 26))
        self.writer.publish()
        self.writer.apply([prefix_change(1, PREFIX)])
        self.generation = (directory / "current").resolve()
        self.keep()
        self.reader = HotTableReader(self.generation, self.clock)

    @property
    def table(self) -> HotTableWriter:
        assert self.writer.hot_table is not None
        return self.writer.hot_table

    @property
    def live(self) -> HotTableFile:
        assert self.table._live is not None
        return self.table._live

    def keep(self) -> None:
        """Keep a hot table as the follower does, but one that begins small and by our clock."""
        self.writer.keep_hot_table(wanted=True)
        self.table._clock, self.table._slots_min = self.clock, self.slots_min

    def change(self, name: str, *values: Value, state: str = "active") -> Change:
        self.seq += 1
        return identifier_change(self.seq, name, *values, state=state)

    def put(self, name: str, *values: Value, state: str = "active") -> None:
        self.writer.apply([self.change(name, *values, state=state)])

    def tend(self) -> None:
        """Let a second pass, and finish what is to be done then."""
        self.clock.now += LOOK_S
        while self.table.tend():
            pass

    def found(self, name: str) -> bytes | None:
        """Return the public JSON the table has for a name. A moment passes first."""
        self.clock.now += 2 * RETRY_S
        find = self.reader.turn()
        return public_json(find(b"hdl:" + name.encode())) if find else None

    def stored(self, name: str) -> tuple[bytes, bytes, bytes] | None:
        """Return entity tag, public JSON and public wire values out of LMDB, of what the table should hold."""
        with self.writer._environment.begin() as transaction:
            octets = transaction.get(b"hdl:" + name.encode(), db=self.writer._databases[b"records"])
        record = None if octets is None else Record(octets)
        if record is None or record.withdrawn or not 2 < len(record.public_json) <= 1_400:
            return None
        return record.etag, record.public_json, record.public_wire

    def restart(self) -> None:
        """Close the replica and open it again, as a follower that is started again."""
        self.writer.close()
        self.writer = ReplicaWriter.open_current(self.directory)
        self.keep()

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


@contextmanager
def made(directory: Path, slots_min: int = 64) -> Iterator[Stand]:
    stand = Stand(directory, slots_min)
    try:
        yield stand
    finally:
        stand.close()


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """Make a stand with one small record in a live table."""
    with made(tmp_path) as stand:
        stand.put(NAMES[0], SMALL)
        stand.tend()
        assert stand.found(NAMES[0]) is not None
        yield stand


def test_the_table_holds_what_is_small_active_and_public_and_nothing_else(stand: Stand) -> None:
    stand.put(NAMES[1], SMALL, RESTRICTED)
    stand.put(NAMES[2], LARGE)
    stand.put(NAMES[3], RESTRICTED)
    stand.put(NAMES[4], SMALL, state="withdrawn")
    stand.put(NAMES[5])
    for name, held in zip(NAMES[:7], [True, True, False, False, False, False, False], strict=True):
        assert (stand.found(name) is not None) is held, name
    assert b"secret" not in b"".join(path.read_bytes() for path in stand.generation.glob("hot-*"))
    assert stand.table.figures.entries == 2


@pytest.mark.parametrize("gone", [{"values": (LARGE,)}, {"values": ()}, {"values": (SMALL,), "state": "withdrawn"}])
def test_a_record_that_stops_being_hot_leaves_the_table(stand: Stand, gone: dict[str, object]) -> None:
    values = gone.pop("values")
    stand.put(NAMES[0], *values, **gone)  # type: ignore[misc, arg-type] # the table above fits the signature
    assert stand.found(NAMES[0]) is None
    stand.put(NAMES[0], url("https://example.com/again"))
    assert b"again" in (stand.found(NAMES[0]) or b"")


def test_the_last_of_several_changes_in_a_batch_is_what_is_found(stand: Stand) -> None:
    stand.writer.apply([stand.change(NAMES[0], url(f"https://example.com/{n}")) for n in range(3)])
    assert b"com/2" in (stand.found(NAMES[0]) or b"")
    stand.writer.apply([stand.change(NAMES[1], SMALL), stand.change(NAMES[1], SMALL, state="withdrawn")])
    assert stand.found(NAMES[1]) is None


def test_a_table_is_filled_in_slices_while_records_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_table_writer, "SLICE_RECORDS", 3)
    with made(tmp_path) as stand:
        stand.writer.apply([stand.change(name, SMALL) for name in NAMES[::2]])
        slices = 0
        while stand.table.tend():
            slices += 1
            assert stand.table.figures.state == "filling"
            assert stand.found(NAMES[0]) is None
            for name in (NAMES[slices], NAMES[-slices]):  # before and behind the walk
                stand.put(name, url(f"https://example.com/{slices}"))
        assert slices >= 6
        assert stand.table.figures.state == "live"
        for name in NAMES:
            held = stand.stored(name)
            assert stand.found(name) == (held and held[1]), name


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.sampled_from(["small", "other", "large", "nothing", "withdrawn", "restricted"])
    ),
    max_size=12,
)


def _apply(stand: Stand, operations: list[tuple[str, str]]) -> None:
    kinds: dict[str, tuple[Value, ...]] = {
        "large": (LARGE,),
        "nothing": (),
        "restricted": (RESTRICTED,),
    }
    changes = []
    for name, kind in operations:
        values = kinds.get(kind, (url(f"https://example.com/{kind}/{stand.seq}"),))
        changes.append(stand.change(name, *values, state="withdrawn" if kind == "withdrawn" else "active"))
    stand.writer.apply(changes)


def _assert_equal_or_silent(stand: Stand) -> None:
    """Compare every name with LMDB; a table that is live and not full has every record it should."""
    complete = stand.table.figures.state == "live" and stand.live.load < hot_table_file.FULL_AT
    for name in NAMES:
        key = b"hdl:" + name.encode()
        held, parts, wire = stand.stored(name), None, None
        for _ in range(2):  # the first look may find the map too short
            find, find_wire = stand.reader.turn(), stand.reader.wire_turn()
            parts = parts or (find(key) if find else None)
            wire = wire or (find_wire(key) if find_wire else None)
        assert (parts is None) == (wire is None), name
        if parts is not None and wire is not None:
            assert held == (entity_tag(parts), public_json(parts), without_mark(wire)), name
        elif complete:
            assert held is None, name


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(OPERATIONS, st.sampled_from(["tend", "second", "restart"])), max_size=25))
def test_whatever_happens_the_table_is_equal_to_the_records_or_silent(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[str, str]] | str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hot_table_writer, "SLICE_RECORDS", 5)
        patch.setattr(hot_table_writer, "GARBAGE_OCTETS_MIN", 500)
        patch.setattr(hot_table_file, "DATA_STEP_OCTETS", 1_024)
        patch.setattr(hot_table_file, "HUGE_PAGE_OCTETS", 1_024)
        with made(tmp_path_factory.mktemp("hot"), slots_min=16) as stand:
            for step in steps:
                if step == "second":
                    stand.clock.now += LOOK_S
                elif step == "tend":
                    stand.table.tend()
                elif step == "restart":
                    stand.restart()
                elif isinstance(step, list):
                    _apply(stand, step)
                stand.clock.now += 2 * RETRY_S
                _assert_equal_or_silent(stand)
            stand.tend()
            stand.tend()  # once more: what was filled meanwhile may have been outgrown at once
            stand.clock.now += 2 * RETRY_S
            assert stand.table.figures.state == "live"
            _assert_equal_or_silent(stand)


def test_what_is_gathered_is_written_by_whole_huge_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_table_file, "HUGE_PAGE_OCTETS", 4_096)
    table = HotTableFile.create(tmp_path, "hot-1", 1_024)
    table.gather((b"hdl:key %d" % number, b"x" * 100) for number in range(200))
    table.go_live(Cursor(1, 1))
    places = sorted(slot & hot_table.OFFSET_MASK for slot in table._slots if slot)
    table.close()
    assert len(places) == 200
    # What the first write takes in begins behind the octets that are nobody's, and reaches into the second page.
    assert all(place // 4_096 == (place + 99) // 4_096 for place in places if place > 2 * 4_096)
    assert places[-1] > 4 * 4_096


def test_a_table_grows_under_a_reader_that_never_loses_a_record(stand: Stand) -> None:
    names = set()
    for number in range(600):
        stand.put(f"{PREFIX}/N{number}", SMALL)
        stand.clock.now += 0.1
        stand.table.tend()
        names.add(current_name(stand.generation))
        assert stand.found(NAMES[0]) is not None
    stand.tend()
    assert len(names) > 2
    assert stand.live.load < hot_table_writer.GROW_AT
    assert all(stand.found(f"{PREFIX}/N{number}") is not None for number in range(600))
    assert len(list(stand.generation.glob("hot-*"))) == 2, "slots and entries of the current table only"


def test_a_table_says_that_a_larger_one_is_being_filled(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_table_writer, "SLICE_RECORDS", 3)
    for number in range(100):
        stand.put(f"{PREFIX}/N{number}", SMALL)
    stand.clock.now += hot_table_writer.LOOK_S
    assert stand.table.tend()
    assert stand.table.figures.state == "growing"
    stand.tend()
    assert stand.table.figures.state == "live"


def test_a_full_table_takes_no_new_keys_but_still_changes_those_it_has(stand: Stand) -> None:
    for number in range(100):
        stand.put(f"{PREFIX}/N{number}", SMALL)
    assert stand.live.load == pytest.approx(hot_table_file.FULL_AT, abs=1 / 32)
    assert stand.found(f"{PREFIX}/N99") is None
    octets = stand.live.octets
    stand.put(f"{PREFIX}/N98", SMALL)
    assert stand.live.octets == octets
    stand.put(NAMES[0], url("https://example.com/new"))
    assert b"new" in (stand.found(NAMES[0]) or b"")
    stand.put(NAMES[0], SMALL, state="withdrawn")
    assert stand.found(NAMES[0]) is None


def test_a_table_with_more_garbage_than_records_is_made_anew(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_table_writer, "GARBAGE_OCTETS_MIN", 5_000)
    before, octets = stand.live.name, 0
    for number in range(100):
        stand.put(NAMES[0], url(f"https://example.com/{number}"))
        octets = stand.live.octets
    stand.tend()
    assert stand.live.name != before
    assert stand.table.figures.garbage_octets == 0
    assert stand.live.octets < octets / 50
    assert b"com/99" in (stand.found(NAMES[0]) or b"")


def test_room_for_entries_is_made_as_they_come_and_readers_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_table_file, "DATA_STEP_OCTETS", 4_096)
    with made(tmp_path, slots_min=1_024) as stand:
        stand.tend()
        for number in range(200):
            stand.put(f"{PREFIX}/N{number}", SMALL)
            found = [stand.found(f"{PREFIX}/N{number}") for _ in range(2)]  # the first look may find the map too short
            assert found[1] is not None
        assert not list(stand.generation.glob("*.damaged"))


def test_a_restart_goes_on_with_the_table_of_the_last_run(stand: Stand) -> None:
    name = stand.live.name
    stand.restart()
    assert stand.table.figures.state == "live"
    assert stand.live.name == name
    stand.put(NAMES[1], SMALL)
    assert stand.found(NAMES[0]) is not None
    assert stand.found(NAMES[1]) is not None
    assert stand.table.figures.entries == 2


def test_a_table_behind_the_replica_is_retired_before_anybody_is_told_of_its_cursor(stand: Stand) -> None:
    """What a follower leaves that is killed between its commit and the table."""
    table, stand.writer.hot_table = stand.table, None
    stand.put(NAMES[0], url("https://example.com/committed"))
    assert b"small" in (stand.found(NAMES[0]) or b""), "nobody was told of the change yet"
    stand.writer.hot_table = table
    stand.restart()
    assert stand.found(NAMES[0]) is None
    stand.tend()
    assert b"committed" in (stand.found(NAMES[0]) or b"")


def test_a_table_half_written_is_not_gone_on_with(stand: Stand) -> None:
    stand.live.write([(b"hdl:x", None)])  # and never settled
    stand.restart()
    assert stand.table.figures.state == "off"
    assert stand.found(NAMES[0]) is None


def test_a_table_of_another_boot_is_not_trusted(stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("11111111-2222-3333-4444-555555555555\n")
    monkeypatch.setattr(hot_table, "BOOT_ID", boot)
    assert HotTableReader(stand.generation, stand.clock).turn() is None
    before = stand.live.name
    stand.restart()
    assert stand.table.figures.state == "off"
    stand.tend()
    assert stand.live.name != before
    assert stand.found(NAMES[0]) is not None


def test_copied_files_are_not_trusted(stand: Stand) -> None:
    stand.reader.close()
    stand.writer.close()
    for path in list(stand.generation.glob("hot-*")):
        copy = path.with_name("copy")
        copy.write_bytes(path.read_bytes())
        copy.replace(path)
    assert HotTableReader(stand.generation, stand.clock).turn() is None
    stand.writer = ReplicaWriter.open_current(stand.directory)
    stand.keep()
    assert stand.table.figures.state == "off"


def _overwrite(path: Path, at: int, octets: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(octets)


def _word(word: Word, value: int) -> Callable[[Path, Path], None]:
    return lambda slots, _: _overwrite(slots, word * SLOT_OCTETS, struct.pack("=Q", value))


DAMAGES: dict[str, Callable[[Path, Path], None]] = {
    "slots empty": lambda slots, _: os.truncate(slots, 0),
    "slots cut in the header": lambda slots, _: os.truncate(slots, 100),
    "slots cut behind the header": lambda slots, _: os.truncate(slots, 4_096),
    "slots not of whole words": lambda slots, _: os.truncate(slots, 4_096 + 511),
    "slots gone": lambda slots, _: slots.unlink(),
    "data empty": lambda _, data: os.truncate(data, 0),
    "data cut": lambda _, data: os.truncate(data, 64),
    "data gone": lambda _, data: data.unlink(),
    "garbage": lambda slots, _: _overwrite(slots, 0, b"\x5a" * 4_608),
    "another format": _word(Word.FORMAT, 99),
    "no power of two": _word(Word.SLOTS, 63),
    "no slots": _word(Word.SLOTS, 0),
    "endless slots": _word(Word.SLOTS, 1 << 60),
    "more used than there are": _word(Word.USED, 1 << 60),
    "ends behind the file": _word(Word.DATA_END, 1 << 60),
    "not live": _word(Word.STATE, TableState.FILLING),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_files_that_are_not_what_they_should_be_are_replaced(
    stand: Stand, damage: Callable[[Path, Path], None]
) -> None:
    name = stand.live.name
    stand.reader.close()
    stand.writer.close()
    damage(stand.generation / f"{name}.slots", stand.generation / f"{name}.data")
    stand.writer = ReplicaWriter.open_current(stand.directory)
    stand.keep()
    assert stand.table.figures.state == "off"
    stand.tend()
    assert stand.found(NAMES[0]) is not None
    assert {path.stem for path in stand.generation.glob("hot-*")} == {stand.live.name}


@pytest.mark.parametrize(
    "damage", [name for name in DAMAGES if name not in ("more used than there are", "ends behind the file", "data cut")]
)
def test_a_reader_leaves_files_alone_that_are_not_what_they_should_be(stand: Stand, damage: str) -> None:
    name = stand.live.name
    stand.writer.close()
    stand.reader.close()
    DAMAGES[damage](stand.generation / f"{name}.slots", stand.generation / f"{name}.data")
    assert HotTableReader(stand.generation, stand.clock).turn() is None
    stand.writer = ReplicaWriter.open_current(stand.directory)


def test_a_damaged_entry_is_silent_and_makes_the_writer_fill_another_table(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    stand.put(NAMES[1], SMALL)
    before = stand.live.name
    data = stand.generation / f"{before}.data"
    _overwrite(data, data.read_bytes().index(b"small"), b"smell")
    assert stand.found(NAMES[0]) is None
    assert stand.found(NAMES[1]) is None, "the table is left"
    assert damage_path(stand.generation, before).exists()
    assert "is damaged" in caplog.text
    stand.tend()
    assert stand.live.name != before
    assert b"small" in (stand.found(NAMES[0]) or b"")
    assert not list(stand.generation.glob("*.damaged"))


def test_damaged_wire_values_are_silent_and_leave_the_table(stand: Stand) -> None:
    data = stand.generation / f"{stand.live.name}.data"
    _overwrite(data, data.read_bytes().rindex(b"small"), b"smell")
    key = b"hdl:" + NAMES[0].encode()
    find, find_wire = stand.reader.turn(), stand.reader.wire_turn()
    assert find is not None
    assert find_wire is not None
    assert find(key) is not None, "what another face sends is whole"
    assert find_wire(key) is None
    assert stand.reader.wire_turn() is None
    assert damage_path(stand.generation, stand.live.name).exists()


def test_a_record_with_values_that_are_not_public_is_marked_and_has_only_the_others(stand: Stand) -> None:
    stand.put(NAMES[1], SMALL, RESTRICTED)
    find_wire = stand.reader.wire_turn()
    assert find_wire is not None
    marked, plain = find_wire(b"hdl:" + NAMES[1].encode()), find_wire(b"hdl:" + NAMES[0].encode())
    assert marked is not None
    assert plain is not None
    assert (marked[0], plain[0]) == (RESTRICTED_BIT, 0)
    assert without_mark(marked) == counted([SMALL])


def test_a_damaged_table_is_left_where_no_marker_can_be_written(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    data = stand.generation / f"{stand.live.name}.data"
    _overwrite(data, data.read_bytes().index(b"small"), b"smell")

    monkeypatch.setattr(Path, "write_text", no_room)
    assert [stand.found(NAMES[0]) for _ in range(3)] == [None] * 3
    assert stand.reader.turn() is None


def test_a_table_marked_as_damaged_is_not_gone_on_with(stand: Stand) -> None:
    damage_path(stand.generation, stand.live.name).write_text("by a reader, while no follower ran")
    stand.restart()
    assert stand.table.figures.state == "off"


def test_a_slot_that_points_nowhere_is_silent_and_reported(stand: Stand) -> None:
    slots = stand.generation / f"{stand.live.name}.slots"
    for at in range(4_096, 4_096 + 64 * SLOT_OCTETS, SLOT_OCTETS):
        (slot,) = struct.unpack("=Q", slots.read_bytes()[at : at + SLOT_OCTETS])
        if slot:
            _overwrite(slots, at, struct.pack("=Q", slot | 0xFFFF_FFFF_FFFF))
    assert stand.found(NAMES[0]) is None
    assert stand.found(NAMES[0]) is None
    assert damage_path(stand.generation, stand.live.name).exists()


def test_slots_full_of_garbage_hold_no_reader_up(stand: Stand) -> None:
    slots = stand.generation / f"{stand.live.name}.slots"
    _overwrite(slots, 4_096, struct.pack("=Q", hot_table.TOMBSTONE) * 64)
    assert stand.found(NAMES[0]) is None


def test_a_writer_that_finds_no_empty_slot_begins_another_table(stand: Stand) -> None:
    before = stand.live.name
    _overwrite(stand.generation / f"{before}.slots", 4_096, struct.pack("=Q", hot_table.TOMBSTONE) * 64)
    stand.put(NAMES[1], SMALL)
    assert stand.table.figures.state == "off"
    stand.clock.now += WRITER_RETRY_S
    stand.tend()
    assert stand.live.name != before
    assert stand.found(NAMES[1]) is not None


@pytest.mark.parametrize("removed", ["{}.slots", "{}.data", "hot"])
def test_a_table_deleted_by_hand_is_left_by_all_and_made_again(stand: Stand, removed: str) -> None:
    before = stand.live.name
    (stand.generation / removed.format(before)).unlink()
    stand.tend()
    assert stand.live.name != before
    stand.put(NAMES[0], url("https://example.com/new"))
    assert b"new" in (stand.found(NAMES[0]) or b"")


def test_a_reader_leaves_a_deleted_table_by_itself(stand: Stand) -> None:
    """The follower may be away: whoever starts next knows nothing of a table without files."""
    stand.writer.close()
    for path in stand.generation.glob("hot*"):
        path.unlink()
    stand.reader.look()
    assert stand.found(NAMES[0]) is None
    stand.writer = ReplicaWriter.open_current(stand.directory)


def test_a_table_that_is_not_wanted_any_more_is_retired_and_removed(stand: Stand) -> None:
    stand.writer.close()
    stand.writer = ReplicaWriter.open_current(stand.directory)
    stand.writer.keep_hot_table(wanted=False)
    assert stand.writer.hot_table is None
    assert stand.found(NAMES[0]) is None
    assert not list(stand.generation.glob("hot*"))


def test_a_table_that_cannot_be_retired_stops_the_replica_from_going_on(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.writer.close()
    stand.writer = ReplicaWriter.open_current(stand.directory)

    def refuse(*_: object) -> int:
        raise OSError("read-only file system")

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(OSError, match="read-only"):
        stand.writer.keep_hot_table(wanted=False)


@contextmanager
def file_size_limit(octets: int) -> Iterator[None]:
    """Let writes behind this size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_room_for_a_table_there_is_none_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with made(tmp_path) as stand:
        stand.put(NAMES[0], SMALL)
        with file_size_limit(8 << 20):
            for _ in range(3):
                stand.clock.now += WRITER_RETRY_S
                stand.tend()
                assert stand.table.figures.state == "off"
        assert sum("see that the disk has room" in message for message in caplog.messages) == 1
        assert not list(stand.generation.glob("hot*"))
        stand.put(NAMES[0], url("https://example.com/meanwhile"))
        stand.clock.now += WRITER_RETRY_S
        stand.tend()
        assert b"meanwhile" in (stand.found(NAMES[0]) or b"")


def no_room(*_: object) -> None:
    """Stand in for a call that asks the disk for room."""
    raise OSError("no space left on device")


def test_a_disk_that_fills_up_retires_the_table_with_the_change_it_could_not_take(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.live._room = stand.live.octets + 100
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", no_room)
        stand.put(NAMES[0], url("https://example.com/too-much-for-what-is-left-of-the-disk"))
        assert stand.table.figures.state == "off"
        assert stand.found(NAMES[0]) is None
        stand.clock.now += WRITER_RETRY_S
        stand.tend()
        assert stand.table.figures.state == "off"
    stand.tend()
    assert stand.table.figures.state == "off", "not before another minute has passed"
    stand.clock.now += WRITER_RETRY_S
    stand.tend()
    assert b"too-much" in (stand.found(NAMES[0]) or b"")


def test_a_growth_that_finds_no_room_leaves_the_live_table_answering(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(45):
        stand.put(f"{PREFIX}/N{number}", SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", no_room)
        stand.tend()
    assert stand.table.figures.state == "live"
    stand.put(NAMES[0], url("https://example.com/new"))
    assert b"new" in (stand.found(NAMES[0]) or b"")


def test_a_record_that_is_damaged_in_lmdb_does_not_enter_the_table(tmp_path: Path) -> None:
    with made(tmp_path) as stand:
        stand.put(NAMES[0], SMALL)
        records = stand.writer._databases[b"records"]
        with stand.writer._environment.begin(write=True) as transaction:
            key = b"hdl:" + NAMES[0].encode()
            octets = transaction.get(key, db=records)
            assert isinstance(octets, bytes)
            transaction.put(key, octets.replace(b"small", b"smell", 1), db=records)
            transaction.put(key + b"X", b"\x01", db=records)
        stand.tend()
        assert stand.table.figures == ("live", 0, 64, 0)


def test_a_reader_tries_in_vain_only_every_so_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def count(generation: Path) -> str | None:
        tries.append(generation)
        return None

    clock = Clock()
    reader = HotTableReader(tmp_path, clock)
    monkeypatch.setattr("resolver.hot_table_reader.current_name", count)
    for _ in range(100):
        assert reader.turn() is None
        clock.now += RETRY_S / 10
    assert 9 <= len(tries) <= 11
