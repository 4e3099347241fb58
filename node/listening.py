"""The public addresses, taken before any process starts, so that one in use or forbidden is told at once."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from node.addresses import HostPort
from node.errors import AddressError

_REASONS = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another address with {option}",
    errno.EACCES: "this user may not; choose a port from 1024 up, or put a reverse proxy in front",
    errno.EADDRNOTAVAIL: "this host has no such address; choose one of its own, or 0.0.0.0 for all",
}
_TRIES: Final = 20
"""How often a free port is chosen that is to be free for datagrams too."""


@contextmanager
def reserved(address: HostPort, option: str = "--http", *, datagrams: bool = False) -> Iterator[HostPort]:
    """Hold an address while the node runs; gives it with the port chosen where 0 was asked for.

    The socket held here never listens, so no connection comes to it; workers share its port by SO_REUSEPORT. With
    `datagrams` the port is free for UDP too when this returns; it is not held, or datagrams would come here.
    `option` is what the address is chosen with. Raises `AddressError`.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise AddressError(f"cannot listen on {address}: {error.strerror}; check the host in {option}") from error
    try:
        held = _hold(family, place, datagrams=datagrams, tries=_TRIES if address.port == 0 else 1)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or "unusable").format(option=option)
        raise AddressError(f"cannot listen on {address}: {reason}") from error
    with held:
        yield address.with_port(held.getsockname()[1])


def _hold(family: int, place: tuple[object, ...], *, datagrams: bool, tries: int) -> socket.socket:
    """Return a socket that holds the port. Raises OSError."""
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        _bind(family, place, held)
        if datagrams:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((place[0], held.getsockname()[1], *place[2:]))
    except OSError:
        held.close()
        if tries > 1:
            return _hold(family, place, datagrams=datagrams, tries=tries - 1)
        raise
    return held


def _bind(family: int, place: tuple[object, ...], held: socket.socket) -> None:
    # Without SO_REUSEPORT first: with it, we would quietly share the port with another node of this user.
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(place)
