"""The reporting process of a real node: what the API acknowledged arrives at the collector, though it is killed."""

import os
import signal
from pathlib import Path

import aiohttp

from tests.support import NodeProcess, eventually
from tests.sync_reporting import REPORTER, TopNodeProcess

PREFIX = f"{REPORTER}.8"


async def test_what_is_registered_through_the_api_is_reported(tmp_path: Path) -> None:
    collector = TopNodeProcess(tmp_path, "--fault", "lose-acks=0.2,retry-after-s=0")
    environment = {
        "IDNODE_SYNC_UPSTREAM_URL": collector.url,
        "IDNODE_SYNC_REPORTER_PREFIX": REPORTER,
        "IDNODE_SYNC_DEFAULT_TEMPLATE": "GENERAL",
    }
    await collector.begin()
    try:
        async with NodeProcess(tmp_path / "data", environment=environment) as node:
            async with aiohttp.ClientSession(node.url, headers=node.authorization) as session:
                await session.post("/api/v1/prefixes", json={"prefix": PREFIX, "name": "Pumps"})
                for n in range(20):
                    body = {"values": [{"index": 1, "type": "URL", "data": f"https://example.com/{n}"}]}
                    async with session.put(f"/api/v1/identifiers/{PREFIX}/{n}", json=body) as answer:
                        assert answer.status in {200, 201, 202}, await answer.text()
                    if n == 10:
                        os.kill(node.pids["sync"], signal.SIGKILL)
                async with session.delete(f"/api/v1/identifiers/{PREFIX}/3") as answer:
                    assert answer.status in {200, 202, 204}, await answer.text()
            expected = {f"{PREFIX}/{n}" for n in range(20) if n != 3}
            await eventually(lambda: _same(collector, expected), 30)
            held = await collector.identifiers()
            await eventually(lambda: _all_acknowledged(node))
            await eventually(lambda: _shown(node, 'idnode_sync_rows_total{process="sync"'))
    finally:
        collector.end()
    assert held[f"{PREFIX}/7"]["data"]["metadata_id"] == f"{REPORTER}/TPL-GENERAL"


async def _same(collector: TopNodeProcess, expected: set[str]) -> bool:
    return set(await collector.live()) == expected


async def _all_acknowledged(node: NodeProcess) -> bool:
    """Whether the node's status tells that reporting is done."""
    async with (
        aiohttp.ClientSession(headers=node.authorization) as session,
        session.get(node.url + "/api/v1/status") as answer,
    ):
        sync = (await answer.json())["more"]["sync"]
    waiting = (sync["queue_rows"], sync["oldest_unacknowledged"], sync["halted"])
    return bool(sync["acknowledged_at"]) and waiting == (0, None, [])


async def _shown(node: NodeProcess, figure: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(node.url + "/metrics") as answer:
        return figure in await answer.text()
