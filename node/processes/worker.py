"""A worker process: answers lookups from this host's replica, and passes writes on to the registry."""

from prometheus_client import CollectorRegistry

from node.metrics import process_registry
from node.processes.lifetime import Lifetime
from node.processes.order import Order
from resolver.connection_limits import ConnectionLimits
from resolver.metrics import Figures
from resolver.spool import SpoolLimits
from resolver.worker import WorkerSettings, run_worker

# Answers under way at the end; the supervisor waits a little longer than this before it kills.
DRAIN_S = 10.0


async def run(order: Order, life: Lifetime) -> None:
    """Serve until the process has to end; ready when it listens."""
    figures = Figures(CollectorRegistry(), of_process=process_registry())
    await run_worker(_settings(order), life.stop, listening=lambda _port: life.ready(), figures=figures)


def _settings(order: Order) -> WorkerSettings:
    http, spool, paths = order.settings.http, order.settings.spool, order.paths
    return WorkerSettings(
        process=order.process,
        host=http.address.host,
        port=order.port,
        replica=paths.replica,
        spool=paths.spool,
        metrics=paths.metrics,
        registry_socket=paths.registry_socket,
        trusted_proxies=tuple(str(network) for network in http.trusted_proxies),
        connections=ConnectionLimits(
            head_s=http.header_timeout_s,
            idle_s=http.idle_timeout_s,
            stall_s=http.write_stall_timeout_s,
            per_address=http.connections_per_address_max,
            total=http.connections_max,
        ),
        spool_limits=SpoolLimits(flush_s=spool.flush_s, octets_max=spool.octets_max),
        drain_s=DRAIN_S,
    )
