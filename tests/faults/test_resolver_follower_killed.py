"""A follower killed at any moment goes on from its cursor, and its replica ends equal to the journal."""

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from identifiers.changes import Change, Cursor
from resolver.environment import ReplicaMissing
from resolver.hot_table_reader import HotTableReader
from resolver.lookup import Absent, Found, Gone, Lookup
from resolver.replica_reader import ReplicaReader
from tests.faults.follower_process import row_line
from tests.hot_parts import public_json
from tests.support import eventually
from tests.unit.replica_states import identifier_change, prefix_change, url

ROOT = Path(__file__).parents[2]
PREFIX = "88.118.8"
ROWS = 600
KILLS = 6


def _start(journal: Path, directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.faults.follower_process", str(journal), str(directory)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def _rows(chance: random.Random) -> list[Change]:
    rows = [prefix_change(1, PREFIX)]
    for seq in range(2, ROWS):
        state = "withdrawn" if chance.random() < 0.2 else "active"
        name = f"{PREFIX}/SN{chance.randrange(60)}"
        rows.append(identifier_change(seq, name, url(f"https://example.com/{seq}"), state=state))
    return rows


def _reached(directory: Path) -> Cursor | None:
    try:
        reader = ReplicaReader(directory)
    except ReplicaMissing:
        return None
    try:
        return reader.cursor()
    finally:
        reader.close()


def _differences(rows: list[Change], directory: Path) -> list[str]:
    """Compare the replica with the rows up to its own cursor, name by name."""
    reader = ReplicaReader(directory)
    cursor = reader.cursor()
    latest = {row.key: row for row in rows if row.cursor <= cursor and row.kind == "identifier"}
    lookup = Lookup(reader)
    different = []
    for number in range(60):
        row = latest.get(f"hdl:{PREFIX}/SN{number}")
        answer = lookup.find(f"{PREFIX}/SN{number}")
        kind = Absent if row is None else Gone if row.op == "withdraw" else Found
        if not isinstance(answer, kind) or (
            isinstance(answer, Found | Gone) and f"/{row.seq}".encode() not in answer.record.public_json  # type: ignore[union-attr] # Absent was ruled out
        ):
            different.append(f"SN{number}: {answer} for {row}")
    assert reader.record_count() == len(latest)
    reader.close()
    return different


def _hot_differences(rows: list[Change], directory: Path) -> list[str]:
    """Compare the hot table with the last rows, name by name."""
    find = HotTableReader((directory / "current").resolve()).turn()
    if find is None:
        return ["there is no table"]
    latest = {row.key: row for row in rows if row.kind == "identifier"}
    different = []
    for number in range(60):
        row = latest.get(key := f"hdl:{PREFIX}/SN{number}")
        shown = public_json(find(key.encode()))
        if (shown is None) is not (row is None or row.op == "withdraw") or (
            shown is not None and row is not None and f'/{row.seq}"'.encode() not in shown
        ):
            different.append(f"SN{number}: {shown!r} for {row}")
    return different


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_follower_killed_at_random_ends_equal_to_the_journal(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    rows = _rows(chance)
    journal, directory = tmp_path / "journal", tmp_path / "replica"
    journal.write_text("".join(map(row_line, rows[:100])), "ascii")
    written = 100
    last_announced = Cursor(0, 0)
    for _ in range(KILLS):
        process = _start(journal, directory)
        assert process.stdout is not None
        # Kill it after a random number of announcements, while more is being written.
        killer = threading.Timer(5.0, process.kill)
        killer.start()
        for _ in range(chance.randrange(1, 5)):
            more = min(chance.randrange(5, 15), ROWS - written)
            with journal.open("a", encoding="ascii") as file:
                file.write("".join(map(row_line, rows[written : written + more])))
            written += more
            line = process.stdout.readline()
            if line:
                last_announced = Cursor(*map(int, line.split()))
        process.kill()
        killer.cancel()
        process.communicate()
        reached = _reached(directory)
        assert reached is not None, "what was announced is there"
        assert reached >= last_announced
        assert not _differences(rows, directory)
    with journal.open("a", encoding="ascii") as file:
        file.write("".join(map(row_line, rows[written:])))
    process = _start(journal, directory)
    try:
        await eventually(lambda: _reached(directory) == rows[-1].cursor, 20.0)
        await eventually(lambda: not _hot_differences(rows, directory), 20.0)
    finally:
        process.kill()
        process.communicate()
    assert not _differences(rows, directory)
