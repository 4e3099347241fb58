"""The reporting process: journal to queue, queue to collector, and the upkeep of both, until it is told to stop."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import asyncpg
from prometheus_client import CollectorRegistry

from registry.migrate import migrate
from registry.tables.node_events import Event
from sync import standing
from sync.batcher import Batcher
from sync.context import Context
from sync.database import DatabaseAway, Pool, connected, open_pool
from sync.delivery import Delivery
from sync.direct_events import DirectEvents
from sync.directives.follow import Follower
from sync.directives.services import SERVICES
from sync.event_outbox import EventOutbox
from sync.events import EventFeed
from sync.intake import onward
from sync.link import Link
from sync.metrics import SyncMetrics
from sync.monthly.task import MonthlyTask
from sync.monthly.working_days import calendar_or_provisional
from sync.outbox import batches
from sync.outbox.feeds import FeedMoved
from sync.periods import Closer
from sync.queueing import Queue
from sync.reconciler import Reconciler
from sync.settings import SyncSettings
from sync.state_feed import StateFeed
from sync.tables import journal_table, tables
from sync.takeover import AfterTakeovers
from sync.transport import Transport
from sync.transports.opening import UpstreamUnusable, open_transport

MIGRATIONS: Final = Path(__file__).with_name("migrations")
CONNECT_TIMEOUT_S: Final = 10.0
UPKEEP_S: Final = 15.0
RECONCILE_POLLS: Final = 5
"""Which stream is to be compared is looked for less often than batches: it goes over all streams."""
BODIES_FORGOTTEN_AT_ONCE: Final = 500

_log = logging.getLogger(__name__)


async def prepare(dsn: str) -> None:
    """Bring the reports' tables to this release's schema; raises DatabaseAway and MigrationError."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        try:
            await migrate(connection, "sync", MIGRATIONS)
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise DatabaseAway(f"PostgreSQL: {error or type(error).__name__}") from error


class EventWay(NamedTuple):
    """How events go while PostgreSQL is away: what it lacks of them, and the file of what is under way."""

    unentered: Callable[[], Sequence[Event]]
    outbox: Path


async def run(
    settings: SyncSettings,
    stop: asyncio.Event,
    *,
    registry: CollectorRegistry | None = None,
    event_way: EventWay | None = None,
) -> None:
    """Report until `stop` is set; PostgreSQL and the collector may be away at any time, the start included.

    Without an `event_way` events wait for PostgreSQL. Whatever is under way at the end has an unknown end, and is done
    again at the next start: no data depends on a clean stop.
    """
    transport = await _transport(settings, stop)
    if transport is None:
        return
    metrics = SyncMetrics(registry if registry is not None else CollectorRegistry())
    async with _context(settings, metrics, transport) as context:
        link = Link(context, settings.limits)
        delivery = Delivery(context, link, poll_s=settings.poll_s)
        direct = _direct(context, link, delivery, event_way)
        while not await _prepared(settings, stop):
            if stop.is_set():
                return
            if direct is not None:
                await direct.send()
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(delivery.run()), tasks.create_task(_keep_up(settings, context, link))]
            follower = Follower(context, SERVICES, delivery.wake)
            running.append(tasks.create_task(follower.run(settings.directives_poll_s)))
            queue = Queue(context, journal_table(context.tables), lambda: link.limits)
            running.append(
                tasks.create_task(Reconciler(context, queue, delivery.wake).run(RECONCILE_POLLS * settings.poll_s))
            )
            batcher = Batcher(context, journal_table(context.tables), limits=lambda: link.limits)
            feeds = (batcher, StateFeed(context))
            running += [tasks.create_task(_feed(feed, context, delivery, settings.poll_s)) for feed in feeds]
            running.append(tasks.create_task(Closer(context).run(delivery.wake)))
            running.append(tasks.create_task(onward.run(context, delivery.wake, settings.poll_s)))
            running.append(tasks.create_task(AfterTakeovers(context).run(delivery.wake)))
            running.append(tasks.create_task(EventFeed(context, direct).run(delivery.wake)))
            calendar = calendar_or_provisional(settings.holidays_file)
            running.append(tasks.create_task(MonthlyTask(context, calendar).run()))
            await stop.wait()
            for task in running:
                task.cancel()


def _direct(context: Context, link: Link, delivery: Delivery, way: EventWay | None) -> DirectEvents | None:
    if way is None:
        return None
    direct = DirectEvents(context, link, delivery, way.unentered, EventOutbox(way.outbox))
    delivery.leave_events_to(lambda: direct.holds)
    return direct


async def _prepared(settings: SyncSettings, stop: asyncio.Event) -> bool:
    """Whether the tables are ready now; if not, returns after a while, or as soon as `stop` is set."""
    try:
        await prepare(settings.dsn)
    except DatabaseAway as error:
        _log.warning("reports cannot begin yet: %s", error)
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.poll_s):
                await stop.wait()
        return False
    return True


async def _transport(settings: SyncSettings, stop: asyncio.Event) -> Transport | None:
    """Open the way to the collector; while its settings or key files are wrong, say so and look again until `stop`."""
    told = ""
    while not stop.is_set():
        try:
            return open_transport(settings, Random(), lambda: datetime.now(UTC))  # noqa: S311 - guards no secret
        except UpstreamUnusable as error:
            if str(error) != told:
                told = str(error)
                _log.error("reports cannot begin: %s", told)
        with suppress(TimeoutError):
            async with asyncio.timeout(UPKEEP_S):
                await stop.wait()
    return None


@asynccontextmanager
async def _context(settings: SyncSettings, metrics: SyncMetrics, transport: Transport) -> AsyncIterator[Context]:
    pool: Pool = await open_pool(settings.dsn)
    try:
        yield Context(
            dsn=settings.dsn,
            pool=pool,
            transport=transport,
            tables=tables(settings.reporter, settings.default_template),
            reporter=settings.reporter,
            policy=settings.retry,
            random=Random(),  # noqa: S311 - spreads retries, guards no secret
            now=lambda: datetime.now(UTC),
            metrics=metrics,
            hold_periods=settings.hold_periods,
        )
    finally:
        await transport.aclose()
        pool.terminate()


async def _feed(batcher: Batcher | StateFeed, context: Context, delivery: Delivery, poll_s: float) -> None:
    """Keep the queues of one feed up with the journal; looking every `poll_s` is the truth, no hint is needed."""
    failures = 0
    while True:
        try:
            read, more = await batcher.step()
            resent = await batcher.resend()
            failures = 0
        except DatabaseAway as error:
            failures += 1
            context.metrics.failed("database")
            if failures == 1:
                _log.warning("the journal cannot be read, reports wait: %s", error)
            await asyncio.sleep(min(poll_s, context.policy.delay_s(failures, context.random)))
            continue
        except FeedMoved as error:
            # Another process of this node reports too. Harmless: positions, locks and batch ids keep rows single.
            _log.warning("%s", error)
            read, more, resent = True, True, False
        if read or resent:
            delivery.wake()
        if not more:
            await asyncio.sleep(poll_s)


async def _keep_up(settings: SyncSettings, context: Context, link: Link) -> None:
    """Show how reporting stands, and drop bodies kept long enough."""
    key_id = settings.upstream.key_id or None
    while True:
        link.changed.clear()
        try:
            await standing.show(context, link, key_id)
            async with connected(context.pool) as connection:
                before = context.now() - timedelta(days=settings.keep_bodies_days)
                while await batches.forget_bodies(connection, before, BODIES_FORGOTTEN_AT_ONCE):
                    pass
        except DatabaseAway:
            context.metrics.failed("database")
        with suppress(TimeoutError):
            async with asyncio.timeout(UPKEEP_S):
                await link.changed.wait()
