"""Processes killed at random: no acknowledged write is lost, and the replica ends equal to the registry."""

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from node.paths import DataPaths
from node.postgres import EmbeddedPostgres
from resolver.lookup import Found, Lookup
from resolver.replica_reader import ReplicaReader
from tests.faults.registrations import PREFIX, Registrations, resolved_location
from tests.support import NodeProcess, eventually, is_running

VICTIMS = ("registry", "follower", "worker-0", "worker-1")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[NodeProcess]:
    async with NodeProcess(tmp_path / "data", workers=2) as running:
        yield running


async def _all_resolve(node: NodeProcess, acknowledged: dict[str, str]) -> bool:
    async with aiohttp.ClientSession(node.url) as session:
        for identifier, location in acknowledged.items():
            assert await resolved_location(session, identifier) == location, identifier
    return True


async def _registry_records(node: NodeProcess) -> dict[str, list[dict[str, object]]]:
    paths = DataPaths(node.data_dir)
    database = EmbeddedPostgres(paths.postgres, paths.postgres_socket)
    connection = await asyncpg.connect(database.dsn)
    try:
        rows = await connection.fetch("SELECT spelling, values::text AS found FROM identifiers ORDER BY spelling")
    finally:
        await connection.close()
    return {row["spelling"]: json.loads(row["found"]) for row in rows}


def _replica_records(node: NodeProcess, names: list[str]) -> dict[str, list[dict[str, object]]]:
    reader = ReplicaReader(node.data_dir / "replica")
    lookup = Lookup(reader)
    found = {}
    for name in names:
        answer = lookup.find(name)
        assert isinstance(answer, Found), name
        found[answer.record.spelling] = json.loads(answer.record.public_json)
    assert reader.record_count() == len(names)
    reader.close()
    return found


async def _kill_at_random(node: NodeProcess, seed: int, done: asyncio.Event) -> int:
    """Kill one process after the other, each when the last one is back, until `done`; return how many."""
    chance = random.Random(seed)
    kills = 0
    while not done.is_set():
        victim = chance.choice(VICTIMS)
        pid = node.pids[victim]
        os.kill(pid, signal.SIGKILL)
        kills += 1
        await eventually(lambda: _is_back(node, victim, pid), 30.0, retrying=(KeyError, aiohttp.ClientError))  # noqa: B023 - awaited here
        try:
            await asyncio.wait_for(done.wait(), chance.uniform(0.0, 0.5))
        except TimeoutError:
            continue
    return kills


async def _is_back(node: NodeProcess, victim: str, killed: int) -> bool:
    async with aiohttp.ClientSession() as session, session.get(node.url + "/readyz") as answer:
        return node.pids[victim] != killed and bool((await answer.json())["writes"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [3_000, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_every_acknowledged_registration_survives_random_kills(node: NodeProcess, count: int) -> None:
    registrations = Registrations(node)
    await registrations.prepare()
    done = asyncio.Event()
    killer = asyncio.create_task(_kill_at_random(node, 20261122, done))
    try:
        await registrations.register(range(count))
    finally:
        done.set()
    assert await killer >= 3
    assert len(registrations.acknowledged) == count
    await eventually(
        lambda: _all_resolve(node, registrations.acknowledged),
        60.0,
        retrying=(AssertionError, aiohttp.ClientError),
    )
    registered = await _registry_records(node)
    assert set(registered) == set(registrations.acknowledged)
    assert _replica_records(node, list(registered)) == registered


@pytest.mark.timeout(180)
async def test_lookups_go_on_while_postgresql_is_down_and_writes_come_back_by_themselves(node: NodeProcess) -> None:
    registrations = Registrations(node)
    await registrations.prepare()
    await registrations.register(range(200))
    failures: list[str] = []
    stop = asyncio.Event()

    async def look_up() -> int:
        count = 0
        async with aiohttp.ClientSession(node.url) as session:
            while not stop.is_set():
                for identifier, location in registrations.acknowledged.items():
                    if await resolved_location(session, identifier) != location:
                        failures.append(identifier)
                    count += 1
                    if stop.is_set():
                        break
        return count

    load = asyncio.create_task(look_up())
    refused = await _first_refusal(node)
    assert refused.get("status") == 503
    assert int(str(refused["retry_after"])) >= 1
    await eventually(lambda: _write_works(node), 60.0, retrying=(aiohttp.ClientError, AssertionError))
    stop.set()
    assert await load > 0
    assert not failures


async def _first_refusal(node: NodeProcess) -> dict[str, object]:
    """Kill the database, and write until that shows: it may be back before a write notices, then once more."""
    body = {"values": [{"index": 1, "type": "URL", "data": "https://example.com/"}]}
    async with aiohttp.ClientSession(node.url, headers=node.authorization) as session:
        for attempt in range(1_000):
            pid = node.pids.get("postgres")  # none while it is being started again
            if pid is not None and is_running(pid):
                os.kill(pid, signal.SIGKILL)
            async with session.put(f"/api/v1/identifiers/{PREFIX}/DOWN{attempt}", json=body) as answer:
                if answer.status >= 500:
                    problem = await answer.json(content_type="application/problem+json")
                    return problem | {"retry_after": answer.headers["Retry-After"]}
    raise AssertionError("no write was refused although PostgreSQL was killed")


async def _write_works(node: NodeProcess) -> bool:
    body = {"values": [{"index": 1, "type": "URL", "data": "https://example.com/again"}]}
    async with (
        aiohttp.ClientSession(node.url, headers=node.authorization) as session,
        session.put(f"/api/v1/identifiers/{PREFIX}/AGAIN", json=body) as answer,
    ):
        return answer.status in (200, 201)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("harm", ["deleted", "truncated", "garbage"])
async def test_a_damaged_replica_is_rebuilt_by_itself(node: NodeProcess, harm: str) -> None:
    registrations = Registrations(node)
    await registrations.prepare()
    await registrations.register(range(300))
    replica = node.data_dir / "replica"
    data = (replica / "current").resolve() / "data.mdb"
    if harm == "deleted":
        data.unlink()
    elif harm == "truncated":
        os.truncate(data, 5_000)
    else:
        with data.open("r+b") as file:
            file.write(os.urandom(data.stat().st_size))
    await eventually(
        lambda: _all_resolve(node, registrations.acknowledged),
        60.0,
        retrying=(AssertionError, aiohttp.ClientError, KeyError),
    )
    # What was deleted goes on answering from the map until it has been rebuilt.
    await eventually(lambda: (replica / "current").resolve() != data.parent, 30.0)
    registered = await _registry_records(node)
    assert _replica_records(node, list(registered)) == registered


@pytest.mark.timeout(180)
async def test_a_killed_supervisor_leaves_a_node_that_starts_again_with_everything(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "data")
    await node.start()
    registrations = Registrations(node)
    await registrations.prepare()
    await registrations.register(range(200))
    await node.kill()
    async with node:
        await eventually(
            lambda: _all_resolve(node, registrations.acknowledged), 30.0, retrying=(AssertionError, aiohttp.ClientError)
        )
