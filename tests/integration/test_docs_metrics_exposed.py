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
