"""Search by value through the API, among as many records as `searched_records` says."""

from __future__ import annotations

import asyncio
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
import asyncpg
import msgspec

from loadtest.bench import measures, settings
from loadtest.bench.api import NodeApi, ensure_prefix
from loadtest.bench.measures import Outcome
from loadtest.bench.running_node import bench_node
from loadtest.peers.served import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.bench.running_node import BenchNode

TEMPLATE = "bench-search"
ITEM = 2001
BATCHES_OF_ONE_VALUE = 20
"""So many records share a value, as a batch number does."""
_MARK = "searched.json"
_ROWS_A_STATEMENT = 500_000
_TEMPLATE_BODY = {
    "code": TEMPLATE,
    "name": "Searched records",
    "publish": True,
    "items": [
        {"index": 2000, "name": "name", "type": "name"},
        {"index": ITEM, "name": "batch", "type": "batch", "searchable": True},
    ],
}

# Straight into the tables: what is measured is the search, and a registration of each record would take an hour.
_IDENTIFIERS = """
INSERT INTO identifiers (prefix_id, key, spelling, template_id, values, created_at, updated_at)
SELECT p.id, 'hdl:' || p.prefix || '/SN' || lpad(n::text, 9, '0'), p.prefix || '/SN' || lpad(n::text, 9, '0'), t.id,
    '[{"index":2000,"type":"name","data":{"format":"string","value":"Angular contact ball bearing"},"ttl":86400},'
    || '{"index":2001,"type":"batch","data":{"format":"string","value":"B' || lpad((n / $5)::text, 9, '0')
    || '"},"ttl":86400}]', now(), now()
FROM prefixes AS p, templates AS t, generate_series($3::bigint, $4::bigint) AS n
WHERE p.prefix = $1 AND t.code = $2"""
_SEARCHED = """
INSERT INTO search_values (prefix_id, index, value, key)
SELECT p.id, $5, 'B' || lpad((n / $4)::text, 9, '0'), 'hdl:' || p.prefix || '/SN' || lpad(n::text, 9, '0')
FROM prefixes AS p, generate_series($2::bigint, $3::bigint) AS n WHERE p.prefix = $1"""


def measure_searches(bench: settings.Settings, say: Callable[[str], None]) -> Outcome:
    """Search `bench.searches` times a round for values that exist and that begin so, one search after the other."""
    data_dir = bench.work / f"searched-{bench.searched_records}"
    mark = data_dir / _MARK
    with bench_node(data_dir) as node:
        asyncio.run(ensure_prefix(node.served.url, node.token, settings.SEARCH_PREFIX))
        if not mark.exists():
            say(f"loading {bench.searched_records:,} records to search")
            asyncio.run(_load(node, bench.searched_records))
            mark.write_bytes(msgspec.json.encode({"records": bench.searched_records}))
        say(f"search by value among {bench.searched_records:,} records")
        rounds_ms = []
        for number in range(1, bench.rounds + 1):
            rounds_ms.append(round(asyncio.run(_round(node, bench, seed=number)), 2))
            say(f"  round {number}/{bench.rounds}  p95 {rounds_ms[-1]:7.2f} ms")
    value = sorted(rounds_ms)[len(rounds_ms) // 2]
    return Outcome(measures.SEARCH.name, value, rounds_ms, {"records": float(bench.searched_records)})


async def _round(node: BenchNode, bench: settings.Settings, *, seed: int) -> float:
    draw = random.Random(seed)  # noqa: S311 - a repeatable draw, not a secret
    took_ms = []
    headers = {"Authorization": f"Bearer {node.token}"}
    async with aiohttp.ClientSession(node.served.url, headers=headers) as session:
        for number in range(bench.searches):
            value = f"B{draw.randrange(bench.searched_records) // BATCHES_OF_ONE_VALUE:09d}"
            exact = number % 2 == 0
            began = time.perf_counter()
            found = await _search(session, value if exact else value[:-1], exact=exact)
            took_ms.append((time.perf_counter() - began) * 1e3)
            if found < (min(BATCHES_OF_ONE_VALUE, bench.searched_records) if exact else BATCHES_OF_ONE_VALUE):
                raise ServerFailed(f"searching {value} found {found} records")
    return sorted(took_ms)[int(len(took_ms) * 0.95)]


async def _search(session: aiohttp.ClientSession, value: str, *, exact: bool) -> int:
    query = {"prefix": settings.SEARCH_PREFIX, "index": str(ITEM), "value" if exact else "begins": value}
    async with session.get("/api/v1/identifiers:search", params=query) as answer:
        said = await answer.json()
    if answer.status != HTTPStatus.OK:
        raise ServerFailed(f"searching {value} was answered {answer.status}: {said}")
    return len(said["items"])


async def _load(node: BenchNode, records: int) -> None:
    async with NodeApi(node.served.url, node.token) as api:
        await api.create_template(_TEMPLATE_BODY)
    connection = await asyncpg.connect(node.database_dsn)
    try:
        for first in range(0, records, _ROWS_A_STATEMENT):
            last = min(first + _ROWS_A_STATEMENT, records) - 1
            await connection.execute(
                _IDENTIFIERS, settings.SEARCH_PREFIX, TEMPLATE, first, last, BATCHES_OF_ONE_VALUE, timeout=600
            )
            await connection.execute(
                _SEARCHED, settings.SEARCH_PREFIX, first, last, BATCHES_OF_ONE_VALUE, ITEM, timeout=600
            )
        await connection.execute("VACUUM ANALYZE identifiers, search_values", timeout=1800)
    finally:
        await connection.close()
