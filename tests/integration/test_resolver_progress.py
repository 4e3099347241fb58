"""The progress socket over a real Unix socket."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from identifiers.changes import Cursor
from resolver.progress import CLIENTS_MAX, LINE_OCTETS_MAX, ProgressServer
from tests.support import eventually

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Served:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.woken = asyncio.Event()
        self.server = ProgressServer(path, self.woken)
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Connection:
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    served = Served(tmp_path / "follower.sock")
    async with served.server:
        yield served
        await served.close()


async def line(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readline(), 30.0)


async def test_a_client_is_told_the_position_at_once_and_each_later_one(served: Served) -> None:
    served.server.announce(Cursor(7, 8))
    reader, _ = await served.connect()
    assert await line(reader) == b"7 8\n"
    served.server.announce(Cursor(9, 10))
    assert await line(reader) == b"9 10\n"


async def test_a_wake_from_any_client_wakes(served: Served) -> None:
    for _ in range(2):
        _, writer = await served.connect()
        writer.write(b"wake\nwa")
        await asyncio.wait_for(served.woken.wait(), 30.0)
        served.woken.clear()
        writer.write(b"ke\n")
        await asyncio.wait_for(served.woken.wait(), 30.0)
        served.woken.clear()


@pytest.mark.parametrize("octets", [b"something else\n", b"x" * (LINE_OCTETS_MAX + 1), b"\n"])
async def test_a_client_that_says_anything_else_is_cut_off(served: Served, octets: bytes) -> None:
    reader, writer = await served.connect()
    assert await line(reader) == b"0 0\n"
    writer.write(octets)
    assert await line(reader) == b""
    assert not served.woken.is_set()


async def test_there_are_only_so_many_clients(served: Served) -> None:
    connections = [await served.connect() for _ in range(CLIENTS_MAX)]
    for reader, _ in connections:
        assert await line(reader) == b"0 0\n"
    reader, _ = await served.connect()
    assert await line(reader) == b""
    connections[0][1].close()
    await eventually(lambda: served.server.clients == CLIENTS_MAX - 1)
    assert await line((await served.connect())[0]) == b"0 0\n"


async def test_a_client_that_does_not_read_is_cut_off_and_others_are_not(served: Served) -> None:
    reader, _ = await served.connect()
    deaf, _ = await served.connect()
    deaf._transport.pause_reading()  # type: ignore[attr-defined] # a peer that never reads
    await eventually(lambda: served.server.clients == 2)
    for number in range(200_000):
        served.server.announce(Cursor(number, number))
        if served.server.clients < 2:
            break
        if number % 100 == 0:
            await asyncio.sleep(0)
    assert served.server.clients == 1
    served.server.announce(Cursor(1, 2))
    while await line(reader) != b"1 2\n":
        pass


def test_it_serves_on_uvloop(tmp_path: Path) -> None:
    async def scenario() -> None:
        served = Served(tmp_path / "follower.sock")
        async with served.server:
            reader, writer = await served.connect()
            assert await line(reader) == b"0 0\n"
            writer.write(b"wake\n")
            await asyncio.wait_for(served.woken.wait(), 30.0)
            served.server.announce(Cursor(1, 2))
            assert await line(reader) == b"1 2\n"
            await served.close()

    uvloop.run(scenario())


async def test_the_socket_is_the_owners_and_replaces_what_a_killed_follower_left(tmp_path: Path) -> None:
    path = tmp_path / "run" / "follower.sock"
    for _ in range(2):
        async with ProgressServer(path, asyncio.Event()):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            left = path.with_name("left")
            path.rename(left)
        left.rename(path)
    path.unlink()
