"""A follower in a process of its own, to be killed: `python -m tests.faults.follower_process JOURNAL_FILE REPLICA`.

Its journal is a file with one row a line: a third kind of source beside PostgreSQL and memory. It says each position
it announces on its standard output.
"""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from identifiers.changes import START, Change, Cursor
from resolver.environment import MapLimits
from resolver.follower import Follower
from resolver.pace import Pace
from tests.unit.replica_states import MOMENT


def row_line(row: Change) -> str:
    """Write a row as a line of the journal file."""
    return json.dumps([row.xid, row.seq, row.kind, row.key, row.op, base64.b64encode(row.after).decode()]) + "\n"


class FileSnapshot:
    def __init__(self, rows: list[Change]) -> None:
        self.cursor = rows[-1].cursor
        self.epoch = "file"
        self._latest = list({(row.kind, row.key): row for row in rows}.values())

    async def states(self) -> AsyncIterator[list[Change]]:
        for at in range(0, len(self._latest), 20):
            yield self._latest[at : at + 20]


class FileJournal:
    def __init__(self, path: Path) -> None:
        self._path = path

    async def changes(self, after: Cursor, limit: int) -> list[Change]:
        return [row for row in self._rows() if row.cursor > after][:limit]

    async def epoch(self) -> str:
        return "file"

    async def oldest(self) -> Cursor:
        return START

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[FileSnapshot]:
        yield FileSnapshot(self._rows())

    async def aclose(self) -> None: ...

    def _rows(self) -> list[Change]:
        whole = [line for line in self._path.read_text("ascii").splitlines(keepends=True) if line.endswith("\n")]
        return [_row(*json.loads(line)) for line in whole]


def _row(xid: int, seq: int, kind: str, key: str, op: str, after: str) -> Change:
    return Change(xid, seq, MOMENT, kind, key, op, base64.b64decode(after))


def _announce(cursor: Cursor) -> None:
    sys.stdout.write(f"{cursor.xid} {cursor.seq}\n")
    sys.stdout.flush()


async def _main(journal: str, directory: str) -> None:
    pace = Pace(batch_changes=7, poll_s=0.005)
    follower = Follower(
        FileJournal(Path(journal)), Path(directory), _announce, pace=pace, map_limits=MapLimits(1 << 20)
    )
    await follower.run()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
