"""What the registry's process does for its tables beside answering: their maintenance, and the figures about them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
from prometheus_client import CollectorRegistry, Gauge

from registry import journal
from registry.context import RegistryContext
from registry.database import connected
from registry.errors import RegistryError
from registry.maintenance import ACCESS_KEPT_DAYS, maintain
from registry.service import jobs, quotas
from registry.service.status import DEPTH_MAX
from registry.tables.jobs import OPEN_STATES, count_open_by_state

MAINTAIN_EVERY_S: Final = 60.0
MEASURE_EVERY_S: Final = 5.0

_log = logging.getLogger(__name__)


async def keep_tables(
    context: RegistryContext, journal_kept_days: int, access_kept_days: int = ACCESS_KEPT_DAYS
) -> None:
    """Maintain the tables about once a minute, until cancelled; what fails is done at the next time."""

    async def once() -> None:
        async with connected(context.pool) as connection:
            await maintain(
                connection,
                context.clock(),
                journal_kept_days=journal_kept_days,
                access_kept_days=access_kept_days,
            )

    await _again_and_again(once, MAINTAIN_EVERY_S, "the tables are not maintained now")


async def measure_journal(context: RegistryContext, registry: CollectorRegistry) -> None:
    """Show how much of the journal this host's replica has not read, until cancelled."""
    depth = Gauge(
        "idnode_journal_depth",
        f"Changes in the journal that the replica of this host has not read, counted up to {DEPTH_MAX}",
        registry=registry,
    )

    async def once() -> None:
        position = context.barrier.position
        if position is not None:
            async with connected(context.pool) as connection:
                depth.set(await journal.depth(connection, position, DEPTH_MAX))

    await _again_and_again(once, MEASURE_EVERY_S, "the journal is not measured now")


async def keep_jobs(context: RegistryContext) -> None:
    """Forget jobs that ended long ago and count what quotas are measured by, until cancelled."""

    async def once() -> None:
        async with connected(context.pool) as connection:
            await jobs.forget_expired(connection, context.clock(), context.settings.jobs.kept)
            await quotas.recount_due(connection, context.clock())

    await _again_and_again(once, MAINTAIN_EVERY_S, "jobs and quotas are not maintained now")


async def measure_jobs(context: RegistryContext, registry: CollectorRegistry) -> None:
    """Show how many jobs have not ended, until cancelled."""
    about = "Jobs that have not ended, of all hosts on this database"
    gauge = Gauge("idnode_jobs", about, ["state"], registry=registry)

    async def once() -> None:
        async with connected(context.pool) as connection:
            counts = await count_open_by_state(connection)
        for state in OPEN_STATES:
            gauge.labels(state).set(counts.get(state, 0))

    await _again_and_again(once, MEASURE_EVERY_S, "the jobs are not counted now")


async def _again_and_again(once: Callable[[], Awaitable[None]], every_s: float, complaint: str) -> None:
    failing = False
    while True:
        try:
            await once()
            failing = False
        except (RegistryError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # Said once: it lasts as long as the database is away.
            if not failing:
                _log.warning("%s: %s", complaint, error or type(error).__name__)
            failing = True
        await asyncio.sleep(every_s)
