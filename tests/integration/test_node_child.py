"""One supervised child, with real processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from node import backoff
from node.child import Child, ChildSpec, State
from node.errors import DatabaseError
from tests.support import eventually, is_running

READY_THEN_WAIT = "import sys; print('ready', flush=True); sys.stdin.read()"
DEAF = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"


def python(code: str, **how: Any) -> ChildSpec:
    return ChildSpec(name="example", command=[sys.executable, "-c", code], environment=dict(os.environ), **how)


@asynccontextmanager
async def alive(spec: ChildSpec) -> AsyncIterator[Child]:
    child = Child(spec, lambda _child: None)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(child.run())
        try:
            yield child
        finally:
            await child.stop()


async def until(child: Child, state: State) -> None:
    await eventually(lambda: child.state is state)


async def test_a_child_is_ready_when_it_says_so_and_not_before(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    async with alive(python(f"open({str(gate)!r}).read(); " + READY_THEN_WAIT)) as child:
        await eventually(lambda: child.pid)
        assert child.state is State.STARTING
        await asyncio.to_thread(gate.write_text, "go")
        await until(child, State.READY)


async def test_a_killed_child_is_started_again() -> None:
    async with alive(python(READY_THEN_WAIT)) as child:
        await until(child, State.READY)
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: child.state is State.READY and child.pid != first)
        assert child.starts == 2


async def test_a_child_that_fails_is_started_again_after_a_pause_and_its_ending_is_kept() -> None:
    async with alive(python("raise SystemExit(3)")) as child:
        await eventually(lambda: child.failed_starts >= 3)
        assert child.last_failure == "exit code 3"


async def test_a_stop_asks_first_and_the_child_may_finish() -> None:
    code = (
        "import signal, sys\ndef end(*_):\n  print('bye'); sys.exit(0)\n"
        "signal.signal(15, end); print('ready', flush=True); signal.pause()"
    )
    async with alive(python(code, stop_timeout_s=30)) as child:
        await until(child, State.READY)
    assert child.state is State.ENDED
    assert child.starts == 1


async def test_a_child_deaf_to_the_stop_signal_is_killed_when_its_time_is_over() -> None:
    async with alive(python(DEAF, stop_timeout_s=0.2)) as child:
        await until(child, State.READY)
        pid = child.pid
    assert pid is not None
    assert not is_running(pid)


async def test_a_stop_during_the_pause_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 300.0)
    async with alive(python("raise SystemExit(3)")) as child:
        await eventually(lambda: child.failed_starts and child.state is State.WAITING)
        async with asyncio.timeout(30):
            await child.stop()


async def test_the_first_line_arrives_and_the_input_then_stays_open() -> None:
    code = "import sys; assert sys.stdin.readline() == 'order\\n'; " + READY_THEN_WAIT
    async with alive(python(code, first_line=b"order\n")) as child:
        await until(child, State.READY)
        assert child.starts == 1


async def test_an_inherited_descriptor_is_there_and_others_are_not() -> None:
    given, kept = os.pipe()
    try:
        code = f"import os; os.fstat({given})\ntry: os.fstat({kept})\nexcept OSError: " + READY_THEN_WAIT
        async with alive(python(code, inherits=(given,))) as child:
            await until(child, State.READY)
    finally:
        os.close(given)
        os.close(kept)


async def test_a_ctrl_c_at_the_terminal_does_not_reach_the_child() -> None:
    async with alive(python(READY_THEN_WAIT)) as child:
        await until(child, State.READY)
        assert child.pid is not None
        assert os.getpgid(child.pid) != os.getpgid(0)


async def test_a_preparation_that_fails_counts_as_a_failed_start_and_is_tried_again() -> None:
    tries: list[int] = []

    def before() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise DatabaseError("not yet")

    async with alive(python(READY_THEN_WAIT, before=before)) as child:
        await eventually(lambda: child.failed_starts == 1)
        assert child.last_failure == "not yet"
        await until(child, State.READY)
        assert len(tries) == 3


async def test_a_program_that_is_not_there_counts_as_a_failed_start() -> None:
    async with alive(ChildSpec(name="example", command=["/nowhere/at/all"], environment={})) as child:
        await eventually(lambda: child.failed_starts >= 2)
        assert "No such file" in child.last_failure


async def test_the_words_of_a_foreign_child_are_logged_by_their_gravity(caplog: pytest.LogCaptureFixture) -> None:
    code = "import sys; sys.stderr.write('LOG:  hello\\nFATAL:  too bad\\nno end'); sys.exit(1)"
    with caplog.at_level("DEBUG"):
        async with alive(python(code, foreign=True, ready=asyncio.Event().wait)) as child:  # type: ignore[arg-type]
            await eventually(lambda: child.failed_starts)
    words = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "example"]
    assert words[:3] == [("DEBUG", "LOG:  hello"), ("ERROR", "FATAL:  too bad"), ("DEBUG", "no end")]
