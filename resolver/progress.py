r"""The follower's progress socket: it is woken here, and tells here how far the replica has come.

A Unix stream socket for processes of the same node (mode 0600). Client to follower: `wake\n` after a commit, a hint
that only saves waiting for the next poll. Follower to client: `<xid> <seq>\n` on connect and after each commit of the
replica. Slow readers are cut off rather than buffered for.
"""

import asyncio
import logging
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from identifiers.changes import START, Cursor

CLIENTS_MAX = 64
LINE_OCTETS_MAX = 64
UNSENT_OCTETS_MAX = 65_536
WAKE = b"wake"

log = logging.getLogger(__name__)


class ProgressServer:
    """Serves the progress socket at `path` while its block is entered. `woken` is set by every wake line."""

    def __init__(self, path: Path, woken: asyncio.Event) -> None:
        self._path = path
        self._woken = woken
        self._clients: set[_Client] = set()
        self._cursor = START
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        listener = _listener(self._path)
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: _Client(self), sock=listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.close()
        self._path.unlink(missing_ok=True)

    def announce(self, cursor: Cursor) -> None:
        """Tell every client the position the replica has reached, and each later one when it connects."""
        self._cursor = cursor
        for client in list(self._clients):
            client.tell(cursor)

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    def admit(self, client: "_Client") -> bool:
        """Take a client in and tell it the position, unless there are too many."""
        if len(self._clients) >= CLIENTS_MAX:
            log.warning("the progress socket already has %d clients; another was refused", CLIENTS_MAX)
            return False
        self._clients.add(client)
        client.tell(self._cursor)
        return True

    def forget(self, client: "_Client") -> None:
        """Forget a client that is gone."""
        self._clients.discard(client)

    def wake(self) -> None:
        """Something was committed: read the journal now rather than at the next poll."""
        self._woken.set()


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: ProgressServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        if not self._server.admit(self):
            transport.close()

    def data_received(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        if WAKE in lines:
            self._server.wake()
        if any(line != WAKE for line in lines) or len(self._unread) > LINE_OCTETS_MAX:
            log.warning("a client of the progress socket sent something other than `wake` and was cut off")
            self.close()

    def tell(self, cursor: Cursor) -> None:
        """Send a position, or cut the client off when it does not read."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > UNSENT_OCTETS_MAX:
            log.warning("a client of the progress socket does not read and was cut off")
            transport.abort()
            return
        transport.write(b"%d %d\n" % cursor)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's own signature
        self._server.forget(self)


def _listener(path: Path) -> socket.socket:
    """Bind `path`, replacing what a killed follower left; close it to other users before anyone can connect."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.setblocking(False)  # noqa: FBT003 - the library's own positional flag
    except OSError:
        listener.close()
        raise
    return listener
