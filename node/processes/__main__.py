"""Runs one child process: `python -m node.processes registry|follower|worker|…`, started by the supervisor."""

import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import cast

import uvloop
from prometheus_client import disable_created_metrics

from node import log
from node.processes.lifetime import Lifetime
from node.processes.order import LINE_OCTETS_MAX, Order

GARBAGE_THRESHOLD = 50_000
_NAMES = ("registry", "follower", "worker", "sync", "monitor")

Run = Callable[[Order, Lifetime], Awaitable[None]]


def main(arguments: list[str]) -> int:
    """Run the process named in the arguments until it is told to end; returns its exit code."""
    if len(arguments) != 1 or arguments[0] not in _NAMES:
        sys.stderr.write(f"usage: python -m node.processes {'|'.join(_NAMES)}; `idnode serve` starts these\n")
        return 2
    order = Order.read(_first_line())
    log.set_up(order.process, level=order.settings.log.level, form=order.settings.log.format)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types
    try:
        run = cast("Run", import_module(f"node.processes.{arguments[0]}").run)
        # What was imported stays for good, and rows by the thousand are no garbage: look for it seldom.
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)
        uvloop.run(_live(run, order))
    except Exception:
        logging.getLogger(__name__).exception("%s failed", order.process)
        return 1
    return 0


async def _live(run: Run, order: Order) -> None:
    await run(order, Lifetime())


def _first_line() -> bytes:
    # Octet by octet from the descriptor: a buffered reader would hide the end of the input from the event loop.
    line = bytearray()
    while (octet := os.read(sys.stdin.fileno(), 1)) not in {b"", b"\n"} and len(line) < LINE_OCTETS_MAX:
        line += octet
    return bytes(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
