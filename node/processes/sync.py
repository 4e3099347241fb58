"""The sync process: reports to the national top-level node what the journal holds."""

from node.metrics import process_registry, published
from node.processes.lifetime import Lifetime
from node.processes.order import Order
from sync.service import run as report
from sync.settings import SyncSettings


async def run(order: Order, life: Lifetime) -> None:
    """Report until the process has to end."""
    registry = process_registry()
    async with published(registry, order.paths.metrics, order.process):
        life.ready()
        await report(_settings(order), life.stop, registry=registry)


def _settings(order: Order) -> SyncSettings:
    sync = order.settings.sync
    return SyncSettings(
        dsn=order.dsn,
        upstream_url=sync.upstream_url,
        reporter=sync.reporter_prefix,
        token=sync.token or None,
        default_template=sync.default_template or None,
    )
