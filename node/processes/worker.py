"""A worker process: answers lookups from this host's replica, and passes writes on to the registry."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from node.addresses import HostPort
from node.handle_site import handle_settings
from node.handle_users import auth_settings
from node.metrics import process_registry
from node.probe_secret import probe_secret
from node.processes.lifetime import Lifetime
from node.processes.order import Order
from node.settings import Http
from resolver.connection_limits import ConnectionLimits
from resolver.faces.proxy.options import ProxyOptions
from resolver.metrics import Figures
from resolver.spool import SpoolLimits
from resolver.tls import TlsSettings
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
        registry_calls_socket=paths.registry_calls_socket,
        handle_state=paths.handle_state,
        handle_auth=auth_settings(order.settings.handle),
        trusted_proxies=tuple(str(network) for network in http.trusted_proxies),
        connections=ConnectionLimits(
            head_s=http.header_timeout_s,
            idle_s=http.idle_timeout_s,
            stall_s=http.write_stall_timeout_s,
            per_address=http.connections_per_address_max,
            total=http.connections_max,
        ),
        spool_limits=SpoolLimits(flush_s=spool.flush_s, octets_max=spool.octets_max),
        node_prefix=order.settings.sync.reporter_prefix,
        probe_secret=probe_secret(order.settings.secret_file),
        handle=handle_settings(order.settings, order.handle_port),
        tls=_tls(http),
        http_sessions=paths.http_sessions,
        basic_on_loopback=http.basic_on_loopback,
        links=ProxyOptions(
            enabled=http.links,
            country_header=http.country_header,
            record_headers=frozenset(name.strip().lower() for name in http.record_headers.split(",") if name.strip()),
        ),
        drain_s=DRAIN_S,
        mirror_of=order.settings.mirror.upstream_url,
    )


def _tls(http: Http) -> TlsSettings | None:
    if not http.tls_address:
        return None
    address = HostPort(http.tls_address)
    certificate, key = Path(http.tls_certificate_file), Path(http.tls_key_file)
    return TlsSettings(address.host, address.port, certificate, key, http.client_certificates)
