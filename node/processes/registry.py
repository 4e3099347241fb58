"""The registry process: the API on a Unix socket, and what it does for its tables beside answering."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from node.collector import Collector
from node.feed_reports import FeedReports
from node.handle_bounds import group_bounds
from node.handle_users import administrators
from node.intake import PATH as INTAKE
from node.intake import algorithm_of, answer_key, collector
from node.metrics import process_registry, published
from node.node_status import node_status
from node.probe_secret import probe_secret
from node.processes.lifetime import Lifetime
from node.processes.order import Order
from node.reporting import ReportingDesk
from node.secret_file import read_secret
from node.settings import Sync
from node.upkeep import keep_jobs, keep_tables, measure_jobs, measure_journal
from registry.api.plain_registrations import PlainRegistrations
from registry.app import make_app
from registry.barrier import ReplicaBarrier
from registry.calls import serve_calls
from registry.context import JobSettings, RegistryContext, RegistrySettings, SnmsSettings
from registry.database import open_pool
from registry.feed_readers import FeedReaders
from registry.handle_admin.execution import HandleAdministration
from registry.rates import RateLimits
from registry.service.job_runner import JobRunner
from resolver.spool import Spool, SpoolLimits
from sync.service import prepare as prepare_reports

# Requests under way at the end; the supervisor waits a little longer than this before it kills.
DRAIN_S = 10.0


async def run(order: Order, life: Lifetime) -> None:
    """Serve the API until the process has to end; ready when it listens."""
    paths, settings = order.paths, order.settings
    metrics = process_registry()
    if settings.sync.reports:
        await prepare_reports(order.dsn)
    pool = await open_pool(order.dsn, connections_max=settings.database.connections_max)
    try:
        async with ReplicaBarrier(paths.follower_socket) as barrier, published(metrics, paths.metrics, order.process):
            context = RegistryContext(
                pool,
                barrier,
                read_secret(settings.secret_file),
                settings=RegistrySettings(
                    resolvable_wait_s=settings.registry.resolvable_wait_ms / 1000,
                    national_link=settings.national.link,
                    probe_secret=probe_secret(settings.secret_file),
                    snapshots=paths.snapshots,
                    jobs=JobSettings(
                        octets_max=settings.jobs.octets_max,
                        rows_max=settings.jobs.rows_max,
                        open_max=settings.jobs.open_max,
                        kept=timedelta(days=settings.jobs.keep_days),
                    ),
                    snms=SnmsSettings(
                        http_status=settings.snms.http_status,
                        public_detail=settings.snms.public_detail,
                        registration_body=settings.snms.registration_body,
                    ),
                ),
                status=node_status(paths, pool, settings.sync.reporter_prefix if settings.sync.reports else ""),
                rates=RateLimits(settings.registry.requests_per_s, metrics),
                feed_readers=FeedReaders(Path(settings.feed.readers_file) if settings.feed.readers_file else None),
                reports=_feed_reports(settings.sync),
                reporting=ReportingDesk(settings.sync.reporter_prefix) if settings.sync.reports else None,
                read_report_key=algorithm_of if settings.sync.reports else None,
            )
            runner = JobRunner(pool, barrier, context.clock, context.jobs_waiting)
            limits = SpoolLimits(flush_s=settings.spool.flush_s, octets_max=settings.spool.octets_max)
            spool = Spool(
                paths.spool, context.samples, order.process, section="registrations", limits=limits, registry=metrics
            )
            handle = settings.handle
            administration = HandleAdministration(context, administrators(handle), group_bounds(handle))
            async with (
                _serving(make_app(context, _beside(context, settings.sync)), paths.registry_socket),
                serve_calls(administration, PlainRegistrations(context), _private_socket(paths.registry_calls_socket)),
                asyncio.TaskGroup() as tasks,
            ):
                beside = [
                    tasks.create_task(Collector(paths.spool, pool, metrics).run()),
                    tasks.create_task(spool.run()),
                    tasks.create_task(keep_tables(context, settings.journal.keep_days, settings.audit.access_days)),
                    tasks.create_task(measure_journal(context, metrics)),
                    tasks.create_task(keep_jobs(context)),
                    tasks.create_task(measure_jobs(context, metrics)),
                    *(tasks.create_task(runner.run()) for _ in range(settings.jobs.parallel)),
                ]
                life.ready()
                await life.stop.wait()
                for task in beside:
                    task.cancel()
            await context.snapshots.close()
            await spool.close()
    finally:
        pool.terminate()


@asynccontextmanager
async def _serving(app: web.Application, path: Path) -> AsyncIterator[None]:
    """Serve while the block runs; then end the requests under way."""
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=DRAIN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, _private_socket(path)).start()
        yield
    finally:
        await runner.cleanup()
        _remove(path)


def _private_socket(path: Path) -> socket.socket:
    """Bind a socket that only this user may connect to, in the place of one that a killed process left."""
    _remove(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(0o600)
    except OSError:
        bound.close()
        raise
    return bound


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _feed_reports(sync: Sync) -> FeedReports | None:
    return FeedReports(sync.reporter_prefix, sync.default_template or None) if sync.reports else None


def _beside(context: RegistryContext, sync: Sync) -> dict[str, web.Application]:
    """Return what is served beside the registry's API: the collector, on a node that hands reports on."""
    return {INTAKE: collector(context, sync.reporter_prefix, answer_key(sync))} if sync.reports else {}
