"""The records the bench looks up: made up, registered through the API, and kept for the next run."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec

from loadtest.bench import settings
from loadtest.bench.api import NodeApi
from loadtest.bench.running_node import bench_node
from loadtest.keys import open_keys
from loadtest.scenarios import product_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadtest.bench.running_node import BenchNode
    from loadtest.keys import KeyPattern

# Raised when rows are made differently, so that an older data directory is not taken for a current one.
ROWS_VERSION = 1
SETTLED_FROM = 100_000
"""Fewer records PostgreSQL vacuums in a moment."""
_MARK = "loaded.json"


def row(identifier: str) -> bytes:
    """Return the line of a batch that registers an identifier."""
    values = product_values(identifier.partition("/")[2])
    return msgspec.json.encode({"identifier": identifier, "values": values}) + b"\n"


def batches(keys: KeyPattern) -> Iterator[bytes]:
    """Return the rows of all keys in pieces of BATCH_ROWS."""
    identifiers = open_keys(keys)
    for start in range(0, len(identifiers), settings.BATCH_ROWS):
        yield b"".join(map(row, identifiers[start : start + settings.BATCH_ROWS]))


@contextlib.contextmanager
def loaded_node(work: Path, records: int, name: str = "idnode") -> Iterator[BenchNode]:
    """Run a node that holds the data set of `records`; it is loaded the first time and reused afterwards."""
    data_dir = work / f"records-{records}"
    mark = data_dir / _MARK
    wanted = msgspec.json.encode({"records": records, "rows_version": ROWS_VERSION})
    with bench_node(data_dir, name) as node:
        if not mark.exists() or mark.read_bytes() != wanted:
            asyncio.run(_load(node, settings.keys_of(records)))
            if records >= SETTLED_FROM:
                node.settle()
            mark.write_bytes(wanted)
        yield node


async def _load(node: BenchNode, keys: KeyPattern) -> None:
    async with NodeApi(node.served.url, node.token) as api:
        await api.ensure_prefix(keys.prefix)
        await api.register(batches(keys), rows=keys.count, in_flight=settings.BATCHES_IN_FLIGHT)
