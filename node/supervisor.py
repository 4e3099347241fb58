"""Starts a node's processes in order, keeps them alive, and ends them in order with nothing left behind.

At the start any failure ends the node with its reason. Once it runs, a process that ends is started again, for ever.
At the end: workers drain, then the registry, the follower and sync, then PostgreSQL.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from prometheus_client import Counter

from node.addresses import HostPort, masked_dsn
from node.banner import banner
from node.child import Child, ChildSpec, State
from node.database import prepare_database
from node.errors import NodeError, ReadinessError
from node.family import postgres_spec, process_spec
from node.handle_site import ensure_handle_key
from node.handle_users import auth_settings
from node.metrics import process_registry, published
from node.node_file import NodeDescription, write_node_file
from node.paths import DataPaths
from node.postgres import EmbeddedPostgres
from node.processes.order import Order
from node.readiness import until_answering
from node.secret_file import ensure_secret
from node.settings import Settings

_log = logging.getLogger(__name__)

# A process that fails this often before it was ever ready will not become ready by itself.
FAILED_STARTS_MAX = 5
# To the embedded PostgreSQL, beside the registry's: follower, sync, an operator's psql and backup.
OTHER_CONNECTIONS = 50


class Supervisor:
    """One run of a node. `address` and `handle` are where it listens, `shared_lock` what its processes must inherit."""

    def __init__(
        self,
        settings: Settings,
        paths: DataPaths,
        *,
        address: HostPort,
        handle: HostPort,
        shared_lock: int,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._paths = paths
        self._address = address
        self._handle = handle
        self._shared_lock = shared_lock
        self._say = say
        self._public_url = settings.public_url.rstrip("/") or address.local_url
        self._dsn = settings.database.dsn
        self._mirror_of = settings.mirror.upstream_url
        self._metrics = process_registry()
        self._starts = Counter(
            "idnode_process_starts", "Starts of the node's processes", ["name"], registry=self._metrics
        )
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._children: list[Child] = []
        self._change = asyncio.Event()
        self._is_described = self._is_ready = False

    async def run(self, stop: asyncio.Event) -> None:
        """Run the node until `stop` is set. Raises `NodeError` when it cannot be started."""
        failure: NodeError | None = None
        async with published(self._metrics, self._paths.metrics, "supervisor"), asyncio.TaskGroup() as tasks:
            try:
                await _unless(stop, self._start(tasks))
                await stop.wait()
                _log.info("the node stops")
            except NodeError as error:
                failure = error
            finally:
                self._is_described = False
                await self._shut_down()
        if failure is not None:
            raise failure

    async def _start(self, tasks: asyncio.TaskGroup) -> None:
        ensure_secret(self._settings.secret_file)
        token = None if self._mirror_of else await self._begin_database(tasks)
        await asyncio.to_thread(ensure_handle_key, self._settings.handle_key_file)
        auth_settings(self._settings.handle)  # now, so that a wrong one is said here
        # Before the first process can answer: whoever sees it answer finds it described.
        self._is_described = True
        await self._until_ready([self._begin(tasks, spec) for spec in self._process_specs()])
        await until_answering(self._address.local_url)
        self._say(
            banner(
                url=self._public_url,
                handle=self._handle,
                token_file=self._paths.admin_token,
                token=token,
                data_dir=self._paths.data_dir,
                database=self._shown_database(),
            )
        )
        self._is_ready = True
        self._describe()

    async def _begin_database(self, tasks: asyncio.TaskGroup) -> str | None:
        """Start the embedded PostgreSQL, or use the one that is named; returns the first administrator's new token."""
        if not self._dsn:
            connections_max = self._settings.database.connections_max + OTHER_CONNECTIONS
            server = EmbeddedPostgres(
                self._paths.postgres, self._paths.postgres_socket, connections_max=connections_max
            )
            await asyncio.to_thread(server.initialise)
            await self._until_ready([self._begin(tasks, postgres_spec(server))])
            self._dsn = server.dsn
        return await prepare_database(self._dsn, self._paths.admin_token)

    def _process_specs(self) -> list[ChildSpec]:
        programs = (
            [("follower", "follower")] if self._mirror_of else [("registry", "registry"), ("follower", "follower")]
        )
        programs += [("worker", f"worker-{number}") for number in range(self._settings.worker_count)]
        if self._settings.syncs:
            programs.append(("sync", "sync"))
        if self._settings.monitors:
            programs.append(("monitor", "monitor"))
        return [process_spec(program, self._order(name), self._shared_lock) for program, name in programs]

    def _order(self, process: str) -> Order:
        return Order(process, self._settings, self._dsn, self._address.port, self._handle.port)

    def _begin(self, tasks: asyncio.TaskGroup, spec: ChildSpec) -> Child:
        child = Child(spec, self._on_change)
        self._children.append(child)
        tasks.create_task(child.run(), name=spec.name)
        return child

    async def _until_ready(self, children: Sequence[Child]) -> None:
        while not all(child.state is State.READY for child in children):
            for child in children:
                if child.failed_starts >= FAILED_STARTS_MAX:
                    raise ReadinessError(
                        f"{child.spec.name} does not start: it ended {child.failed_starts} times, "
                        f"last with {child.last_failure}; its lines in the log say why"
                    )
            self._change.clear()
            await self._change.wait()

    def _on_change(self, child: Child) -> None:
        self._change.set()
        if child.state is State.STARTING and child.pid is not None:
            self._starts.labels(child.spec.name).inc()
        if self._is_described:
            self._describe()

    def _describe(self) -> None:
        description = NodeDescription(
            url=self._address.local_url,
            public_url=self._public_url,
            pid=os.getpid(),
            ready=self._is_ready,
            token_file=str(self._paths.admin_token),
            data_dir=str(self._paths.data_dir),
            database=self._shown_database(),
            version=version("idnode"),
            started_at=self._started_at,
            handle=str(self._handle),
            processes={child.spec.name: child.pid for child in self._children if child.pid is not None},
        )
        try:
            write_node_file(self._paths.node_file, description)
        except OSError as error:
            _log.warning("%s cannot be written: %s; commands will not find this node", self._paths.node_file, error)

    def _shown_database(self) -> str:
        if self._mirror_of:
            return f"none: a mirror of {self._mirror_of}"
        return masked_dsn(self._settings.database.dsn) or f"embedded, in {self._paths.postgres}"

    async def _shut_down(self) -> None:
        workers = [child for child in self._children if child.spec.name.startswith("worker-")]
        postgres = [child for child in self._children if child.spec.name == "postgres"]
        others = [child for child in self._children if child not in workers and child not in postgres]
        for group in (workers, others, postgres):
            await asyncio.gather(*(child.stop() for child in group))


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Wait for `work`, or until `stop` is set: then the work is cancelled."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
    finally:
        stopped.cancel()
        task.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)
