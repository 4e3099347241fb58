"""The monitor process: probes the node as its clients would, also while PostgreSQL or the registry is down."""

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from node.metrics import process_registry, published
from node.monitor.database import Database
from node.monitor.event_spool import EventSpool
from node.monitor.metrics import MonitorMetrics
from node.monitor.prober import Prober, Targets
from node.monitor.seen import Seen
from node.monitor.self_check import Rules, SelfCheck
from node.monitor.watch import Holds
from node.probe_secret import probe_secret
from node.processes.lifetime import Lifetime
from node.processes.order import Order

PROBE_NAME = "IDNODE-PROBE"


async def run(order: Order, life: Lifetime) -> None:
    """Check until the process has to end."""
    registry = process_registry()
    paths, settings = order.paths, order.settings.monitor
    database = Database(order.dsn)
    async with published(registry, order.paths.metrics, order.process):
        check = SelfCheck(
            Rules(
                prefix=order.settings.sync.reporter_prefix,
                version=version("idnode"),
                interval_s=settings.interval_s,
                routes_interval_s=settings.routes_interval_s,
                failing_percent=settings.failing_percent,
                holds=Holds(
                    timedelta(seconds=settings.abnormal_after_s), timedelta(seconds=settings.recovered_after_s)
                ),
            ),
            Prober(_targets(order), probe_secret(order.settings.secret_file)),
            EventSpool(paths.events),
            Seen(paths.monitor / "seen"),
            database,
            paths.monitor_status,
            MonitorMetrics(registry),
            lambda: datetime.now(UTC),
        )
        life.ready()
        await life.unless_over(check.run())
        await database.close()


def _targets(order: Order) -> Targets:
    settings, monitor, paths = order.settings, order.settings.monitor, order.paths
    local = settings.http.address.with_port(order.port).local_url
    handle = settings.handle.address.with_port(order.handle_port).local_url.partition("://")[2]
    return Targets(
        local=local,
        local_handle=f"handle://{handle}",
        addresses=_addresses(order, local, f"handle://{handle}"),
        identifier=monitor.probe or f"{settings.sync.reporter_prefix}/{PROBE_NAME}",
        token_file=Path(monitor.token_file) if monitor.token_file else paths.admin_token,
        probes=monitor.probes,
        data_dir=paths.data_dir,
        metrics=paths.metrics,
        disk_free_min_percent=monitor.disk_free_min_percent,
        replica_lag_max_s=monitor.replica_lag_max_s,
        blocked_percent=monitor.blocked_percent,
        time_server=monitor.time_server,
    )


def _addresses(order: Order, local: str, local_handle: str) -> tuple[str, ...]:
    """Return the published addresses: those that are set, else the public URL and where Handle clients come."""
    settings = order.settings
    if settings.monitor.addresses:
        return tuple(address.strip() for address in settings.monitor.addresses.split(",") if address.strip())
    http = settings.public_url or local
    hosts = [host.strip() for host in settings.handle.public_addresses.split(",") if host.strip()]
    named = [f"[{host}]" if ":" in host else host for host in hosts]
    handle = [f"handle://{host}:{order.handle_port}" for host in named]
    return (http, *(handle or [local_handle]))
