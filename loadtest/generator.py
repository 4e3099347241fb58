"""The generator process: a plan on standard input, progress and figures as JSON lines on standard output.

It is a process of its own so that nothing that is shown or written can delay a request. It ends early, with the
figures so far, when its standard input closes: that is how it is stopped, and it cannot outlive who started it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import msgspec
import uvloop

from loadtest.figures import Failure, Figures, Progress
from loadtest.fleet import Unreachable
from loadtest.keys import KeysError
from loadtest.plan import Plan, PlanError
from loadtest.run import run
from loadtest.target import TargetError

PLAN_OCTETS_MAX = 65_536


def main() -> None:
    """Run the plan that the first line of standard input holds."""
    # Ctrl-C reaches the whole terminal group; who started us decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plan = msgspec.json.decode(sys.stdin.buffer.readline(PLAN_OCTETS_MAX), type=Plan)
    _say(uvloop.run(_outcome(plan)))


async def _outcome(plan: Plan) -> Figures | Failure:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _read_end, stopping)
    try:
        return await run(plan, report=_say, stopping=stopping)
    except (PlanError, KeysError, TargetError, Unreachable) as error:
        return Failure(message=str(error))


def _read_end(stopping: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stopping.set()


def _say(line: Progress | Figures | Failure) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
