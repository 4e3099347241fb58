"""The Handle server of one worker: TCP and UDP on one port, shared with the other workers (handle wire 19)."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Final

from resolver.faces.desk import Desk
from resolver.handle.answering import Authentication, NoAuthentication
from resolver.handle.connections import Connections
from resolver.handle.dispatch import Dispatch
from resolver.handle.limits import CLOSING_S, HandleSettings
from resolver.handle.resolve import Resolution
from resolver.handle.server_key import read_server_key
from resolver.handle.tcp import TcpConnection
from resolver.handle.tcp_face import TcpFace
from resolver.handle.udp import UdpFace
from resolver.handle.writing import Writing

BACKLOG: Final = 4_096
RECEIVE_OCTETS: Final = 4 << 20
"""Asked of the kernel for datagrams that wait while a turn of the event loop goes on; it may give less."""
BIND_TRIES: Final = 20
"""How often a port is chosen anew where any free one will do, until it is free for both transports."""


class HandleServer:
    """Make it, `listen`, then `start`; `tick` it once a second; `drain` it at the end. For one event loop."""

    def __init__(
        self,
        settings: HandleSettings,
        desk: Desk,
        authentication: Authentication | None = None,
        ticks: Callable[[], float] = monotonic,
    ) -> None:
        """Read the key. Raises ServerKeyUnusable."""
        authentication = authentication or NoAuthentication()
        key = None if settings.key_file is None else read_server_key(settings.key_file)
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._desk = desk
        self._writing = Writing(settings.site, key, authentication, desk.clock)
        self.resolution = Resolution(desk, settings.site, authentication)
        self.dispatch = Dispatch(self.resolution, self._writing, authentication, settings.site, settings.limits)
        self.connections = Connections(settings.limits, loop.time)
        self._tcp = TcpFace(
            desk, self.dispatch, self._writing, self.connections, authentication.left, desk.clock, ticks
        )
        self._udp: UdpFace | None = None
        self._listener: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def udp(self) -> UdpFace:
        """The UDP side; there is one once the server listens."""
        assert self._udp is not None  # noqa: S101 - as said
        return self._udp

    @property
    def datagram_ends(self) -> Counter[str]:
        """What became of datagrams, by a word each."""
        return Counter() if self._udp is None else self._udp.ends

    def listen(self) -> None:
        """Take the port. Raises OSError."""
        host, port = self._settings.host, self._settings.port
        for left in reversed(range(BIND_TRIES if port == 0 else 1)):
            self._listener = bound(host, port, socket.SOCK_STREAM)
            self.port = self._listener.getsockname()[1]
            try:
                datagrams = bound(host, self.port, socket.SOCK_DGRAM)
            except OSError:
                self._listener.close()
                if not left:
                    raise
            else:
                break
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_OCTETS)
        limits, clock = self._settings.limits, self._desk.clock
        self._udp = UdpFace(datagrams, self._desk, self.dispatch, self._writing, limits, clock)

    async def start(self) -> None:
        """Begin to answer."""
        assert self._listener is not None  # noqa: S101 - it listens
        self._server = await asyncio.get_running_loop().create_server(
            lambda: TcpConnection(self._tcp), sock=self._listener, backlog=BACKLOG
        )
        self.udp.start()

    def tick(self) -> None:
        """Cut off the slow; call about once a second."""
        self.connections.sweep()
        self.udp.tick()

    async def drain(self, drain_s: float) -> None:
        """Answer what has been read, then close everything, within `drain_s` seconds."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(self._tcp.drain(max(0.0, drain_s - CLOSING_S)), self.udp.drain(drain_s))
        self._writing.close()

    def close(self) -> None:
        """Release what `listen` took, where `start` did not follow."""
        if self._listener is not None:
            self._listener.close()


def bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """Return a socket bound beside those of the other workers; the kernel spreads peers over them. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host or None, port, type=kind, flags=socket.AI_PASSIVE)[0]
    made = socket.socket(family, kind, protocol)
    try:
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setblocking(False)  # noqa: FBT003 - the library's own positional flag
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made
