"""The figures of each process: collected in a registry of its own, and written to a file that any worker can show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from resolver.metrics import Figures, MetricsFile

PUBLISH_EVERY_S = 1.0


def process_registry() -> CollectorRegistry:
    """Return a registry that already shows memory, CPU time, open files and garbage collection of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


@asynccontextmanager
async def published(registry: CollectorRegistry, directory: Path, process: str) -> AsyncIterator[None]:
    """Write this process's figures every second while the block runs, and remove them at its end."""
    file = MetricsFile(Figures(registry), directory, process)
    writing = asyncio.create_task(_write(file))
    try:
        yield
    finally:
        writing.cancel()
        await asyncio.wait({writing})
        await file.close()


async def _write(file: MetricsFile) -> None:
    while True:
        await file.write()
        await asyncio.sleep(PUBLISH_EVERY_S)
