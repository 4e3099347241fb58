"""Reporting under kill -9 of either side: the collector ends with every row once, in order, none lost."""

import asyncio
import contextlib
import random
import sqlite3
from pathlib import Path

import aiohttp

from sync.batch import Limits
from sync.retry import RetryPolicy
from tests.support import eventually
from tests.sync_reporting import ReportingProcess, Source, TopNodeProcess, differences, reporting_settings

SCOPES = ("88.118.8", "88.118.9", "88.118.10")
CHANGES = 2_000
KILLS = 5
FAULTS = "lose-acks=0.1,unavailable=0.1,duplicate=0.1,pending=0.1,reject=0.01,retry-after-s=0"


async def test_whatever_is_killed_the_collector_ends_with_each_row_once_in_order(
    registry_database: str, tmp_path: Path
) -> None:
    dice = random.Random(20310506)
    collector = TopNodeProcess(tmp_path, "--fault", FAULTS, "--seed", "7")
    settings = reporting_settings(
        registry_database, collector.url, limits=Limits(max_rows=25), retry=RetryPolicy(base_s=0.05, cap_s=0.2)
    )
    reporter = ReportingProcess(settings, tmp_path)
    try:
        async with Source(registry_database) as source:
            await collector.begin()
            reporter.start()
            await source.template()
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(_write(source, dice))
                tasks.create_task(_kill(reporter, collector, writing, dice))
            await eventually(lambda: _agree(source, collector), 30, retrying=(aiohttp.ClientError, OSError))
            assert differences(source.live(), await collector.live()) == {}
            sequences = await source.sequences()
            assert await source.open_rows() == {}
    finally:
        reporter.end()
        collector.end()
    assert "Traceback" not in reporter.log
    _check_collector(collector.data_dir / "top-node.sqlite3", sequences, source)


async def _write(source: Source, dice: random.Random) -> None:
    """Register, change and withdraw, a few in each transaction, some rolled back."""
    written = 0
    while written < CHANGES:
        count = dice.randint(1, 12)
        names = {f"{dice.choice(SCOPES)}/{dice.randrange(700)}" for _ in range(count)}
        changes = [(_operation(source, name, dice), name, f"name {dice.randrange(100)}") for name in names]
        rolled_back = dice.random() < 0.1
        await source.write(*changes, rolled_back=rolled_back)
        written += 0 if rolled_back else len(changes)
        await asyncio.sleep(0.003)


def _operation(source: Source, name: str, dice: random.Random) -> str:
    known = source.true.get(name)
    if known is None or not known.active:
        return "create"
    return "withdraw" if dice.random() < 0.3 else "update"


async def _kill(
    reporter: ReportingProcess, collector: TopNodeProcess, writing: asyncio.Task[None], dice: random.Random
) -> None:
    """Kill and start both sides again and again, at moments of no meaning, while the journal grows and a bit longer."""
    kills = 0
    while not writing.done() or kills < KILLS:
        await asyncio.sleep(dice.uniform(0.1, 0.6))
        if dice.random() < 0.7:
            reporter.end()
            reporter.start()
        else:
            collector.end()
            await asyncio.sleep(dice.uniform(0.0, 0.3))
            await collector.begin()
        kills += 1


async def _agree(source: Source, collector: TopNodeProcess) -> bool:
    return await source.all_acknowledged() and source.live() == await collector.live()


def _check_collector(path: Path, sequences: dict[str, int], source: Source) -> None:
    """Look into the collector's own book: no gap, no row twice, versions only upwards, both sides' counts the same."""
    with contextlib.closing(sqlite3.connect(path)) as book:
        for scope in SCOPES:
            taken = [
                n
                for (n,) in book.execute(
                    "SELECT sequence FROM batches WHERE table_id = 'T9' AND scope = ? ORDER BY number", (scope,)
                )
            ]
            assert taken == list(range(1, sequences[scope] + 1))
        applied = book.execute("SELECT key, ver FROM applied WHERE table_id = 'T9' ORDER BY number").fetchall()
    assert len(applied) == len(set(applied))
    latest: dict[str, int] = {}
    for key, ver in applied:
        assert ver > latest.get(key, 0)
        latest[key] = ver
    assert {key: latest[key] for key, one in source.true.items() if one.active} == {
        key: one.version for key, one in source.true.items() if one.active
    }
