"""While a connection is lent, the database's own troubles become `Unavailable`; those of others stay as they are."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from registry.database import Pool, connected, open_pool
from registry.errors import Unavailable
from tests.support import eventually

AT_ONCE_WITHOUT_FAREWELL = struct.pack("ii", 1, 0)
"""SO_LINGER that makes closing a socket a reset: what a peer sees of a machine that lost its power."""


@asynccontextmanager
async def pool_of(dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(dsn, connections_max=1)
    try:
        yield pool
    finally:
        pool.terminate()


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with pool_of(database) as made:
        yield made


class Relay:
    """A way to the database over TCP that can be reset."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self._address = address
        self._tasks: set[asyncio.Task[None]] = set()
        self._near: list[asyncio.StreamWriter] = []

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = (
            await asyncio.open_unix_connection(self._address)
            if isinstance(self._address, str)
            else await asyncio.open_connection(*self._address)
        )
        self._near.append(writer)
        self._tasks |= {
            asyncio.create_task(_pump(reader, far_writer)),
            asyncio.create_task(_pump(far_reader, writer)),
        }

    def reset(self) -> None:
        for writer in self._near:
            near: socket.socket = writer.get_extra_info("socket")
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE_WITHOUT_FAREWELL)
            writer.transport.abort()

    async def end(self) -> None:
        await asyncio.gather(*self._tasks)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(65_536):
        writer.write(octets)
    writer.close()


@pytest.fixture
async def relayed(database: str) -> AsyncIterator[tuple[Relay, str]]:
    """Yield a relay, and the DSN that leads through it."""
    direct = await asyncpg.connect(database)
    relay = Relay(direct._addr)  # type: ignore[attr-defined] # the driver alone knows what a DSN leads to
    await direct.close()
    server = await asyncio.start_server(relay.connect, "127.0.0.1", 0)
    parts = urlsplit(database)
    port = server.sockets[0].getsockname()[1]
    user = parts.netloc.rpartition("@")[0]
    yield relay, urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}", query="sslmode=disable"))
    server.close()
    await relay.end()


async def test_a_missing_file_is_not_the_database_s_and_the_connection_goes_on(pool: Pool, tmp_path: Path) -> None:
    async with connected(pool) as connection:
        server_process = await connection.fetchval("SELECT pg_backend_pid()")
    with pytest.raises(FileNotFoundError):
        async with connected(pool):
            (tmp_path / "missing").read_bytes()
    with pytest.raises(FileNotFoundError):
        async with connected(pool) as connection, connection.transaction():
            (tmp_path / "missing").open()
    async with connected(pool) as connection:
        assert await connection.fetchval("SELECT pg_backend_pid()") == server_process


async def test_a_time_out_of_the_block_itself_is_not_the_database_s(pool: Pool) -> None:
    with pytest.raises(TimeoutError):
        async with connected(pool), asyncio.timeout(0):
            await asyncio.Event().wait()


async def test_what_fails_while_rows_are_made_for_a_copy_is_not_the_database_s(pool: Pool, tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[str]]:
        yield ("a",)
        yield ((tmp_path / "missing").read_text(),)

    async with connected(pool) as connection:
        await connection.execute("CREATE TABLE words (word text)")
    with pytest.raises(FileNotFoundError):
        async with connected(pool) as connection:
            await connection.copy_records_to_table("words", records=rows())


async def test_a_statement_that_takes_too_long_is_the_database_away(pool: Pool) -> None:
    with pytest.raises(Unavailable) as caught:
        async with connected(pool) as connection:
            await connection.execute("SELECT pg_sleep(60)", timeout=0.05)
    assert caught.value.code == "database_away"
    assert isinstance(caught.value.__cause__, TimeoutError)


async def test_no_connection_to_be_had_in_time_is_the_database_away(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.database.ACQUIRE_TIMEOUT_S", 0.05)
    async with connected(pool):
        with pytest.raises(Unavailable) as caught:
            async with connected(pool):
                pytest.fail("there is only one connection")
    assert isinstance(caught.value.__cause__, TimeoutError)


async def test_a_server_that_is_not_there_is_the_database_away(tmp_path: Path) -> None:
    async with pool_of(f"postgresql://nobody@/none?host={tmp_path}") as pool:
        with pytest.raises(Unavailable) as caught:
            async with connected(pool):
                pytest.fail("there is no server")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize("within_transaction", [False, True])
async def test_a_connection_that_is_reset_in_the_middle_of_a_statement_is_the_database_away(
    relayed: tuple[Relay, str], database: str, *, within_transaction: bool
) -> None:
    async def ask() -> None:
        async with connected(pool) as connection:
            if within_transaction:
                async with connection.transaction():
                    await connection.execute("SELECT pg_sleep(60)")
            else:
                await connection.execute("SELECT pg_sleep(60)")

    async def sleeps() -> bool:
        return bool(await watcher.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))

    relay, dsn = relayed
    watcher = await asyncpg.connect(database)
    async with pool_of(dsn) as pool:
        asking = asyncio.create_task(ask())
        await eventually(sleeps)
        relay.reset()
        with pytest.raises(Unavailable) as caught:
            await asking
    assert caught.value.code == "database_away"
    await watcher.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    await watcher.close()
