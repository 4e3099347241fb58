"""`idnode serve`: claims the data directory and the address, then runs a supervisor until it is told to stop."""

import asyncio
import logging
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from msgspec.structs import replace

from node.addresses import HostPort
from node.claim import claimed
from node.errors import AddressError
from node.listening import reserved
from node.paths import DataPaths
from node.settings import Handle, Settings
from node.supervisor import Supervisor

_log = logging.getLogger(__name__)

# Each connection is a file; the limit of a login shell is often 1,024.
_OPEN_FILES = 262_144


async def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run a node until SIGTERM, SIGINT or SIGHUP. `say` gets what a person should read. Raises `NodeError`."""
    stop = asyncio.Event()
    for kind in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(kind, stop.set)
    _raise_open_files()
    paths = DataPaths(settings.data_dir)
    paths.create()
    async with claimed(paths) as shared_lock:
        # What a killed node left behind; create again, as clearing also removes empty directories.
        paths.clear_run()
        paths.create()
        try:
            with (
                reserved(settings.http.address) as address,
                handle_reserved(settings.handle.address) as handle,
                _with_tls_reserved(settings) as settings_in_use,
            ):
                _log.info("the node starts in %s", paths.data_dir)
                node = Supervisor(
                    settings_in_use, paths, address=address, handle=handle, shared_lock=shared_lock, say=say
                )
                await node.run(stop)
        finally:
            paths.clear_run()


@contextmanager
def handle_reserved(address: HostPort) -> Iterator[HostPort]:
    """Hold the address of the Handle protocol. Raises `AddressError`.

    A second node on a host, of which nobody said where it is to listen, takes any free port.
    """
    with ExitStack() as held:
        try:
            found = held.enter_context(reserved(address, "--handle", datagrams=True))
        except AddressError:
            if address != Handle().address:
                raise
            found = held.enter_context(reserved(address.with_port(0), "--handle", datagrams=True))
            _log.warning("%s is taken, so the Handle protocol is spoken on %s; choose with --handle", address, found)
        yield found


@contextmanager
def _with_tls_reserved(settings: Settings) -> Iterator[Settings]:
    """Hold the address for TLS, if there is one; gives the settings with the port chosen. Raises `AddressError`."""
    if not settings.http.tls_address:
        yield settings
        return
    with reserved(HostPort(settings.http.tls_address)) as address:
        yield replace(settings, http=replace(settings.http, tls_address=str(address)))


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
