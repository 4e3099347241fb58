"""The replica: one transaction per batch, growth, generations, and damage that is noticed."""

import os
from pathlib import Path

import msgspec
import pytest

from identifiers.changes import Change, CredentialState, Cursor, PrefixStateName
from identifiers.values import Value
from resolver.environment import MapLimits, ReplicaDamaged, ReplicaMissing
from resolver.lookup import Absent, Found, Gone, Lookup, Referral
from resolver.record import RecordDamaged, render
from resolver.replica import ReplicaFull, ReplicaWriter
from resolver.replica_reader import ReplicaReader
from tests.unit.replica_states import MOMENT, identifier_change, identifier_state, prefix_change, url

SMALL = MapLimits(1 << 20, 1 << 30)
PREFIX = "88.118.8"


@pytest.fixture
def writer(tmp_path: Path) -> ReplicaWriter:
    made = ReplicaWriter.create_next(tmp_path, "epoch-1", SMALL)
    made.publish()
    made.apply([prefix_change(1, PREFIX)])
    return made


def test_applied_changes_are_found_with_the_cursor_that_belongs_to_them(writer: ReplicaWriter, tmp_path: Path) -> None:
    writer.apply([identifier_change(2, f"{PREFIX}/SN1", url("https://example.com/1"))])
    reader = ReplicaReader(tmp_path)
    answer = Lookup(reader).find(f"{PREFIX}/sn1")
    assert isinstance(answer, Found)
    assert answer.record.spelling == f"{PREFIX}/SN1"
    assert reader.cursor() == Cursor(2, 2)


def test_a_reader_sees_later_changes_without_reopening(writer: ReplicaWriter, tmp_path: Path) -> None:
    lookup = Lookup(ReplicaReader(tmp_path))
    assert isinstance(lookup.find(f"{PREFIX}/SN1"), Absent)
    writer.apply([identifier_change(2, f"{PREFIX}/SN1")])
    assert isinstance(lookup.find(f"{PREFIX}/SN1"), Found)
    writer.apply([identifier_change(3, f"{PREFIX}/SN1", state="withdrawn")])
    assert isinstance(lookup.find(f"{PREFIX}/SN1"), Gone)


def test_a_changed_prefix_is_noticed_by_open_readers(writer: ReplicaWriter, tmp_path: Path) -> None:
    lookup = Lookup(ReplicaReader(tmp_path))
    assert isinstance(lookup.find(f"{PREFIX}/SN1"), Absent)
    writer.apply([prefix_change(2, PREFIX, hosting="routed", sites=[{"servers": []}])])
    assert isinstance(lookup.find(f"{PREFIX}/SN1"), Referral)


def test_a_prefix_that_is_not_hosted_and_has_no_site_yet_leads_nowhere(writer: ReplicaWriter, tmp_path: Path) -> None:
    writer.apply([prefix_change(2, PREFIX, hosting="routed")])
    answer = Lookup(ReplicaReader(tmp_path)).find(f"{PREFIX}/SN1")
    assert isinstance(answer, Absent)
    assert answer.prefix is not None


@pytest.mark.parametrize("state", ["applied", "under_review", "rejected"])
def test_a_prefix_that_was_never_in_force_is_none(
    writer: ReplicaWriter, tmp_path: Path, state: PrefixStateName
) -> None:
    writer.apply([prefix_change(2, "88.118.9", state=state), identifier_change(3, "88.118.9/A")])
    reader = ReplicaReader(tmp_path)
    assert Lookup(reader).find("88.118.9/A") == Absent(None)
    assert Lookup(reader).tally_prefix("88.118.9/A") == ""
    assert_not_in_the_lane(reader, "88.118.9")


@pytest.mark.parametrize("state", ["suspended", "withdrawn"])
def test_everything_below_a_stopped_prefix_is_gone_wherever_it_is_hosted(
    writer: ReplicaWriter, tmp_path: Path, state: PrefixStateName
) -> None:
    reader = ReplicaReader(tmp_path)
    writer.apply([identifier_change(2, f"{PREFIX}/A")])
    assert isinstance(Lookup(reader).find(f"{PREFIX}/A"), Found)
    writer.apply(
        [
            prefix_change(3, PREFIX, state=state),
            prefix_change(4, "88.118.9", state=state, hosting="routed", sites=[{"servers": []}]),
        ]
    )
    for name in (f"{PREFIX}/A", f"{PREFIX}/NEVER", "88.118.9/A", f"0.NA/{PREFIX}"):
        answer = Lookup(reader).find(name)
        assert isinstance(answer, Gone), name
        assert answer.record is None
    assert_not_in_the_lane(reader, PREFIX)


def test_a_prefix_about_to_be_withdrawn_resolves_on(writer: ReplicaWriter, tmp_path: Path) -> None:
    writer.apply([prefix_change(2, PREFIX, state="withdrawing"), identifier_change(3, f"{PREFIX}/A")])
    assert isinstance(Lookup(ReplicaReader(tmp_path)).find(f"{PREFIX}/A"), Found)


def assert_not_in_the_lane(reader: ReplicaReader, prefix: str) -> None:
    transaction = reader.begin()
    try:
        assert reader.find_hosted(transaction, prefix.encode()) is None
    finally:
        transaction.abort()


def test_an_exact_prefix_tells_cases_apart(writer: ReplicaWriter, tmp_path: Path) -> None:
    writer.apply([prefix_change(2, "88.118.9", exact_case=True), identifier_change(3, "88.118.9/ab", exact_case=True)])
    lookup = Lookup(ReplicaReader(tmp_path))
    assert isinstance(lookup.find("88.118.9/ab"), Found)
    assert isinstance(lookup.find("88.118.9/AB"), Absent)


def test_a_decomposed_name_is_found_in_its_composed_form(writer: ReplicaWriter, tmp_path: Path) -> None:
    writer.apply([identifier_change(2, f"{PREFIX}/caf\u00e9")])
    assert isinstance(Lookup(ReplicaReader(tmp_path)).find(f"{PREFIX}/cafe\u0301"), Found)


def test_long_names_are_kept_under_a_digest(writer: ReplicaWriter, tmp_path: Path) -> None:
    name = PREFIX + "/" + "轴" * 200
    writer.apply([identifier_change(2, name)])
    answer = Lookup(ReplicaReader(tmp_path)).find(name)
    assert isinstance(answer, Found)
    assert answer.record.spelling == name


def test_a_full_map_grows_and_readers_follow(writer: ReplicaWriter, tmp_path: Path) -> None:
    lookup = Lookup(ReplicaReader(tmp_path))
    for batch in range(40):
        names = [f"{PREFIX}/{batch}-{n}" for n in range(100)]
        writer.apply([identifier_change(batch + 2, name, Value(1, "NOTE", b"x" * 500)) for name in names])
        assert isinstance(lookup.find(names[0]), Found)
    assert writer.record_count() == 4_000


def test_records_written_in_order_fill_their_pages(writer: ReplicaWriter, tmp_path: Path) -> None:
    for batch in range(10):
        names = [f"{PREFIX}/{batch * 100 + n:05d}" for n in reversed(range(100))]
        writer.apply([identifier_change(batch + 2, name, Value(1, "NOTE", b"x" * 400)) for name in names])
    state = identifier_state(f"{PREFIX}/00001", Value(1, "NOTE", b"x" * 400))
    octets = writer.record_count() * (len(render(state)) + 50)
    assert (tmp_path / "gen-1" / "data.mdb").stat().st_size < octets * 1.4
    lookup = Lookup(ReplicaReader(tmp_path))
    assert all(isinstance(lookup.find(f"{PREFIX}/{n:05d}"), Found) for n in range(1_000))


def test_the_last_of_several_changes_of_one_key_in_a_batch_stays(writer: ReplicaWriter, tmp_path: Path) -> None:
    changes = [
        identifier_change(n, f"{PREFIX}/{name}", url(f"https://example.com/{n}"))
        for n, name in ((2, "B"), (3, "A"), (4, "B"))
    ]
    writer.apply(changes)
    answer = Lookup(ReplicaReader(tmp_path)).find(f"{PREFIX}/B")
    assert isinstance(answer, Found)
    assert answer.record.location == "https://example.com/4"


def test_a_map_at_its_limit_refuses_the_batch_whole(tmp_path: Path) -> None:
    writer = ReplicaWriter.create_next(tmp_path, "epoch", MapLimits(1 << 18, 1 << 18))
    writer.publish()
    writer.apply([prefix_change(1, PREFIX)])
    big = [identifier_change(2, f"{PREFIX}/{n}", Value(1, "NOTE", b"x" * 5_000)) for n in range(100)]
    with pytest.raises(ReplicaFull, match=r"replica\.map_max_octets"):
        writer.apply(big)
    assert writer.cursor == ReplicaReader(tmp_path).cursor() == Cursor(1, 1)
    assert writer.record_count() == 0


def test_a_rebuild_leaves_the_old_generation_answering_until_it_is_published(
    writer: ReplicaWriter, tmp_path: Path
) -> None:
    writer.apply([identifier_change(2, f"{PREFIX}/OLD")])
    reader = ReplicaReader(tmp_path)
    lookup = Lookup(reader)
    rebuilt = ReplicaWriter.create_next(tmp_path, "epoch-2", SMALL)
    rebuilt.apply([prefix_change(1, PREFIX), identifier_change(5, f"{PREFIX}/NEW")])
    assert not reader.refresh()
    assert isinstance(lookup.find(f"{PREFIX}/OLD"), Found)
    rebuilt.publish()
    assert reader.refresh()
    assert isinstance(lookup.find(f"{PREFIX}/OLD"), Absent)
    assert isinstance(lookup.find(f"{PREFIX}/NEW"), Found)
    assert len(list(tmp_path.glob("gen-*"))) == 1


def test_a_writer_goes_on_where_the_last_one_stopped(writer: ReplicaWriter, tmp_path: Path) -> None:
    writer.apply([identifier_change(7, f"{PREFIX}/SN1")])
    writer.close()
    again = ReplicaWriter.open_current(tmp_path, SMALL)
    assert again.cursor == Cursor(7, 7)
    assert again.epoch == "epoch-1"


def test_a_missing_replica_is_named_as_missing(tmp_path: Path) -> None:
    with pytest.raises(ReplicaMissing):
        ReplicaWriter.open_current(tmp_path)
    with pytest.raises(ReplicaMissing):
        ReplicaReader(tmp_path)


@pytest.mark.parametrize("kept", [0, 100, 4_096, 20_000])
def test_a_cut_file_is_refused_at_opening(writer: ReplicaWriter, tmp_path: Path, kept: int) -> None:
    writer.apply([identifier_change(2, f"{PREFIX}/{n}", Value(1, "NOTE", b"x" * 500)) for n in range(200)])
    writer.close()
    data = tmp_path / "gen-1" / "data.mdb"
    os.truncate(data, kept)
    with pytest.raises(ReplicaDamaged):
        ReplicaWriter.open_current(tmp_path, SMALL)
    with pytest.raises(ReplicaDamaged):
        ReplicaReader(tmp_path)


def test_garbage_in_place_of_the_file_is_refused(writer: ReplicaWriter, tmp_path: Path) -> None:
    writer.close()
    (tmp_path / "gen-1" / "data.mdb").write_bytes(b"\x5a" * 100_000)
    with pytest.raises(ReplicaDamaged):
        ReplicaWriter.open_current(tmp_path, SMALL)


def test_a_record_with_a_changed_octet_is_reported_and_not_served(writer: ReplicaWriter, tmp_path: Path) -> None:
    writer.apply([identifier_change(2, f"{PREFIX}/SN1", url("https://example.com/1"))])
    data = tmp_path / "gen-1" / "data.mdb"
    octets = data.read_bytes()
    data.write_bytes(octets.replace(b"https://example.com/1", b"https://example.org/1"))
    with pytest.raises(RecordDamaged):
        Lookup(ReplicaReader(tmp_path)).find(f"{PREFIX}/SN1")
    with pytest.raises(ReplicaDamaged, match="SN1"):
        ReplicaWriter.open_current(tmp_path, SMALL)


def test_deletion_and_damage_behind_the_writers_back_are_noticed(writer: ReplicaWriter, tmp_path: Path) -> None:
    writer.check_on_disk()
    ReplicaReader(tmp_path).report_damage("test")
    with pytest.raises(ReplicaDamaged, match="test"):
        writer.check_on_disk()
    (tmp_path / "damaged").unlink()
    (tmp_path / "gen-1" / "data.mdb").unlink()
    with pytest.raises(ReplicaMissing):
        writer.check_on_disk()


def test_names_below_no_prefix_of_ours_are_absent_and_counted_apart(writer: ReplicaWriter, tmp_path: Path) -> None:
    lookup = Lookup(ReplicaReader(tmp_path))
    answer = lookup.find("88.999.1/X")
    assert answer == Absent(None)
    assert lookup.tally_prefix("88.999.1/X") == ""
    assert lookup.tally_prefix(f"{PREFIX}.5/X") == PREFIX
    assert lookup.tally_prefix(f"{PREFIX}/X") == PREFIX


def test_a_credential_that_ended_is_forgotten(writer: ReplicaWriter, tmp_path: Path) -> None:
    reader = ReplicaReader(tmp_path)
    state = msgspec.json.encode(CredentialState("ab", "acc_1", "reader"))
    writer.apply([Change(2, 2, MOMENT, "credential", "ab", "create", state)])
    assert reader.credential("ab") is not None
    ended = msgspec.json.encode(CredentialState("ab", "acc_1", "reader", revoked=True))
    writer.apply([Change(number, number, MOMENT, "credential", "ab", "withdraw", ended) for number in (3, 4)])
    assert reader.credential("ab") is None
