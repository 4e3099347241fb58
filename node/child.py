"""One child process and its life: started, ready, ended, started again after a pause, stopped.

waiting ──start──▶ starting ──ready──▶ ready
   ▲                  │                  │
   └──── pause ◀──────┴──── it ended ────┘        stop, from anywhere: ──▶ stopping ──▶ ended
"""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from node.backoff import Backoff
from node.errors import NodeError

_log = logging.getLogger(__name__)

_READY_LINE = b"ready\n"
_LINE_OCTETS_MAX = 65_536
_LAST_WORDS_S = 1.0


class State(Enum):
    """Where a child is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run and how to treat it.

    `first_line` is written to its standard input, which then stays open: its end tells the child that we are gone.
    `before` runs (in a thread) before each start. `ready` waits until it is ready; without one, the child prints
    the line `ready`. `foreign` children know nothing of this: they get no input, and their stderr is logged for them.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    first_line: bytes = b""
    inherits: tuple[int, ...] = ()
    before: Callable[[], None] | None = None
    ready: Callable[[], Awaitable[None]] | None = None
    foreign: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    force_signal: signal.Signals = signal.SIGKILL


class Child:
    """A child that is kept alive until `stop`. `run` is its whole life and belongs into a task group."""

    def __init__(self, spec: ChildSpec, on_change: Callable[["Child"], None]) -> None:
        self.spec = spec
        self.state = State.WAITING
        self.pid: int | None = None
        self.starts = 0
        self.failed_starts = 0
        self.last_failure = ""
        self._on_change = on_change
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Child {self.spec.name} {self.state.value} pid={self.pid} starts={self.starts}>"

    async def run(self) -> None:
        """Keep the child alive until it is stopped."""
        backoff = Backoff()
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                await self._live_once()
                await self._pause(backoff.pause_s(time.monotonic() - began))
        finally:
            self._enter(State.ENDED)
            self._ended.set()

    async def stop(self) -> None:
        """End it, by force when its time is over. Returns when it has ended."""
        self._stop.set()
        if self.state is not State.WAITING or self.starts:
            await self._ended.wait()

    async def _live_once(self) -> None:
        self.starts += 1
        self._enter(State.STARTING)
        try:
            ending = await self._until_it_ends()
        except (NodeError, OSError) as error:
            ending = str(error)
        if self._stop.is_set():
            return
        if self.state is not State.READY:
            self.failed_starts += 1
        self.last_failure = ending
        _log.warning("%s ended (%s) and is started again", self.spec.name, ending)
        self._enter(State.WAITING)

    async def _until_it_ends(self) -> str:
        if self.spec.before is not None:
            await asyncio.to_thread(self.spec.before)
        process = await self._spawn()
        self.pid = process.pid
        self._on_change(self)
        try:
            return _ending(await self._attend(process))
        finally:
            self.pid = None
            with suppress(ProcessLookupError):
                process.kill()

    async def _attend(self, process: asyncio.subprocess.Process) -> int:
        """Do what has to be done beside a living child; returns its exit code."""
        async with asyncio.TaskGroup() as tasks:
            readiness = tasks.create_task(self._watch_readiness(process))
            words = tasks.create_task(self._pass_on_words(process))
            stop = tasks.create_task(self._terminate_when_asked(process))
            code = await process.wait()
            readiness.cancel()
            stop.cancel()
            # Its last words say why it ended; a grandchild may hold the pipe open, so not for ever.
            await asyncio.wait({words}, timeout=_LAST_WORDS_S)
            words.cancel()
        return code

    async def _terminate_when_asked(self, process: asyncio.subprocess.Process) -> None:
        await self._stop.wait()
        self._enter(State.STOPPING)
        with suppress(ProcessLookupError):
            process.send_signal(self.spec.stop_signal)
            await asyncio.sleep(self.spec.stop_timeout_s)
            _log.warning("%s did not stop within %.0f s and is killed", self.spec.name, self.spec.stop_timeout_s)
            process.send_signal(self.spec.force_signal)

    async def _spawn(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *self.spec.command,
            env=self.spec.environment,
            stdin=asyncio.subprocess.DEVNULL if self.spec.foreign else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL if self.spec.foreign else asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if self.spec.foreign else None,
            pass_fds=self.spec.inherits,
            limit=_LINE_OCTETS_MAX,
            # A Ctrl-C at the terminal is for the supervisor, which ends its children in order.
            start_new_session=True,
        )
        if self.spec.first_line and process.stdin is not None:
            process.stdin.write(self.spec.first_line)
        return process

    async def _watch_readiness(self, process: asyncio.subprocess.Process) -> None:
        if self.spec.ready is not None:
            try:
                await self.spec.ready()
            except NodeError as error:
                _log.error("%s", error)
                process.kill()
                return
        elif process.stdout is None or await process.stdout.readline() != _READY_LINE:
            return
        if self.state is State.STARTING:
            self.failed_starts = 0
            self._enter(State.READY)

    async def _pass_on_words(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is None:
            return
        log = logging.getLogger(self.spec.name)
        while line := await _line(process.stderr):
            log.log(_level(line), "%s", line.decode("utf-8", "replace").rstrip())

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    def _enter(self, state: State) -> None:
        self.state = state
        self._on_change(self)


async def _line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.read(error.consumed)


def _level(line: bytes) -> int:
    """How grave a line of PostgreSQL's log is."""
    if line.startswith((b"FATAL:", b"PANIC:", b"ERROR:")):
        return logging.ERROR
    return logging.WARNING if line.startswith(b"WARNING:") else logging.DEBUG


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"signal {signal.Signals(-code).name}"
