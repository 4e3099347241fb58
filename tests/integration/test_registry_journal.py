"""The journal under concurrent writers: every committed change is read once, in order, and none is lost."""

import asyncio
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from identifiers.changes import START, Change, Cursor
from registry import journal
from registry.authority import Principal
from registry.database import Connection, Pool, open_pool, transaction
from registry.errors import ChangedMeanwhile, Conflict
from registry.service import identifiers, prefixes
from registry.service.change import Outcome, make_change

ADMIN = Principal("acc_test", "administrator")
WRITERS = 300
CONNECTIONS = 60
NAIVE = "SELECT seq FROM journal WHERE seq > $1 ORDER BY seq"


class RolledBackError(Exception):
    """What a writer that changes its mind raises."""


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def registry(dsn: str, connections: int = 8) -> AsyncIterator[Pool]:
    """Open a pool on a registry with the prefix 88.118.8."""
    pool = await open_pool(dsn, connections_max=connections)
    try:
        async with transaction(pool) as connection:
            await prefixes.create(connection, ADMIN, now(), prefix="88.118.8", name="Pumps")
        yield pool
    finally:
        await pool.close()


async def put(connection: Connection, name: str, data: str) -> Outcome:
    values = [{"index": 1, "type": "URL", "data": data}]
    written = await identifiers.put(connection, ADMIN, now(), f"88.118.8/{name}", values=values)
    return Outcome(status=200, body=msgspec.Raw(b"{}"), cursor=written.cursor, version=written.record.version)


async def write_once(pool: Pool, number: int, rng: random.Random) -> Cursor | None:
    """One writer: a random identifier, some with their transaction id taken early, some slow, some rolled back."""
    early, slow, gives_up = rng.random() < 0.2, rng.random() < 0.3, rng.random() < 0.2
    name, pause = f"SN{rng.randrange(40)}", rng.random() * 0.03

    async def work(connection: Connection) -> Outcome:
        if early:
            await connection.execute("SELECT pg_current_xact_id(), pg_sleep($1)", pause)
        outcome = await put(connection, name, f"https://example.com/{number}")
        if slow:
            await connection.execute("SELECT pg_sleep($1)", pause)
        if gives_up:
            raise RolledBackError
        return outcome

    try:
        return (await make_change(pool, now(), work)).cursor
    except (RolledBackError, Conflict):
        return None


class Reader:
    """Reads the journal as a follower does."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.cursor = START
        self.changes: list[Change] = []

    async def read(self, limit: int = 50) -> int:
        found = await journal.read_changes(self.connection, self.cursor, limit)
        self.changes += found
        self.cursor = found[-1].cursor if found else self.cursor
        return len(found)


class NaiveReader:
    """Reads the journal as one would who trusts sequence numbers: what the real reader must not be."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.seen: list[int] = []

    async def read(self) -> None:
        self.seen += [row["seq"] for row in await self.connection.fetch(NAIVE, max(self.seen, default=0))]


async def test_hundreds_of_concurrent_writers_lose_nothing_and_a_reader_by_sequence_number_would(
    registry_database: str,
) -> None:
    rng = random.Random(7)
    async with registry(registry_database, CONNECTIONS) as pool, pool.acquire() as one, pool.acquire() as other:
        reader, naive = Reader(one), NaiveReader(other)
        late = await pool.acquire()
        # One writer is certain to be overtaken: it has its place in the sequence and commits when all others have.
        overtaken = late.transaction()
        await overtaken.start()
        overtaken_at = (await put(late, "OVERTAKEN", "x")).cursor
        assert overtaken_at is not None
        writing = asyncio.gather(*(write_once(pool, number, rng) for number in range(WRITERS)))
        while not writing.done():
            await reader.read()
            await naive.read()
        assert reader.cursor < overtaken_at
        await overtaken.commit()
        await pool.release(late)
        committed = {overtaken_at} | {cursor for cursor in await writing if cursor is not None}
        while await reader.read():
            pass
        await naive.read()

    read = [change for change in reader.changes if change.kind == "identifier"]
    assert {change.cursor for change in read} == committed
    assert len(read) == len(committed)
    assert [change.cursor for change in reader.changes] == sorted(change.cursor for change in reader.changes)
    assert len(committed) > WRITERS / 3
    assert len(naive.seen) < len(reader.changes), "the workload is too tame to prove anything"
    versions = defaultdict(list)
    for change in read:
        versions[change.key].append(msgspec.json.decode(change.after)["version"])
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values()), versions


async def test_a_transaction_that_began_earlier_does_not_change_what_a_later_one_has_changed(
    registry_database: str,
) -> None:
    async with registry(registry_database) as pool, pool.acquire() as early, pool.acquire() as late:
        await put(late, "SN1", "first")
        async with early.transaction():
            await early.execute("SELECT pg_current_xact_id()")
            async with late.transaction():
                await put(late, "SN1", "second")
            with pytest.raises(ChangedMeanwhile):
                await put(early, "SN1", "third")
        outcome = await make_change(pool, now(), lambda connection: put(connection, "SN1", "third"))
        reader = Reader(early)
        await reader.read()
    states = [msgspec.json.decode(change.after) for change in reader.changes if change.kind == "identifier"]
    assert [state["values"][0]["data"]["value"] for state in states] == ["first", "second", "third"]
    assert outcome.version == 3


async def test_rows_of_running_transactions_and_of_later_ones_wait_their_turn(registry_database: str) -> None:
    async with registry(registry_database) as pool, pool.acquire() as slow, pool.acquire() as quick:
        reader = Reader(quick)
        await reader.read()
        async with slow.transaction():
            await put(slow, "SLOW", "1")
            await put(quick, "QUICK", "1")
            assert await reader.read() == 0
        assert await reader.read() == 2
        assert [change.key for change in reader.changes[-2:]] == ["hdl:88.118.8/SLOW", "hdl:88.118.8/QUICK"]


async def test_a_change_says_when_by_whom_and_what_came_of_it_byte_for_byte(registry_database: str) -> None:
    async with registry(registry_database) as pool, pool.acquire() as connection:
        after = '{ "odd":  "spacing", "泵": "\\u0041" }'.encode()
        cursor = await journal.append(
            connection, actor="acc_1", kind="identifier", key="hdl:88.118.8/泵", op="update", after=after
        )
        reader = Reader(connection)
        await reader.read()
        change = reader.changes[-1]
        assert change[:2] == cursor
        assert (change.kind, change.key, change.op, change.after) == ("identifier", "hdl:88.118.8/泵", "update", after)
        assert abs(change.at - now()).total_seconds() < 60
        assert await connection.fetchval("SELECT actor FROM journal WHERE seq = $1", cursor.seq) == "acc_1"


async def test_a_read_stops_at_its_limit_and_at_its_octets(registry_database: str) -> None:
    async with registry(registry_database) as pool, pool.acquire() as connection:
        start = await journal.end(connection)
        for number in range(7):
            after = b'"%b"' % (b"x" * 4 * 2**20)
            await journal.append(connection, actor="a", kind="template", key=str(number), op="create", after=after)
        assert len(await journal.read_changes(connection, start, 3)) == 3
        assert len(await journal.read_changes(connection, start, 100)) == 4
        assert await journal.depth(connection, start, 100) == 7
        assert await journal.depth(connection, start, 5) == 5


async def test_nothing_is_counted_behind_the_end(registry_database: str) -> None:
    async with registry(registry_database) as pool, pool.acquire() as connection:
        await put(connection, "SN1", "1")
        end = await journal.end(connection)
        assert await journal.depth(connection, end, 10) == 0
        assert await journal.read_changes(connection, end, 10) == []
        assert (await journal.read_changes(connection, START, 10))[-1].cursor == end


async def test_the_identity_names_the_database_the_cluster_and_its_timeline(
    registry_database: str, database: str
) -> None:
    async with registry(registry_database) as pool, pool.acquire() as connection:
        mine = await journal.epoch(connection)
        assert mine == await journal.epoch(connection)
        assert mine.startswith(str(await connection.fetchval("SELECT epoch FROM journal_state")))
        async with connection.transaction(readonly=True):
            assert await journal.epoch(connection) == mine
    stranger = await asyncpg.connect(database)
    try:
        await stranger.execute("CREATE TABLE journal_state (epoch text)")
        await stranger.execute("INSERT INTO journal_state VALUES ($1)", mine.split(".")[0])
        copy = await journal.epoch(stranger)
    finally:
        await stranger.close()
    assert copy != mine, "a copy of the database is another journal"
    assert Counter(copy)["."] == 3


async def test_where_the_cluster_does_not_show_itself_the_database_s_own_identity_stands(
    registry_database: str,
) -> None:
    role = f"limited_{uuid.uuid4().hex}"
    async with registry(registry_database) as pool, pool.acquire() as connection:
        own = str(await connection.fetchval("SELECT epoch FROM journal_state"))
        await connection.execute(f"CREATE ROLE {role}; GRANT SELECT ON journal_state TO {role}")
        await connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL ROLE {role}")
                assert await journal.epoch(connection) == own
        finally:
            await connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
