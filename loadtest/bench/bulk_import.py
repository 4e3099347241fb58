"""Bulk import: records through the API with all its checks, against raw COPY of the rows they became."""

from __future__ import annotations

import asyncio
import shutil
import time
from statistics import median
from typing import TYPE_CHECKING

from loadtest.bench import settings
from loadtest.bench.api import NodeApi
from loadtest.bench.dataset import batches
from loadtest.bench.measures import BULK_IMPORT, ratio
from loadtest.bench.raw_copy import raw_copy_s
from loadtest.bench.running_node import bench_node

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.bench.measures import Measure, Outcome
    from loadtest.bench.running_node import BenchNode


def measure_bulk_import(bench: settings.Settings, _: set[Measure], say: Callable[[str], None]) -> list[Outcome]:
    """Import `bench.import_rows` records below a new prefix each round, then COPY the same rows, on a fresh node."""
    data_dir = bench.work / "import"
    shutil.rmtree(data_dir, ignore_errors=True)
    say(f"bulk import of {bench.import_rows:,} records, batches of {settings.BATCH_ROWS:,}")
    with bench_node(data_dir) as node:
        api_rates, copy_rates = asyncio.run(_rounds(node, bench, say))
    shutil.rmtree(data_dir, ignore_errors=True)
    figures = {
        "API records per second": round(median(api_rates)),
        "COPY records per second": round(median(copy_rates)),
        "records a round": float(bench.import_rows),
    }
    return [ratio(BULK_IMPORT, api_rates, copy_rates, figures)]


async def _rounds(
    node: BenchNode, bench: settings.Settings, say: Callable[[str], None]
) -> tuple[list[float], list[float]]:
    api_rates, copy_rates = [], []
    async with NodeApi(node.served.url, node.token) as api:
        await _import(api, f"{settings.IMPORT_PREFIX}.0", settings.BATCH_ROWS)
        for number in range(1, bench.rounds + 1):
            prefix = f"{settings.IMPORT_PREFIX}.{number}"
            api_rates.append(bench.import_rows / await _import(api, prefix, bench.import_rows))
            copied_s = await raw_copy_s(node.database_dsn, prefix, bench.import_rows)
            copy_rates.append(bench.import_rows / copied_s)
            say(f"  round {number}/{bench.rounds}  API {api_rates[-1]:>9,.0f}/s  COPY {copy_rates[-1]:>9,.0f}/s")
    return api_rates, copy_rates


async def _import(api: NodeApi, prefix: str, rows: int) -> float:
    """Return the seconds from the first batch to the last answer; the requests' bodies are made before."""
    await api.ensure_prefix(prefix)
    prepared = list(batches(settings.keys_of(rows, prefix)))
    began = time.perf_counter()
    await api.register(prepared, rows=rows, in_flight=settings.BATCHES_IN_FLIGHT)
    return time.perf_counter() - began
