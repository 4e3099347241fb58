"""A deposit and a restoration that are killed: nothing half-done counts, and the next run ends as if none had been."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sync import service
from tests.escrow import Desk, answers, rows_of, runs_of
from tests.registered_node import SCOPE, register, template, whole_node
from tests.registry_api import Api, running_api


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path, national_link=False) as running:
        await whole_node(running)
        await template(running, "PUMP")
        await register(running, f"{SCOPE}/A", "PUMP")
        yield running


async def killed(what: str, dsn: str, base: Path) -> None:
    """Run it until it is in the middle, and kill it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.escrow_process", what, dsn, str(base), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"in the middle\n"
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.mark.slow
async def test_a_killed_deposit_and_a_killed_restoration_leave_nothing_half_done(
    api: Api, registry_database: str, database: str, tmp_path: Path
) -> None:
    desk = Desk(registry_database, tmp_path)
    await killed("deposit", registry_database, tmp_path)
    arrived = {path.name for path in desk.arrived.iterdir()}
    assert len([name for name in arrived if not name.startswith(".")]) == 1  # no manifest, so no deposit
    await register(api, f"{SCOPE}/B", "PUMP")
    handed = await desk.deposit()  # of the files that were finished
    assert handed.resumed
    assert not list(desk.arrived.glob(".*.part"))
    assert await runs_of(registry_database) == [("FULL", None), ("FULL", "SUCCESS")]
    await desk.deposit()

    (tmp_path / "restoring").mkdir()
    await killed("restore", database, tmp_path)
    assert not list((tmp_path / "restoring").iterdir())
    assert not any((await rows_of(database)).values())
    await desk.restore(database, own=True)
    assert await answers(database) == await answers(registry_database)
