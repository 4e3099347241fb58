"""One worker: the listening socket, the fast lane and the faces behind it, and what runs beside them.

A worker starts at once and answers 503 until the first replica appears. It ends by draining: the socket is closed,
answers under way are finished, and the counts go to the spool.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
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
from resolver.faces.health import Health, MetricFiles
from resolver.faces.http_connection import HttpConnection
from resolver.header_memo import HeaderMemo
from resolver.lane import Lane, LaneProtocol
from resolver.metrics import ConnectionCollector, Figures, LookupCollector, MetricsFile
from resolver.registry_proxy import RegistryProxy
from resolver.replica_reader import ReplicaReader
from resolver.spool import Spool, SpoolLimits

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
    trusted_proxies: tuple[str, ...] = ()
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    spool_limits: SpoolLimits = field(default_factory=SpoolLimits)
    body_octets_max: int = OCTETS_MAX
    drain_s: float = 10.0


async def run_worker(
    settings: WorkerSettings,
    stop: asyncio.Event,
    *,
    listening: Callable[[int], None] = lambda _: None,
    figures: Figures | None = None,
) -> None:
    """Serve until `stop` is set, then drain. `listening` is told the port. Raises OSError when it cannot listen.

    The worker's figures are added to `figures.ours`.
    """
    figures = figures or Figures(CollectorRegistry())
    listener = _listener(settings.host, settings.port)
    try:
        proxies = TrustedProxies(settings.trusted_proxies)
        async with RegistryProxy(settings.registry_socket, proxies, figures.ours) as proxy:
            await _Worker(settings, proxies, proxy, figures).serve(listener, stop, listening)
    finally:
        listener.close()


class _Worker:
    """The parts of one worker, put together."""

    def __init__(
        self, settings: WorkerSettings, proxies: TrustedProxies, proxy: RegistryProxy, figures: Figures
    ) -> None:
        self._settings = settings
        tallies = Tallies()
        loop = asyncio.get_running_loop()
        self._desk = Desk(tallies, proxies)
        self._connections = Connections(settings.connections, loop.time)
        self._spool = Spool(
            settings.spool, tallies, settings.process, limits=settings.spool_limits, registry=figures.ours
        )
        self._metrics = MetricsFile(figures, settings.metrics, settings.process)
        files = MetricFiles(settings.metrics)
        self._health = Health(self._desk, settings.process, figures, files, proxy.writes_possible)
        self._runner = AppRunner(
            make_application(self._desk, self._health, proxy, body_octets_max=settings.body_octets_max),
            shutdown_timeout=settings.drain_s,
        )
        figures.ours.register(LookupCollector(tallies))
        figures.ours.register(ConnectionCollector(self._connections))
        self._tallies = tallies
        self._said = ""

    async def serve(self, listener: socket.socket, stop: asyncio.Event, listening: Callable[[int], None]) -> None:
        """Serve until `stop`, then drain."""
        await self._runner.setup()
        application = self._runner.server
        assert application is not None  # noqa: S101 - set up above
        inner = partial(HttpConnection, application, idle_s=self._settings.connections.idle_s)
        memo = HeaderMemo(behind_proxy=bool(self._settings.trusted_proxies))
        lane = Lane(None, self._tallies, self._connections, inner, memo)
        self._follow_replica(lane)
        server = await asyncio.get_running_loop().create_server(
            lambda: LaneProtocol(lane), sock=listener, backlog=BACKLOG
        )
        try:
            async with asyncio.TaskGroup() as beside:
                tasks = (beside.create_task(self._spool.run()), beside.create_task(self._tick(lane)))
                listening(listener.getsockname()[1])
                await stop.wait()
                for task in tasks:
                    task.cancel()
        finally:
            self._health.draining = True
            server.close()
            lane.run()  # or requests that wait for the end of the turn would be closed as idle connections
            await self._drain()
            await self._spool.close()
            await self._metrics.close()
            if self._desk.reader is not None:
                self._desk.reader.close()

    async def _drain(self) -> None:
        """Finish what is under way within `drain_s`, then cut off who has not taken its answer."""
        self._connections.close_idle()
        await self._runner.cleanup()
        deadline = asyncio.get_running_loop().time() + LAST_OCTETS_S
        while len(self._connections) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - an event would cost every closing connection
            await asyncio.sleep(DRAIN_LOOK_S)
        self._connections.abort_all()
        await asyncio.sleep(0)

    async def _tick(self, lane: Lane) -> None:
        """Once a second: follow the replica, cut off the slow, set the lane's clock, show the figures."""
        while True:
            await asyncio.sleep(STARTING_TICK_S if self._desk.reader is None else TICK_S)
            self._follow_replica(lane)
            self._connections.sweep()
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
