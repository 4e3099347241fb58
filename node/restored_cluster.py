"""The database that a registry is restored into: the one named, or the embedded one of a node that does not run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from node.claim import claimed
from node.paths import DataPaths
from node.postgres import EmbeddedPostgres
from node.settings import Settings

STOP_TIMEOUT_S = 20.0


@asynccontextmanager
async def running_cluster(settings: Settings, paths: DataPaths) -> AsyncIterator[str]:
    """Lend the DSN. Raises `NodeError` if the node runs, or its database cannot be made or started."""
    if settings.database.dsn:
        yield settings.database.dsn
        return
    async with claimed(paths):
        server = EmbeddedPostgres(paths.postgres, paths.postgres_socket)
        await asyncio.to_thread(server.initialise)
        await asyncio.to_thread(server.settle_leftovers)
        process = await asyncio.create_subprocess_exec(*server.command(), env=dict(server.environment), cwd="/")
        try:
            await server.wait_ready()
            yield server.dsn
        finally:
            await asyncio.to_thread(server.stop)
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
