"""What is registered reaches a strict collector once and in order, whatever is lost, refused or killed on the way."""

import asyncio
import contextlib
import json
import random
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from sync import service
from sync.batch import Limits
from sync.retry import RetryPolicy
from tests.registered_node import REPORTER, SCOPE, template, whole_node
from tests.registry_api import Api, running_api
from tests.support import eventually
from tests.sync_reporting import ReportingProcess, Source, TopNodeProcess, differences, reporting_settings

FAULTS: Final = "lose-acks=0.05,unavailable=0.05,retry-after-s=0"
KILLS: Final = 10
RESTARTS: Final = 2
TEMPLATE: Final = "pump"
ITEMS: Final = [{"index": 2000, "name": "产品名称", "type": "product_name", "required": True, "length_max": 200}]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is written, in lists of `rows` for a batch, and how long it may take."""

    changes: int
    rows: int
    batch_rows: int
    patience_s: float


async def test_three_thousand_changes_survive_ten_kills(registry_database: str, tmp_path: Path) -> None:
    await _carry_out(registry_database, tmp_path, Size(3_000, rows=150, batch_rows=40, patience_s=30))


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_a_hundred_thousand_changes_survive_ten_kills(registry_database: str, tmp_path: Path) -> None:
    await _carry_out(registry_database, tmp_path, Size(100_000, rows=2_500, batch_rows=500, patience_s=900))


async def _carry_out(database: str, directory: Path, size: Size) -> None:
    dice = random.Random(20310506)
    await service.prepare(database)
    collector = TopNodeProcess(directory, "--strict", "--fault", FAULTS, "--seed", "7")
    retry = RetryPolicy(base_s=0.02, cap_s=0.2)
    limits = Limits(max_rows=size.batch_rows)
    reporter = ReportingProcess(reporting_settings(database, collector.url, limits=limits, retry=retry), directory)
    try:
        async with running_api(database, directory) as api, Source(database) as source:
            await collector.begin()
            reporter.start()
            await whole_node(api)
            await template(api, TEMPLATE, items=ITEMS)
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(_write(api, size, dice))
                tasks.create_task(_disturb(reporter, collector, writing, random.Random(8)))
            await eventually(
                lambda: _agree(source, collector), size.patience_s, retrying=(aiohttp.ClientError, OSError)
            )
            registered = await _registered(source)
            assert differences(registered, _live(await collector.identifiers())) == {}
            assert await source.open_rows() == {}
            assert {
                table: len(await _rows(collector, table)) for table in ("T1", "T2", "T6", "T7", "T11")
            } == dict.fromkeys(("T1", "T2", "T6", "T7", "T11"), 1)
            versions = await source.fetch("SELECT spelling, version FROM identifiers")
    finally:
        reporter.end()
        collector.end()
    assert "Traceback" not in reporter.log
    _check_book(collector.data_dir / "top-node.sqlite3", {row["spelling"]: row["version"] for row in versions})


async def _write(api: Api, size: Size, dice: random.Random) -> None:
    """Register, change and withdraw through the API, until so many changes are committed."""
    names, withdrawn, done = list[str](), set[str](), 0
    while done < size.changes:
        changed = dice.sample(names, min(len(names), size.rows // 4))
        new = [f"{SCOPE}/SN{len(names) + n:07d}" for n in range(size.rows - len(changed))]
        rows = [_row(name, dice.randrange(10**6)) for name in [*changed, *new] if name not in withdrawn]
        (*answers, summary) = await api.admin.batch(rows, f"?on_conflict=replace&wait=false&template={TEMPLATE}")
        assert summary["summary"]["rejected"] == 0, answers[:3]
        names += new
        leaving = [name for name in dice.sample(names, size.rows // 10) if name not in withdrawn]
        await _withdraw(api, leaving)
        withdrawn.update(leaving)
        done += len(rows) + len(leaving)


async def _withdraw(api: Api, names: list[str]) -> None:
    async def some(waiting: Iterator[str]) -> None:
        for name in waiting:
            reply = await api.admin("DELETE", f"/api/v1/identifiers/{name}")
            assert reply.status < 300, reply.body

    waiting = iter(names)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(some(waiting))


def _row(name: str, number: int) -> dict[str, Any]:
    values = [{"index": 2000, "type": "product_name", "data": f"pump {number}"}]
    return {"identifier": name, "values": values}


async def _disturb(
    reporter: ReportingProcess, collector: TopNodeProcess, writing: asyncio.Task[None], dice: random.Random
) -> None:
    """Kill the reporter ten times and restart the collector twice, at moments of no meaning; go on while rows come."""
    kills = restarts = 0
    while kills < KILLS or restarts < RESTARTS or not writing.done():
        await asyncio.sleep(dice.uniform(0.2, 0.6))  # a moment of no meaning, not a wait for a condition
        if restarts < RESTARTS and dice.random() < 0.2:
            collector.end(dice.choice((signal.SIGKILL, signal.SIGTERM)))
            await collector.begin()
            restarts += 1
        elif kills < KILLS:
            reporter.end()
            reporter.start()
            kills += 1


async def _registered(source: Source) -> dict[str, tuple[int, str]]:
    """Return version and name of each identifier that the registry holds as active."""
    rows = await source.fetch("SELECT spelling, version, values FROM identifiers WHERE state = 'active'")
    return {row["spelling"]: (row["version"], json.loads(row["values"])[0]["data"]["value"]) for row in rows}


def _live(held: dict[str, dict[str, Any]]) -> dict[str, tuple[int, str]]:
    return {name: (one["ver"], one["data"]["product_name"]) for name, one in held.items() if not one["deleted"]}


async def _agree(source: Source, collector: TopNodeProcess) -> bool:
    return await _is_told(source) and await _registered(source) == _live(await collector.identifiers())


async def _is_told(source: Source) -> bool:
    (row,) = await source.fetch(
        "SELECT EXISTS (SELECT FROM report_batches WHERE state <> 'acknowledged') "
        "OR EXISTS (SELECT FROM report_rejections WHERE resend_row IS NOT NULL) AS waiting"
    )
    return not row["waiting"]


async def _rows(collector: TopNodeProcess, table: str) -> list[dict[str, Any]]:
    return [row for row in (await collector.get(f"/control/rows/{table}"))["rows"] if not row["deleted"]]


def _check_book(path: Path, versions: dict[str, int]) -> None:
    """Look into the collector's own book: no gap in a stream, no version twice, every key's versions upwards only."""
    with contextlib.closing(sqlite3.connect(path)) as book:
        streams = book.execute("SELECT table_id, scope, sequence FROM batches ORDER BY number").fetchall()
        applied = book.execute("SELECT key, ver FROM applied WHERE table_id = 'T9' ORDER BY number").fetchall()
        refused = book.execute("SELECT DISTINCT code FROM rejections").fetchall()
    sequences: dict[tuple[str, str], list[int]] = {}
    for table, scope, sequence in streams:
        sequences.setdefault((table, scope), []).append(sequence)
    assert all(taken == list(range(1, len(taken) + 1)) for taken in sequences.values())
    assert {("T1", REPORTER), ("T6", SCOPE), ("T11", SCOPE), ("T9", SCOPE)} <= sequences.keys()
    assert refused == []
    assert len(applied) == len(set(applied))
    latest: dict[str, int] = {}
    for key, ver in applied:
        assert ver > latest.get(key, 0)
        latest[key] = ver
    assert latest == {name: version for name, version in versions.items() if name in latest}
    came_and_went = set(versions) - set(latest)
    assert len(came_and_went) == 0
