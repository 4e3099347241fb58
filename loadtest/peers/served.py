"""A server under measurement, and how one is started and ended."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

STOP_TIMEOUT_S = 60.0
POLL_S = 0.05


class ServerFailed(Exception):  # noqa: N818 - the outcome's name
    """A server did not come up, or answers wrongly; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running server: its name in the tables, its address, and the process whose CPU time counts."""

    name: str
    url: str
    worker_pid: int


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    standard_input: bytes = b"",
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server's command until the block ends; it is stopped with SIGTERM, and killed if that takes too long.

    Its standard error goes to `log`, or where ours goes; `environment` replaces ours. Its standard output is thrown
    away: a node greets its operator there with a token.
    """
    with contextlib.ExitStack() as files:
        said = files.enter_context(log.open("ab")) if log is not None else None
        process = subprocess.Popen(  # noqa: S603 - the commands are our own
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=environment
        )
    try:
        assert process.stdin is not None  # noqa: S101 - Popen opened it
        process.stdin.write(standard_input)
        process.stdin.close()
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], *, timeout_s: float, what: str) -> None:
    """Return when `condition` holds; raise ServerFailed when the process ends first, or after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if process.poll() is not None:
            raise ServerFailed(f"{what} ended with exit code {process.returncode} before it was ready")
        if time.monotonic() > deadline:
            raise ServerFailed(f"{what} was not ready after {timeout_s:g} s")
        time.sleep(POLL_S)


def accepts(port: int) -> bool:
    """Whether somebody listens on this loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
