"""Rebuilding an empty registry from deposits, all of it in one transaction (docking contract 7.4).

What was loaded is compared with what each deposit says the registry held; a difference ends it.

Credentials are in no deposit: every user keeps name and account but needs a new password, every application a new
token, and an administrator's token is made anew.
"""

# ruff: noqa: S608 - what is put into the statements are names of tables and columns from the catalogue

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec

from identifiers import sm2
from registry.bootstrap import ensure_administrator
from registry.migrate import MigrationError, migrate
from sync.database import Connection
from sync.escrow import bare_tables, opening, stock
from sync.escrow.chain import in_order
from sync.escrow.errors import ConfigurationUnusable, DatabaseFailed, PackagingFailed, VerificationFailed
from sync.escrow.opening import Deposit
from sync.escrow.private_tables import NODE, PRIVATE, SUPPLIED, PrivateTable, columns, names
from sync.escrow.reindexing import index_again
from sync.escrow.shape import REPORT_TABLES, Entry, Head
from sync.service import MIGRATIONS as SYNC_MIGRATIONS

CONNECT_TIMEOUT_S: Final = 10.0
_ROWS_AT_ONCE: Final = 1_000
_OCTETS_AT_ONCE: Final = 8 * 1024 * 1024
_STARTED: Final = """
SELECT EXISTS (SELECT FROM prefixes) OR EXISTS (SELECT FROM identifiers) OR EXISTS (SELECT FROM enterprises)
    OR EXISTS (SELECT FROM accounts)"""
# The journal of the restored registry begins here: whoever follows it takes a snapshot first.
_JOURNAL_BEGINS: Final = "UPDATE journal_state SET dropped_xid = pg_current_xact_id(), dropped_seq = 0"


class Restored(NamedTuple):
    """What was done: the deposits applied, and the rows they held, by table."""

    deposits: list[str]
    rows: dict[str, int]


async def restore(
    paths: Iterable[Path],
    dsn: str,
    *,
    key: sm2.PrivateKey,
    signer: sm2.PublicKey,
    work: Path,
    keep_token: Callable[[str], None],
    prefixes: Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
) -> Restored:
    """Rebuild the registry of an empty database. Raises EscrowError, and then nothing was changed but its schema.

    With `prefixes` only deposits of one of these count. `keep_token` is given the new administrator's token before all
    is committed; `tell` hears what is being loaded.
    """
    deposits = await asyncio.to_thread(_checked, paths, key, signer)
    if prefixes and (told := deposits[0].manifest.prefix) not in prefixes:
        raise VerificationFailed(
            f"{deposits[0].manifest.id} is of another node: its prefix is {told}, this node's are "
            f"{', '.join(prefixes)}; name the deposits of this node, or correct escrow.prefixes"
        )
    try:
        connection = await asyncpg.connect(
            dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"timezone": "UTC", "jit": "off", "statement_timeout": "0"}
        )
        try:
            await migrate(connection)
            await migrate(connection, "sync", SYNC_MIGRATIONS)
            async with connection.transaction():
                rows = await _apply(connection, deposits, key, work, tell)
                token = await ensure_administrator(connection)
                assert token is not None  # noqa: S101 - no deposit has tokens, so none counts yet
                keep_token(token)
        finally:
            await connection.close()
    except MigrationError as error:
        raise DatabaseFailed(f"the database cannot be prepared: {error}") from error
    except asyncpg.DiskFullError as error:
        raise DatabaseFailed(
            f"the database's disk is full, and it is left as it was: make room and restore again ({error})"
        ) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise DatabaseFailed(
            f"the database did not take the deposits, and is left as it was: {error or type(error).__name__}"
        ) from error
    return Restored([one.manifest.id for one in deposits], rows)


def _checked(paths: Iterable[Path], key: sm2.PrivateKey, signer: sm2.PublicKey) -> list[Deposit]:
    deposits = in_order(opening.for_key(opening.find(paths, signer), key, signer))
    for one in deposits:
        opening.check_volumes(one, signer)
    return deposits


async def _apply(
    connection: Connection,
    deposits: Sequence[Deposit],
    key: sm2.PrivateKey,
    work: Path,
    tell: Callable[[str], None] | None,
) -> dict[str, int]:
    if await connection.fetchval(_STARTED):
        raise ConfigurationUnusable(
            "this database holds a registry already: name an empty one, nothing is restored over what is there"
        )
    tables = [*PRIVATE]
    back = await bare_tables.strip(connection, tables)
    rows: dict[str, int] = {}
    for number, one in enumerate(deposits, 1):
        if tell is not None:
            count = sum(one.manifest.rows.values()) + sum(one.manifest.deletes.values())
            tell(f"loading {one.manifest.id}, {number} of {len(deposits)}: {count} rows")
        await _load(connection, one, key, work, rows)
    for statement in back:
        await connection.execute(statement)
    await bare_tables.raise_sequences(connection, tables)
    await index_again(connection)
    await connection.execute(_JOURNAL_BEGINS)
    return rows


async def _load(
    connection: Connection, deposit: Deposit, key: sm2.PrivateKey, work: Path, rows: dict[str, int]
) -> None:
    opened = opening.opened(deposit, key, work)
    head, pages = await asyncio.to_thread(opened.__enter__)
    fault: BaseException | None = None
    try:
        _check_tables(head)
        loader = _Loader(connection, is_first=head.kind == "FULL")
        runs = _runs(pages)
        node: bytes | None = None
        while (run := await asyncio.to_thread(next, runs, None)) is not None:
            table, entries = run
            if table in PRIVATE:
                await loader.load(PRIVATE[table], entries)
            elif table == NODE:
                node = entries[-1].data
            for entry in entries:
                rows[table] = rows.get(table, 0) + (entry.data is not None)
        await stock.compare(connection, head.id, node)
    except BaseException as error:
        fault = error
        raise
    finally:
        opened.__exit__(type(fault) if fault else None, fault, None)


def _check_tables(head: Head) -> None:
    if unknown := set(head.objects) - {*PRIVATE, *REPORT_TABLES, NODE}:
        raise PackagingFailed(
            f"{head.id} holds tables that this release does not know, {', '.join(sorted(unknown))}: restore with the "
            "release that made it"
        )


def _runs(pages: Iterator[list[Entry]]) -> Iterator[tuple[str, list[Entry]]]:
    """Gather entries of one table, all of them gone or all of them there, as many as fit into one statement."""
    run: list[Entry] = []
    octets = 0
    for page in pages:
        for entry in page:
            other = run and (entry.table != run[0].table or (entry.data is None) != (run[0].data is None))
            if other or len(run) == _ROWS_AT_ONCE or octets > _OCTETS_AT_ONCE:
                yield run[0].table, run
                run, octets = [], 0
            run.append(entry)
            octets += len(entry.data or b"")
    if run:
        yield run[0].table, run


class _Loader:
    """Puts rows of one deposit into tables. Into empty ones they go at once, else in place of those of their keys."""

    def __init__(self, connection: Connection, *, is_first: bool) -> None:
        self._connection = connection
        self._is_first = is_first
        self._allowed: dict[str, set[str]] = {}

    async def load(self, table: PrivateTable, entries: Sequence[Entry]) -> None:
        """Put rows in, or take them away."""
        if not self._is_first:
            await self._remove(table, entries)
        data = [entry.data for entry in entries if entry.data is not None]
        if data:
            await self._insert(table, data)

    async def _remove(self, table: PrivateTable, entries: Sequence[Entry]) -> None:
        keys = [dict(zip(table.key, _key(entry, table), strict=True)) for entry in entries]
        # An index is used only with `=`; one key has columns that may be null, in a table of few rows.
        operator = "IS NOT DISTINCT FROM" if table.name == "group_members" else "="
        same = " AND ".join(f't."{name}" {operator} gone."{name}"' for name in table.key)
        await self._connection.execute(
            f'DELETE FROM "{table.name}" AS t USING json_populate_recordset(NULL::"{table.name}", $1::json) AS gone '
            f"WHERE {same}",
            msgspec.json.encode(keys).decode(),
        )

    async def _insert(self, table: PrivateTable, data: Sequence[bytes]) -> None:
        present = await self._present(table, data[0])
        supplied = SUPPLIED.get(table.name, {})
        values = "".join(f", '{value}'" for value in supplied.values())
        await self._connection.execute(
            f'INSERT INTO "{table.name}" ({names((*present, *supplied))}) OVERRIDING SYSTEM VALUE '
            f'SELECT {names(present)}{values} FROM json_populate_recordset(NULL::"{table.name}", $1::json)',
            f"[{','.join(one.decode() for one in data)}]",
        )

    async def _present(self, table: PrivateTable, row: bytes) -> list[str]:
        """Return the columns of a deposit's row; those that it lacks get their defaults."""
        if table.name not in self._allowed:
            self._allowed[table.name] = set(await columns(self._connection, table))
        try:
            members: dict[str, Any] = msgspec.json.decode(row, type=dict[str, msgspec.Raw])
        except msgspec.DecodeError:
            raise PackagingFailed(f"a row of {table.name} is no JSON object") from None
        if unknown := members.keys() - self._allowed[table.name]:
            raise PackagingFailed(
                f"rows of {table.name} have members that this release does not know, {', '.join(sorted(unknown))}: "
                "restore with the release that made the deposit"
            )
        return list(members)


def _key(entry: Entry, table: PrivateTable) -> list[Any]:
    try:
        found = msgspec.json.decode(entry.key, type=list[Any])
    except msgspec.DecodeError:
        found = []
    if len(found) != len(table.key):
        raise PackagingFailed(f"a row of {table.name} has a key that is none: {entry.key[:200]}")
    return found
