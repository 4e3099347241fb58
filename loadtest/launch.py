"""Starts the generator process, listens to it, and brings back its figures."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, cast

import msgspec

from loadtest.figures import Failure, Figures, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.plan import Plan

_LINES = msgspec.json.Decoder(Progress | Figures | Failure)


class RunFailed(Exception):  # noqa: N818 - the outcome's name
    """The generator brought no figures; the message says why."""


def run_generator(
    plan: Plan, *, on_progress: Callable[[Progress], None], core: int | None = None, preempts: bool = False
) -> Figures:
    """Run the plan in a generator process, on one `core` if given; raise RunFailed when there are no figures.

    With `preempts` it goes before whatever else is on its core, where we may ask for that.
    An interrupt (Ctrl-C) ends the run early; the figures so far are returned.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtest.generator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        if preempts:
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(process.pid, os.SCHED_FIFO, os.sched_param(1))
        try:
            return _figures(process, plan, on_progress)
        finally:
            if process.poll() is None:
                process.kill()


def _figures(process: subprocess.Popen[bytes], plan: Plan, on_progress: Callable[[Progress], None]) -> Figures:
    assert process.stdin is not None  # noqa: S101 - Popen opened it
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(msgspec.json.encode(plan) + b"\n")
        process.stdin.flush()
    while True:
        try:
            line = _next_line(process)
            if isinstance(line, Progress):
                on_progress(line)
                continue
        except KeyboardInterrupt:
            process.stdin.close()
            continue
        if isinstance(line, Failure):
            raise RunFailed(line.message)
        return line


def _next_line(process: subprocess.Popen[bytes]) -> Progress | Figures | Failure:
    assert process.stdout is not None  # noqa: S101 - Popen opened it
    text = process.stdout.readline()
    if not text:
        raise RunFailed(f"the generator ended without figures (exit code {process.wait()})")
    return cast("Progress | Figures | Failure", _LINES.decode(text))
