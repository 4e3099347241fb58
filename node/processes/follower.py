"""The follower process: keeps this host's replica equal to the journal, and tells the registry how far it is."""

import asyncio
from contextlib import aclosing

from identifiers.changes import Cursor
from node.metrics import process_registry, published
from node.processes.lifetime import Lifetime
from node.processes.order import Order
from registry.journal_source import PostgresJournalSource
from resolver.environment import MapLimits
from resolver.follower import Follower
from resolver.progress import ProgressServer


async def run(order: Order, life: Lifetime) -> None:
    """Follow until the process has to end; ready as soon as there is a replica that can answer lookups."""
    registry = process_registry()
    woken = asyncio.Event()
    async with (
        aclosing(PostgresJournalSource(order.dsn)) as source,
        ProgressServer(order.paths.follower_socket, woken) as progress,
        published(registry, order.paths.metrics, order.process),
        asyncio.TaskGroup() as tasks,
    ):
        usable = asyncio.Event()

        def announce(cursor: Cursor) -> None:
            progress.announce(cursor)
            usable.set()

        replica = order.settings.replica
        follower = Follower(
            source,
            order.paths.replica,
            announce,
            woken=woken,
            map_limits=MapLimits(replica.map_initial_octets, replica.map_max_octets),
            hot_table=replica.hot_table,
            registry=registry,
        )
        following = tasks.create_task(follower.run())
        if await life.unless_over(usable.wait()):
            life.ready()
        await life.stop.wait()
        following.cancel()
