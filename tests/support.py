"""What many tests need: waiting for a condition, a free port, and a real node in a directory of its own."""

import asyncio
import inspect
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar, overload
from urllib.parse import urlsplit

T = TypeVar("T")
Retrying = type[Exception] | tuple[type[Exception], ...]

_POLL_SECONDS = 0.02
_NEVER = object()
_PORT_FIRST, _PORTS, _PORTS_EACH = 12_000, 20_000, 1_000


@overload
async def eventually(check: Callable[[], Awaitable[T]], timeout_s: float = ..., *, retrying: Retrying = ...) -> T: ...
@overload
async def eventually(check: Callable[[], T], timeout_s: float = ..., *, retrying: Retrying = ...) -> T: ...
async def eventually(check: Callable[[], Any], timeout_s: float = 30.0, *, retrying: Retrying = AssertionError) -> Any:
    """Call `check` until it gives something true, and return that; the only place in the tests that waits by the clock.

    `check` may be a coroutine function. Errors of the kinds in `retrying` count as "not yet".
    """
    deadline = time.monotonic() + timeout_s
    result: Any = _NEVER
    error: Exception | None = None
    while True:
        try:
            result = check()
            if inspect.isawaitable(result):
                result = await result
            if result:
                return result
            error = None
        except retrying as not_yet:
            error = not_yet
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s; last result {result!r}") from error
        await asyncio.sleep(_POLL_SECONDS)


def _ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = [_PORT_FIRST + (worker * _PORTS_EACH + number) % _PORTS for number in range(_PORTS_EACH)]
    begin = os.getpid() % _PORTS_EACH
    return itertools.cycle(mine[begin:] + mine[:begin])


_ports_in_turn = _ports()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has, neither for TCP nor for UDP, and that stays free until it is used.

    Of those below the range that systems choose from by themselves, and of each test process its own: a node that
    starts again must not find that meanwhile some connection was given its port.
    """
    for port in itertools.islice(_ports_in_turn, _PORTS_EACH):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        ):
            # As servers do: what earlier connections left behind is no hindrance.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                stream.bind(("127.0.0.1", port))
                datagrams.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"all {_PORTS_EACH} ports of this test process are in use")


def is_running(pid: int) -> bool:
    """Whether a process exists and has not ended (one that ended and was not collected yet does not run)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class NodeProcess:
    """`idnode serve` as a user runs it: `async with NodeProcess(tmp_path / "data") as node: … node.url, node.token`.

    Leaving the block stops it with SIGTERM and asserts that nothing is left: no process, socket or file in `run/`.
    """

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        start_timeout_s: float = 120.0,
    ) -> None:
        self.data_dir = data_dir
        self.log_file = data_dir.with_name(data_dir.name + ".log")
        self.arguments: Sequence[str] = arguments
        self.workers = workers
        self.environment = dict(environment or {})
        self.start_timeout_s = start_timeout_s
        self.process: subprocess.Popen[bytes] | None = None
        self._http, self._handle = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self._pids_seen: set[int] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.stop()
        else:
            await self.discard()

    @property
    def about(self) -> dict[str, Any]:
        """What the running node says of itself in run/node.json."""
        about: dict[str, Any] = json.loads((self.data_dir / "run" / "node.json").read_bytes())
        self._pids_seen.update(about["processes"].values())
        return about

    @property
    def url(self) -> str:
        return str(self.about["url"])

    @property
    def handle(self) -> str:
        """Where the node speaks the Handle protocol, HOST:PORT."""
        return str(self.about["handle"])

    @property
    def token(self) -> str:
        return (self.data_dir / "admin-token").read_text(encoding="ascii").strip()

    @property
    def authorization(self) -> dict[str, str]:
        """The header that makes a request the administrator's."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def pids(self) -> dict[str, int]:
        """The node's child processes by name, now."""
        return dict(self.about["processes"])

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    async def start(self) -> None:
        """Start, and wait until the node says that it is ready. After a stop or a kill: the same address again."""
        self.begin()
        try:
            await eventually(self._is_ready, self.start_timeout_s, retrying=(OSError, ValueError))
        except BaseException:
            await self.discard()
            raise
        self._http, self._handle = urlsplit(self.url).netloc, self.handle

    def begin(self) -> "subprocess.Popen[bytes]":
        """Start without waiting."""
        command = [str(Path(sys.executable).with_name("idnode")), "serve", "--data-dir", str(self.data_dir)]
        command += ["--http", self._http, "--handle", self._handle, "--workers", str(self.workers), *self.arguments]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("IDNODE_")}
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=clean | self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self.process

    async def stop(self, timeout_s: float = 30.0, kind: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to stop, and assert that the node ends with exit code 0 and leaves nothing behind."""
        assert self.process is not None
        if self.process.poll() is None:
            self.pids  # noqa: B018 - remembers the newest process ids for the check below
        self.process.send_signal(kind)
        code = await self._ended(timeout_s)
        assert code == 0, f"exit code {code}:\n{self.log[-4000:]}"
        alive = {pid for pid in self._pids_seen if is_running(pid)}
        assert not alive, f"processes left behind: {alive}"
        left = sorted(str(path) for path in (self.data_dir / "run").rglob("*") if not path.is_dir())
        assert not left, f"files left behind: {left}"

    async def kill(self) -> None:
        """SIGKILL of the supervisor alone; returns when its children have noticed and are gone too."""
        assert self.process is not None
        self.pids  # noqa: B018 - as above
        self.process.kill()
        await self._ended(10.0)
        await eventually(lambda: not any(map(is_running, self._pids_seen)), 30.0)

    async def discard(self) -> None:
        """After a failure: end everything without further judgement."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                await self._ended(15.0)
            except AssertionError:
                self.process.kill()
                self.process.wait()

    async def _ended(self, timeout_s: float) -> int:
        process = self.process
        assert process is not None
        await eventually(lambda: process.poll() is not None, timeout_s)
        return int(process.returncode)

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            # Not an AssertionError or an OSError: waiting longer would not help.
            raise RuntimeError(f"the node ended with code {self.process.returncode}:\n{self.log[-4000:]}")
        about = self.about
        return bool(about["ready"]) and about["pid"] == self.process.pid
