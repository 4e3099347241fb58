"""How long a child process lives, seen from outside."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PROGRAM = """
import asyncio
from node.processes.lifetime import Lifetime

async def main():
    life = Lifetime()
    life.ready()
    print("work", await life.unless_over(asyncio.sleep(0, "done")), flush=True)
    print("waited", await life.unless_over(asyncio.Event().wait()), flush=True)

asyncio.run(main())
"""


@contextmanager
def living() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            assert process.stdout.readline() == b"work done\n"
            yield process
        finally:
            process.kill()


def ending_of(process: "subprocess.Popen[bytes]") -> tuple[int, bytes]:
    rest, _ = process.communicate(timeout=10)
    return process.returncode, rest


def test_sigterm_ends_the_wait_and_the_process_finishes_by_itself() -> None:
    with living() as process:
        process.send_signal(signal.SIGTERM)
        assert ending_of(process) == (0, b"waited None\n")


def test_the_end_of_the_input_means_that_the_supervisor_is_gone() -> None:
    with living() as process:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        assert ending_of(process) == (0, b"waited None\n")


def test_more_input_means_nothing() -> None:
    with living() as process:
        assert process.stdin is not None
        os.write(process.stdin.fileno(), b"hello\n" * 1000)
        assert process.poll() is None


def test_an_orphan_that_does_not_end_is_ended() -> None:
    stuck = PROGRAM.replace("asyncio.run(main())", "lifetime.ORPHAN_SECONDS_MAX = 1\nasyncio.run(main())").replace(
        "import asyncio", "import asyncio\nfrom node.processes import lifetime"
    )
    stuck = stuck.replace('print("waited"', 'await life.stop.wait(); await asyncio.Event().wait(); print("waited"')
    with subprocess.Popen([sys.executable, "-c", stuck], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == -signal.SIGALRM


def test_the_program_started_by_hand_says_what_it_is_for() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "node.processes"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 2
    assert "`idnode serve` starts these" in done.stderr
