"""The replica is deleted, cut short or overwritten under a running node: lookups go on, and it is built again."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from identifiers.changes import Change
from tests.faults.follower_process import row_line
from tests.integration.running_worker import PREFIX, Worker, running
from tests.support import eventually
from tests.unit.replica_states import identifier_change, prefix_change, url

ROOT = Path(__file__).parents[2]


@contextmanager
def follower(journal: Path, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.faults.follower_process", str(journal), str(directory)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def append(journal: Path, *rows: Change) -> None:
    with journal.open("a", encoding="ascii") as file:
        file.write("".join(map(row_line, rows)))


@asynccontextmanager
async def lookups(worker: Worker) -> AsyncIterator[list[int]]:
    """Look a name up all the time; gives the statuses that were not 200."""
    failures: list[int] = []

    async def ask_on() -> None:
        while True:
            for path in (f"/api/handles/{PREFIX}/SN1", f"/api/handles/{PREFIX}/SN1?"):
                status, _, _ = await worker.ask(path)
                if status != 200:
                    failures.append(status)
            await asyncio.sleep(0)

    task = asyncio.create_task(ask_on())
    try:
        yield failures
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def data(replica: Path) -> Path:
    return replica / "current" / "data.mdb"


def published_at(replica: Path) -> int:
    """Return when the current generation was made so; inode numbers come back too soon to tell files apart."""
    return (replica / "current").lstat().st_mtime_ns


def delete_everything(replica: Path) -> None:
    """Move it all away first: whoever still writes into a directory would make its removal fail."""
    lost = Path(tempfile.mkdtemp(dir=replica.parent))
    for path in replica.iterdir():
        path.rename(lost / path.name)
    shutil.rmtree(lost, ignore_errors=True)


def delete_the_file(replica: Path) -> None:
    data(replica).unlink()


def replace_the_file(replica: Path) -> None:
    other = data(replica).with_name("other")
    other.write_bytes(b"not a replica" * 1_000)
    other.replace(data(replica))


@pytest.mark.parametrize("lose", [delete_everything, delete_the_file, replace_the_file])
async def test_a_lost_replica_is_built_again_while_lookups_go_on(lose: Callable[[Path], None], tmp_path: Path) -> None:
    journal, replica = tmp_path / "journal", tmp_path / "replica"
    append(journal, prefix_change(1, PREFIX), identifier_change(2, f"{PREFIX}/SN1", url("https://example.com/1")))
    with follower(journal, replica):
        async with running(tmp_path) as worker:
            await eventually(_answers(worker, "SN1"), 20.0)
            async with lookups(worker) as failures:
                for seq in (3, 4):  # twice: what replaced it can be lost as well
                    before = published_at(replica)
                    lose(replica)
                    append(journal, identifier_change(seq, f"{PREFIX}/NEW{seq}"))
                    await eventually(lambda: published_at(replica) != before, 20.0, retrying=OSError)  # noqa: B023 - waited for inside the loop
                    await eventually(_answers(worker, f"NEW{seq}"), 20.0)
                append(journal, identifier_change(5, f"{PREFIX}/LAST"))
                await eventually(_answers(worker, "LAST"), 20.0)
            assert not failures


def _answers(worker: Worker, suffix: str) -> Callable[[], object]:
    async def check() -> bool:
        return (await worker.ask(f"/api/handles/{PREFIX}/{suffix}"))[0] == 200

    return check
