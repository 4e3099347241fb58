"""A node of the bench's own: started as an operator would start it, on a data directory that is kept."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import time
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from loadtest.bench import settings
from loadtest.bench.processes import command_line, descendants, pin
from loadtest.peers.served import Served, ServerFailed, free_port, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

START_TIMEOUT_S = 300.0
HOT_TABLE_TIMEOUT_S = 600.0
VACUUM_BEGINS_S = 65.0
VACUUM_TIMEOUT_S = 600.0
HOT_TABLE_LIVE = b'idnode_hot_table_state{process="follower",state="live"} 1.0'
HOT_TABLE_ENTRIES = re.compile(rb'^idnode_hot_table_entries\{process="follower"\} (\S+)$', re.MULTILINE)
# One source asks for all that one client can: how a node bounds a source is not what is measured.
ENVIRONMENT = {"IDNODE_HANDLE_UDP_ANSWERS_PER_S": str(10**9), "IDNODE_HANDLE_UDP_OCTETS_PER_S": str(10**12)}


class _NodeFile(msgspec.Struct):
    url: str
    pid: int
    handle: str
    processes: dict[str, int]


@dataclass(frozen=True, slots=True)
class BenchNode:
    """A running node: the worker that is measured, and what the bench needs to write to it."""

    served: Served
    token: str
    data_dir: Path
    pid: int
    handle_url: str
    processes: Mapping[str, int]

    def pin(self) -> None:
        """Give the worker the server's core for itself; everything else of the node runs on the other."""
        for pid in (self.pid, *descendants(self.pid)):
            with contextlib.suppress(FileNotFoundError):
                pin(pid, settings.SERVER_CORE if pid == self.served.worker_pid else settings.CLIENT_CORE)

    def settle(self) -> None:
        """Wait until PostgreSQL has vacuumed what was loaded: it looks once a minute, and would do so while measuring.

        A node that has been stopped meanwhile begins anew.
        """
        time.sleep(VACUUM_BEGINS_S)
        _until(lambda: not self._is_vacuuming(), VACUUM_TIMEOUT_S, "PostgreSQL has not vacuumed what was loaded")

    def _is_vacuuming(self) -> bool:
        return any(b"autovacuum worker" in command_line(pid) for pid in descendants(self.pid))

    def warm(self, records: int) -> None:
        """Wait until the hot table has all records and room for more, and read it through.

        What is measured has been up for a while. The rest of the replica answers nothing of it, and would drive the
        table out of memory.
        """
        failure = f"the hot table did not take in {records:,} records"
        _until(lambda: self._hot_records() >= records, HOT_TABLE_TIMEOUT_S, failure)
        for path in (self.data_dir / settings.REPLICA_FOLDER / "current").glob("hot-*"):
            with path.open("rb", buffering=0) as file:
                while file.read(1 << 22):
                    pass
        os.sync()  # or what was written to fill the table would still be on its way to the disk

    def _hot_records(self) -> float:
        """Return how many records the hot table that readers have holds."""
        metrics = self._metrics()
        entries = HOT_TABLE_ENTRIES.search(metrics)
        return float(entries[1]) if entries is not None and HOT_TABLE_LIVE in metrics else 0

    def _metrics(self) -> bytes:
        with urllib.request.urlopen(f"{self.served.url}/metrics", timeout=10) as answer:  # noqa: S310 - our own node
            return bytes(answer.read())

    @property
    def database_dsn(self) -> str:
        """The address of the node's own PostgreSQL, out of the lock file that every PostgreSQL keeps."""
        lines = (self.data_dir / settings.POSTGRES_LOCK_FILE).read_text(encoding="utf-8").splitlines()
        port, socket_folder = lines[3], lines[4]
        user, name = settings.DATABASE_USER, settings.DATABASE_NAME
        return f"postgresql://{user}@/{name}?host={quote(socket_folder)}&port={port}"


@contextlib.contextmanager
def bench_node(
    data_dir: Path, name: str = "idnode", *, settings_too: Mapping[str, str] | None = None
) -> Iterator[BenchNode]:
    """Run `idnode serve` with one worker on `data_dir` until the block ends; its log stands beside the directory.

    `settings_too` are further settings, as environment variables.
    """
    command = str(Path(sys.executable).parent / "idnode")
    port = free_port()
    address = f"127.0.0.1:{port}"
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir.with_name(f"{data_dir.name}.log")
    order = [
        command,
        "serve",
        "--data-dir",
        str(data_dir),
        "--http",
        address,
        "--handle",
        "127.0.0.1:0",
        "--workers",
        "1",
    ]
    # The settings of whoever runs the bench are not the bench's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IDNODE_")} | ENVIRONMENT
    environment |= settings_too or {}
    with running(order, log=log, environment=environment) as process:
        ready = functools.partial(_is_ready, port)
        wait_until(ready, process, timeout_s=START_TIMEOUT_S, what=f"idnode (its log is {log})")
        about = msgspec.json.decode((data_dir / settings.NODE_FILE).read_bytes(), type=_NodeFile)
        token = (data_dir / settings.TOKEN_FILE).read_text(encoding="ascii").strip()
        served = Served(name, f"http://{address}", about.processes[settings.WORKER])
        yield BenchNode(served, token, data_dir, about.pid, f"handle://{about.handle}", about.processes)


def _is_ready(port: int) -> bool:
    asking = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        asking.request("GET", "/readyz")
        return asking.getresponse().status == HTTPStatus.OK
    except (HTTPException, OSError):
        return False
    finally:
        asking.close()


def _until(condition: Callable[[], bool], timeout_s: float, failure: str) -> None:
    """Return when `condition` holds; raise ServerFailed when it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise ServerFailed(failure)
        time.sleep(0.5)
