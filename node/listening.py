"""The public address, taken before any process starts, so that one in use or forbidden is told at once."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from node.addresses import HostPort
from node.errors import AddressError

_REASONS = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another address with --http",
    errno.EACCES: "this user may not; choose a port from 1024 up, or put a reverse proxy in front",
    errno.EADDRNOTAVAIL: "this host has no such address; choose one of its own, or 0.0.0.0 for all",
}


@contextmanager
def reserved(address: HostPort) -> Iterator[HostPort]:
    """Hold an address while the node runs; gives it with the port chosen where 0 was asked for.

    The socket held here never listens, so no connection comes to it; workers share its port by SO_REUSEPORT.
    Raises `AddressError`.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise AddressError(f"cannot listen on {address}: {error.strerror}; check the host in --http") from error
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        _bind(address, family, place, held)
        yield address.with_port(held.getsockname()[1])
    finally:
        held.close()


def _bind(address: HostPort, family: int, place: tuple[object, ...], held: socket.socket) -> None:
    try:
        # Without SO_REUSEPORT first: with it, we would quietly share the port with another node of this user.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(place)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror)
        raise AddressError(f"cannot listen on {address}: {reason}") from error
