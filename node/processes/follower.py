"""The follower process: keeps this host's replica equal to the journal, and tells the registry how far it is."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from identifiers.changes import Cursor
from node.metrics import process_registry, published
from node.processes.lifetime import Lifetime
from node.processes.order import Order
from registry.journal_source import PostgresJournalSource
from resolver.effective import EffectiveTimes
from resolver.environment import MapLimits
from resolver.feed_source import FeedSource
from resolver.follower import Follower
from resolver.progress import ProgressServer
from resolver.spool import Spool, SpoolLimits
from sync.key_files import load_private


async def run(order: Order, life: Lifetime) -> None:
    """Follow until the process has to end; ready as soon as there is a replica that can answer lookups."""
    registry = process_registry()
    woken = asyncio.Event()
    async with (
        aclosing(_source(order)) as source,
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
            effective=(effective := EffectiveTimes()),
        )
        limits = SpoolLimits(flush_s=order.settings.spool.flush_s, octets_max=order.settings.spool.octets_max)
        spool = Spool(
            order.paths.spool, effective, order.process, section="effective", limits=limits, registry=registry
        )
        following = tasks.create_task(follower.run())
        spooling = tasks.create_task(spool.run())
        if await life.unless_over(usable.wait()):
            life.ready()
        await life.stop.wait()
        following.cancel()
        spooling.cancel()
        await spool.close()


def _source(order: Order) -> PostgresJournalSource | FeedSource:
    mirror = order.settings.mirror
    if not mirror.upstream_url:
        return PostgresJournalSource(order.dsn)
    if mirror.sign_key_file:
        return FeedSource(mirror.upstream_url, load_private(Path(mirror.sign_key_file), mirror.key_id))
    path = Path(mirror.token_file) if mirror.token_file else order.settings.data_dir / "mirror-token"
    return FeedSource(mirror.upstream_url, path.read_text("ascii").strip())
