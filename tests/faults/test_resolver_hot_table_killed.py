"""A follower that dies between its commit and the hot table: nobody is answered from what it left."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from identifiers.changes import Change, Cursor
from resolver.hot_table import current_name
from resolver.hot_table_reader import HotTableReader
from resolver.record import Record
from resolver.replica_reader import ReplicaReader
from tests.faults.follower_process import row_line
from tests.hot_parts import public_json
from tests.support import eventually
from tests.unit.replica_states import identifier_change, prefix_change, url

ROOT = Path(__file__).parents[2]
PREFIX = "88.118.8"
KEY = b"hdl:88.118.8/SN1"
DYING = """
import os, runpy, sys
from resolver import {module}

whole, calls = {module}.{name}, []

def die_at_last(*arguments, **more):
    calls.append(arguments)
    if len(calls) > {after}:
        os._exit(9)
    return whole(*arguments, **more)

{module}.{name} = die_at_last
sys.argv = ["follower_process", *sys.argv[1:]]
runpy.run_module("tests.faults.follower_process", run_name="__main__")
"""
MOMENTS = {
    "before the table": ("hot_table_writer", "HotTableWriter.applied", 0),
    "before its entries": ("hot_table_file", "HotTableFile._append", 1),
    "before its slot": ("hot_table_file", "HotTableFile._point", 1),
    "before its cursor": ("hot_table_file", "HotTableFile.settle", 1),
}
"""Where it dies: module, name, and the calls before, made while the first record is taken in by a filling."""


@contextmanager
def started(journal: Path, directory: Path, code: str = "") -> Iterator[subprocess.Popen[bytes]]:
    how = ["-c", code] if code else ["-m", "tests.faults.follower_process"]
    command = [sys.executable, *how, str(journal), str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def append(journal: Path, *rows: Change) -> None:
    with journal.open("a", encoding="ascii") as file:
        file.write("".join(map(row_line, rows)))


def in_lmdb(directory: Path) -> bytes:
    reader = ReplicaReader(directory)
    transaction = reader.begin()
    try:
        octets = reader.record(transaction, KEY)
        return b"" if octets is None else Record(octets).public_json
    finally:
        transaction.abort()
        reader.close()


def in_table(reader: HotTableReader) -> bytes:
    find = reader.turn()
    return (public_json(find(KEY)) if find else None) or b""


@pytest.mark.parametrize(("module", "name", "after"), MOMENTS.values(), ids=MOMENTS.keys())
async def test_a_table_left_behind_is_retired_before_the_change_is_announced(
    module: str, name: str, after: int, tmp_path: Path
) -> None:
    journal, directory = tmp_path / "journal", tmp_path / "replica"
    append(journal, prefix_change(1, PREFIX), identifier_change(2, f"{PREFIX}/SN1", url("https://example.com/old")))
    with started(journal, directory, DYING.format(module=module, name=name, after=after)) as dying:
        await eventually(lambda: current_name((directory / "current").resolve()))
        reader = HotTableReader((directory / "current").resolve())
        await eventually(lambda: b"/old" in in_table(reader))
        append(journal, identifier_change(3, f"{PREFIX}/SN1", url("https://example.com/new")))
        announced, _ = await asyncio.to_thread(dying.communicate, timeout=30.0)
    assert dying.returncode == 9
    assert b"3 3\n" not in announced
    assert b"/new" in in_lmdb(directory), "it died behind its commit"
    with started(journal, directory) as again:
        assert again.stdout is not None
        assert Cursor(*map(int, again.stdout.readline().split())) == Cursor(3, 3)
        assert b"/old" not in in_table(reader)
        await eventually(lambda: b"/new" in in_table(reader))
