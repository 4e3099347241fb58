"""Waiting for the replica, against the follower's own progress socket."""

import asyncio
from pathlib import Path

import pytest

from identifiers.changes import START, Cursor
from registry.barrier import ReplicaBarrier
from resolver.progress import ProgressServer
from tests.support import eventually


async def test_a_wait_ends_when_the_replica_comes_that_far(tmp_path: Path) -> None:
    path = tmp_path / "follower.sock"
    async with ProgressServer(path, asyncio.Event()) as server, ReplicaBarrier(path) as barrier:
        waits = [asyncio.create_task(barrier.wait(Cursor(xid, 1), 10)) for xid in (3, 1, 2)]
        await eventually(lambda: barrier.position == START)
        server.announce(Cursor(2, 5))
        assert [await waits[1], await waits[2]] == [True, True]
        assert not waits[0].done()
        server.announce(Cursor(3, 1))
        assert await waits[0]
        assert await barrier.wait(Cursor(3, 1), 0)


async def test_a_wait_for_a_position_not_reached_ends_in_time(tmp_path: Path) -> None:
    path = tmp_path / "follower.sock"
    async with ProgressServer(path, asyncio.Event()) as server, ReplicaBarrier(path) as barrier:
        server.announce(Cursor(5, 4))
        assert not await barrier.wait(Cursor(5, 5), 0.05)


async def test_wakes_of_one_turn_are_one_line(tmp_path: Path) -> None:
    received = bytearray()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            received.extend(data)
        writer.close()

    path = tmp_path / "follower.sock"
    server = await asyncio.start_unix_server(accept, path)
    async with server, ReplicaBarrier(path) as barrier:
        await eventually(lambda: received == b"wake\n")
        for _ in range(100):
            barrier.wake()
        await eventually(lambda: received == b"wake\n" * 2)


async def test_it_connects_again_and_forgets_the_old_position_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "follower.sock"
    async with ReplicaBarrier(path) as barrier:
        assert not await barrier.wait(Cursor(1, 1), 0.01)
        async with ProgressServer(path, asyncio.Event()) as server:
            server.announce(Cursor(7, 7))
            await eventually(lambda: barrier.position == Cursor(7, 7))
        await eventually(lambda: barrier.position is None)
        assert not await barrier.wait(Cursor(7, 7), 0.01)
        woken = asyncio.Event()
        async with ProgressServer(path, woken) as server:
            server.announce(Cursor(8, 8))
            assert await barrier.wait(Cursor(8, 8), 10)
            await asyncio.wait_for(woken.wait(), 10)


@pytest.mark.parametrize("line", [b"nonsense\n", b"1 2 3\n", b"x" * 1000])
async def test_a_follower_that_talks_nonsense_is_left_and_tried_again(tmp_path: Path, line: bytes) -> None:
    connections = 0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(line if connections == 1 else b"4 4\n")
        await reader.read()
        writer.close()

    path = tmp_path / "follower.sock"
    server = await asyncio.start_unix_server(accept, path)
    async with server, ReplicaBarrier(path) as barrier:
        assert await barrier.wait(Cursor(4, 4), 10)
        assert connections == 2


async def test_waits_that_ended_leave_nothing_behind(tmp_path: Path) -> None:
    async with ReplicaBarrier(tmp_path / "nobody.sock") as barrier:
        await asyncio.gather(*(barrier.wait(Cursor(number, 1), 0.01) for number in range(200)))
        assert barrier._waiting == []
