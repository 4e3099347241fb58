"""One worker: the listening socket, the fast lane and the faces behind it, and what runs beside them.

A worker starts at once and answers 503 until the first replica appears. It ends by draining: the socket is closed,
answers under way are finished, and the counts go to the spool.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp.web import AppRunner
from prometheus_client import CollectorRegistry

from resolver.connection_limits import ConnectionLimits, Connections
from resolver.counting import Tallies
from resolver.environment import ReplicaDamaged, ReplicaMissing
from resolver.faces.application import make_application
from resolver.faces.body import OCTETS_MAX
from resolver.faces.client import TrustedProxies
from resolver.faces.desk import Desk
from resolver.faces.handle_api.api import HandleApi
from resolver.faces.handle_api.door import Door, DoorOptions
from resolver.faces.handle_api.native import NativeMessages
from resolver.faces.handle_api.nobody import closed_door
from resolver.faces.handle_api.prover import HandleProver
from resolver.faces.handle_api.sessions import Sessions
from resolver.faces.health import Health, MetricFiles
from resolver.faces.http_connection import HttpConnection
from resolver.faces.proxy.options import ProxyOptions
from resolver.handle.auth.authentication import HandleAuthentication
from resolver.handle.auth.handling import add_handlers
from resolver.handle.auth.limits import AuthSettings
from resolver.handle.auth.shared_table import SharedState
from resolver.handle.limits import HandleSettings
from resolver.handle.metrics import HandleCollector
from resolver.handle.server import HandleServer
from resolver.handle.server_key import read_server_key
from resolver.header_memo import HeaderMemo
from resolver.lane import Lane, LaneProtocol
from resolver.metrics import ConnectionCollector, Figures, LookupCollector, MetricsFile
from resolver.registry_calls import RegistryCalls
from resolver.registry_proxy import RegistryProxy
from resolver.replica_reader import ReplicaReader
from resolver.secure_lane import SecureLaneProtocol
from resolver.short_registrations import ShortRegistrations
from resolver.spool import Spool, SpoolLimits
from resolver.tls import TlsSettings, server_context

BACKLOG: Final = 4_096
TICK_S: Final = 1.0
STARTING_TICK_S: Final = 0.1
DRAIN_LOOK_S: Final = 0.02
LAST_OCTETS_S: Final = 1.0
"""For written answers to leave the socket buffers when nothing else is under way."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Where a worker listens, reads and writes. `drain_s` is how long answers under way may take at the end."""

    process: str
    host: str
    port: int
    replica: Path
    spool: Path
    metrics: Path
    registry_socket: Path
    registry_calls_socket: Path | None = None
    """Where the registry takes what Handle administrators want; None: nowhere."""
    handle_state: Path | None = None
    """Where this host's workers share challenges and sessions of the Handle protocol; None: nobody is authenticated."""
    handle_auth: AuthSettings = field(default_factory=AuthSettings)
    trusted_proxies: tuple[str, ...] = ()
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    spool_limits: SpoolLimits = field(default_factory=SpoolLimits)
    node_prefix: str = ""
    """The node's own prefix: lookups below it count, whether or not their prefix is registered."""
    probe_secret: str = field(default="", repr=False)
    """What the node's own probes send, which are counted nowhere; empty: nobody is one."""
    body_octets_max: int = OCTETS_MAX
    drain_s: float = 10.0
    mirror_of: str = ""
    tls: TlsSettings | None = None
    """Where HTTP is spoken over TLS, besides the port above; None: nowhere."""
    http_sessions: Path | None = None
    """Where the workers of the node keep their HTTP sessions; None: there are none."""
    basic_on_loopback: bool = False
    handle: HandleSettings | None = None
    """Where the Handle protocol is spoken; None: nowhere."""
    links: ProxyOptions = field(default_factory=ProxyOptions)


async def run_worker(
    settings: WorkerSettings,
    stop: asyncio.Event,
    *,
    listening: Callable[[int], None] = lambda _: None,
    listening_tls: Callable[[int], None] = lambda _: None,
    listening_handle: Callable[[int], None] = lambda _: None,
    figures: Figures | None = None,
) -> None:
    """Serve until `stop` is set, then drain. `listening` is told the port. Raises OSError when it cannot listen.

    The worker's figures are added to `figures.ours`. Raises CertificateUnusable where TLS is to be spoken and cannot,
    and ServerKeyUnusable where Handle answers are to be signed and cannot.
    """
    figures = figures or Figures(CollectorRegistry())
    secure = _secure(settings.tls)
    listener = _listener(settings.host, settings.port)
    try:
        if secure is not None:
            listening_tls(secure.listener.getsockname()[1])
        proxies = TrustedProxies(settings.trusted_proxies, settings.probe_secret)
        mirror_of = settings.mirror_of
        async with RegistryProxy(settings.registry_socket, proxies, figures.ours, mirror_of=mirror_of) as proxy:
            worker = _Worker(settings, proxies, proxy, figures)
            if worker.handle is not None:
                worker.handle.listen()
                listening_handle(worker.handle.port)
            await worker.serve(listener, secure, stop, listening)
    finally:
        listener.close()
        if secure is not None:
            secure.listener.close()


@dataclass(frozen=True, slots=True)
class _Secure:
    """The listener for TLS."""

    listener: socket.socket
    context: ssl.SSLContext


def _secure(tls: TlsSettings | None) -> _Secure | None:
    if tls is None:
        return None
    context = server_context(tls)
    return _Secure(_listener(tls.host, tls.port), context)


class _Worker:
    """The parts of one worker, put together."""

    def __init__(
        self, settings: WorkerSettings, proxies: TrustedProxies, proxy: RegistryProxy, figures: Figures
    ) -> None:
        self._settings = settings
        tallies = Tallies()
        loop = asyncio.get_running_loop()
        self._desk = Desk(tallies, proxies, node_prefix=settings.node_prefix)
        self._connections = Connections(settings.connections, loop.time)
        self._spool = Spool(
            settings.spool, tallies, settings.process, limits=settings.spool_limits, registry=figures.ours
        )
        self._metrics = MetricsFile(figures, settings.metrics, settings.process)
        files = MetricFiles(settings.metrics)
        self._health = Health(self._desk, settings.process, figures, files, proxy.writes_possible)
        self.calls = RegistryCalls(settings.registry_calls_socket or Path())
        self.authentication = None
        if settings.handle_state is not None:
            state = SharedState(settings.handle_state)
            users = replace(settings.handle_auth, read_only=bool(settings.mirror_of))
            self.authentication = HandleAuthentication(self._desk, state, users)
        self.handle = None
        if settings.handle is not None:
            self.handle = HandleServer(settings.handle, self._desk, self.authentication)
            if self.authentication is not None:
                add_handlers(self.authentication, self.calls, self.handle.resolution.answer_as)
        self._http_sessions = None if settings.http_sessions is None else Sessions(settings.http_sessions)
        self._runner = AppRunner(
            make_application(
                self._desk,
                self._health,
                proxy,
                handle_api=self._handle_api(),
                links=settings.links,
                native=self._native(proxies),
                body_octets_max=settings.body_octets_max,
                head_octets_max=settings.connections.head_octets,
            ),
            shutdown_timeout=settings.drain_s,
        )
        figures.ours.register(LookupCollector(tallies))
        figures.ours.register(ConnectionCollector(self._connections))
        self._tallies = tallies
        # Behind a proxy the client's address stands in headers that the handlers read.
        hand_in = None if settings.registry_calls_socket is None else self.calls
        self._passing = None if proxies else ShortRegistrations(proxy, hand_in)
        self._said = ""
        if self.handle is not None:
            figures.ours.register(HandleCollector(self.handle))

    def _handle_api(self) -> HandleApi:
        settings = self._settings
        site = b"" if settings.handle is None else settings.handle.site
        writer = None if settings.registry_calls_socket is None else self.calls
        return HandleApi(self._desk, self._door(), writer, site, lists=settings.handle_auth.lists)

    def _native(self, proxies: TrustedProxies) -> NativeMessages | None:
        if self.handle is None or self._settings.handle is None:
            return None
        return NativeMessages(self.handle.dispatch, proxies, self._settings.handle.site)

    def _door(self) -> Door:
        if self.authentication is None:
            return closed_door(self._desk)
        handle = self._settings.handle
        key = None if handle is None or handle.key_file is None else read_server_key(handle.key_file)
        options = DoorOptions(self._settings.basic_on_loopback, key)
        prover = HandleProver(self.authentication.proofs, self.authentication.rights)
        return Door(self._desk, prover, self._http_sessions, options)

    async def serve(
        self, listener: socket.socket, secure: _Secure | None, stop: asyncio.Event, listening: Callable[[int], None]
    ) -> None:
        """Serve until `stop`, then drain."""
        await self._runner.setup()
        application = self._runner.server
        assert application is not None  # noqa: S101 - set up above
        inner = partial(HttpConnection, application, idle_s=self._settings.connections.idle_s)
        memo = HeaderMemo(behind_proxy=bool(self._settings.trusted_proxies))
        lane = Lane(None, self._tallies, self._connections, inner, memo, self._passing)
        self._follow_replica(lane)
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(lambda: LaneProtocol(lane), sock=listener, backlog=BACKLOG)]
        if secure is not None:
            servers.append(await self._serve_tls(lane, secure))
        if self.handle is not None:
            await self.handle.start()
        try:
            async with asyncio.TaskGroup() as beside:
                tasks = (beside.create_task(self._spool.run()), beside.create_task(self._tick(lane)))
                listening(listener.getsockname()[1])
                await stop.wait()
                for task in tasks:
                    task.cancel()
        finally:
            self._health.draining = True
            for server in servers:
                server.close()
            lane.run()  # or requests that wait for the end of the turn would be closed as idle connections
            await asyncio.gather(self._drain(), self._drain_handle())
            self.calls.close()
            if self.authentication is not None:
                self.authentication.close()
            if self._http_sessions is not None:
                self._http_sessions.close()
            await self._spool.close()
            await self._metrics.close()
            if self._desk.reader is not None:
                self._desk.reader.close()

    async def _serve_tls(self, lane: Lane, secure: _Secure) -> asyncio.Server:
        limits = self._settings.connections
        return await asyncio.get_running_loop().create_server(
            lambda: SecureLaneProtocol(lane),
            sock=secure.listener,
            backlog=BACKLOG,
            ssl=secure.context,
            ssl_handshake_timeout=limits.head_s,
            ssl_shutdown_timeout=limits.stall_s,
        )

    async def _drain(self) -> None:
        """Finish what is under way within `drain_s`, then cut off who has not taken its answer."""
        deadline = asyncio.get_running_loop().time() + self._settings.drain_s
        self._connections.close_idle()
        await self._runner.cleanup()
        await _until(lambda: not self._connections.passing_on, deadline)
        await _until(lambda: not len(self._connections), asyncio.get_running_loop().time() + LAST_OCTETS_S)
        self._connections.abort_all()
        await asyncio.sleep(0)

    async def _drain_handle(self) -> None:
        if self.handle is not None:
            await self.handle.drain(self._settings.drain_s)

    async def _tick(self, lane: Lane) -> None:
        """Once a second: follow the replica, cut off the slow, set the lane's clock, show the figures."""
        while True:
            await asyncio.sleep(STARTING_TICK_S if self._desk.reader is None else TICK_S)
            self._follow_replica(lane)
            self._connections.sweep()
            if self.handle is not None:
                self.handle.tick()
            lane.set_clock()
            await self._metrics.write()

    def _follow_replica(self, lane: Lane) -> None:
        """Open the first replica when it appears, and move on when another generation has become current."""
        try:
            if self._desk.reader is not None:
                lane.end()
                self._desk.reader.refresh()
                return
            reader = ReplicaReader(self._settings.replica)
        except (ReplicaMissing, ReplicaDamaged) as error:
            self._say(str(error))
            return
        self._desk.serve_from(reader)
        lane.reader = reader
        self._say("lookups are answered from the replica")

    def _say(self, text: str) -> None:
        """Log a change of the replica once, not at every look."""
        if text != self._said:
            self._said = text
            log.info("%s", text)


async def _until(done: Callable[[], bool], deadline: float) -> None:
    """Look now and then, by the loop's clock: an event would cost every connection that closes."""
    while not done() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - see above
        await asyncio.sleep(DRAIN_LOOK_S)


def _listener(host: str, port: int) -> socket.socket:
    """Return a socket bound beside those of the other workers; the kernel spreads connections over them."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setblocking(False)  # noqa: FBT003 - the library's own positional flag
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
