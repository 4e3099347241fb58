"""The sync process: reports to the national top-level node what the journal holds, and makes deposits."""

import asyncio
from pathlib import Path

from node.escrow_settings import escrow_settings
from node.metrics import process_registry, published
from node.monitor.event_spool import unentered
from node.processes.lifetime import Lifetime
from node.processes.order import Order
from node.settings import Sync
from sync.escrow.service import run as make_deposits
from sync.service import EventWay
from sync.service import run as report
from sync.settings import SyncSettings, Upstream


async def run(order: Order, life: Lifetime) -> None:
    """Report, make deposits, or both, until the process has to end."""
    registry = process_registry()
    async with published(registry, order.paths.metrics, order.process):
        life.ready()
        spool = order.paths.events
        way = EventWay(lambda: unentered(spool), order.paths.events_told_directly)
        async with asyncio.TaskGroup() as tasks:
            if order.settings.escrow.prefixes:
                tasks.create_task(make_deposits(escrow_settings(order.settings, order.dsn), life.stop))
            if order.settings.sync.reports:
                event_way = way if order.settings.monitors else None
                tasks.create_task(report(_settings(order), life.stop, registry=registry, event_way=event_way))


def _settings(order: Order) -> SyncSettings:
    sync = order.settings.sync
    return SyncSettings(
        dsn=order.dsn,
        upstream_url=sync.upstream_url,
        reporter=sync.reporter_prefix,
        upstream=_upstream(sync),
        token=sync.token or None,
        default_template=sync.default_template or None,
        hold_periods=sync.hold_periods,
        holidays_file=_path(sync.holidays_file),
    )


def _upstream(sync: Sync) -> Upstream:
    return Upstream(
        transport=sync.transport,
        second=sync.second_transport,
        urls=tuple(url.strip() for url in sync.upstream_urls.split(",") if url.strip()),
        srv=sync.upstream_srv,
        sign_key_file=_path(sync.sign_key_file),
        key_id=sync.key_id,
        collector_key_file=_path(sync.upstream_key_file),
        tls_certificate_file=_path(sync.tls_certificate_file),
        tls_key_file=_path(sync.tls_key_file),
        tls_ca_file=_path(sync.tls_ca_file),
        sftp_url=sync.upstream_sftp,
        sftp_key_file=_path(sync.sftp_key_file),
        sftp_host_key=sync.sftp_host_key,
        directory=_path(sync.upstream_directory),
    )


def _path(written: str) -> Path | None:
    return Path(written) if written else None
