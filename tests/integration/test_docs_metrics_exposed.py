"""What a running node exposes is what docs/metrics.md lists."""

import re
from pathlib import Path

import aiohttp

from tests.support import NodeProcess, eventually

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
ALWAYS_THERE = {
    "idnode_connections",
    "idnode_journal_depth",
    "idnode_process_starts_total",
    "idnode_replica_lag_seconds",
    "process_open_fds",
}


OF_EVERY_PROCESS = {
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "python_gc_collections_total",
}


async def test_every_process_shows_its_memory_cpu_time_and_open_files_under_its_own_name(tmp_path: Path) -> None:
    # Nobody listens there: the process is at work all the same.
    reporting = {"IDNODE_SYNC_UPSTREAM_URL": "http://127.0.0.1:9", "IDNODE_SYNC_REPORTER_PREFIX": "88.118"}
    processes = {"supervisor", "registry", "follower", "worker-0", "worker-1", "sync", "monitor"}
    expected = {(name, process) for name in OF_EVERY_PROCESS for process in processes}
    async with (
        NodeProcess(tmp_path / "data", workers=2, environment=reporting) as node,
        aiohttp.ClientSession() as client,
    ):

        async def shown() -> set[tuple[str, str]]:
            async with client.get(f"{node.url}/metrics") as answer:
                samples = re.findall(r'^([a-z_]+)\{process="([a-z0-9-]+)"', await answer.text(), re.MULTILINE)
            return {(name, process) for name, process in samples if name in OF_EVERY_PROCESS}

        async def complete() -> bool:
            return await shown() == expected

        await eventually(complete, 20.0)
        assert set(node.pids) - {"postgres"} == processes - {"supervisor"}


async def test_a_node_exposes_documented_metrics_and_no_others(tmp_path: Path) -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", DOCUMENT, re.MULTILINE))
    async with NodeProcess(tmp_path / "data") as node, aiohttp.ClientSession() as client:

        async def exposed() -> set[str]:
            async with client.get(f"{node.url}/metrics") as answer:
                return set(re.findall(r"^# TYPE ([a-z_]+) ", await answer.text(), re.MULTILINE))

        async def complete() -> set[str]:
            names = await exposed()
            return names if names >= ALWAYS_THERE else set()

        names = await eventually(complete, 20.0)
    assert names <= documented
