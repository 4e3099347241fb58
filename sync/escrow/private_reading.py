"""The registry's own tables as entries of a deposit."""

# ruff: noqa: S608 - what is put into the statements are names of tables and columns from the catalogue

from collections.abc import AsyncIterator, Sequence
from typing import Final

from identifiers.changes import Cursor
from sync.database import Connection
from sync.escrow import told
from sync.escrow.changed import Changed, changed
from sync.escrow.private_tables import ALIASES, IDENTIFIERS, WALKED, PrivateTable, columns, names
from sync.escrow.shape import Entry
from sync.escrow.told import Memory, Told, digest_of

_AT_ONCE: Final = 200
"""Few, because some rows are long: a record may have a megabyte of values."""
_KEYS_AT_ONCE: Final = 500


class PrivateReading:
    """Reads them; with `since` what differs from the last deposit, else everything."""

    def __init__(self, connection: Connection, memory: Memory, prefix: str, since: Cursor | None) -> None:
        self._connection = connection
        self._memory = memory
        self._prefix = prefix
        self._since = since

    async def entries(self) -> AsyncIterator[Entry]:
        """Yield the entries, table by table; nothing refers to a later table but enterprises to accounts."""
        for table in WALKED:
            async for entry in self._walked(table):
                yield entry
        of_identifiers = self._all_identifiers() if self._since is None else self._changed_identifiers(self._since)
        async for entry in of_identifiers:
            yield entry

    async def _walked(self, table: PrivateTable) -> AsyncIterator[Entry]:
        """Go through a table and what was said of it side by side, both in the order of the keys."""
        before = told.of_table(self._connection, self._prefix, table.name)
        last = await anext(before, None)
        async for key, data in self._rows(table):
            while last is not None and last.key < key:
                if (gone := await self._gone(table, last)) is not None:
                    yield gone
                last = await anext(before, None)
            known, last = (last, await anext(before, None)) if last is not None and last.key == key else (None, last)
            digest = digest_of(data)
            same = known is not None and known.digest == digest
            ver = (known.ver if known else 0) + (not same)
            if not same:
                await self._memory.note(table.name, Told(key, "", ver, digest))
            if not same or self._since is None:
                yield Entry(table.name, key, ver, await self._whole(table, key, data))
        while last is not None:
            if (gone := await self._gone(table, last)) is not None:
                yield gone
            last = await anext(before, None)

    async def _gone(self, table: PrivateTable, row: Told) -> Entry | None:
        if row.digest is None:
            return None
        await self._memory.note(table.name, row._replace(ver=row.ver + 1, digest=None))
        return None if self._since is None else Entry(table.name, row.key, row.ver + 1, None)

    async def _rows(self, table: PrivateTable) -> AsyncIterator[tuple[str, bytes]]:
        light = [name for name in await columns(self._connection, table) if name != table.heavy]
        statement = f"""
            SELECT json_build_array({names(table.key, "r")})::text COLLATE "C" AS key, row_to_json(r)::text AS data
            FROM (SELECT {names(light)} FROM "{table.name}") AS r ORDER BY 1"""
        async for row in self._connection.cursor(statement, prefetch=_AT_ONCE):
            yield row["key"], row["data"].encode()

    async def _whole(self, table: PrivateTable, key: str, light: bytes) -> bytes:
        """Return the row with its heavy column."""
        if table.heavy is None:
            return light
        whole = names(await columns(self._connection, table))
        statement = f"""
            SELECT row_to_json(r)::text FROM (
                SELECT {whole} FROM "{table.name}" WHERE "{table.key[0]}" = $1::json ->> 0
            ) AS r"""
        data: str = await self._connection.fetchval(statement, key)
        return data.encode()

    async def _all_identifiers(self) -> AsyncIterator[Entry]:
        statement = f"{await self._of_identifiers()} ORDER BY i.prefix_id, i.key"
        async for row in self._connection.cursor(statement, prefetch=_AT_ONCE):
            for entry in _entries_of(row["row_key"], row["version"], row["data"], row["alias"]):
                yield entry

    async def _changed_identifiers(self, since: Cursor) -> AsyncIterator[Entry]:
        page: list[Changed] = []
        async for one in changed(self._connection, since):
            if page and (one.prefix_id != page[0].prefix_id or len(page) == _KEYS_AT_ONCE):
                for entry in await self._page(page):
                    yield entry
                page = []
            page.append(one)
        if page:
            for entry in await self._page(page):
                yield entry

    async def _page(self, page: Sequence[Changed]) -> list[Entry]:
        statement = f"{await self._of_identifiers()} WHERE i.prefix_id = $1 AND i.key = ANY($2::text[])"
        rows = await self._connection.fetch(statement, page[0].prefix_id, [one.key for one in page])
        by_key = {row["key"]: row for row in rows}
        found: list[Entry] = []
        for one in page:
            row = by_key.get(one.key)
            if row is not None:
                found += _entries_of(row["row_key"], row["version"], row["data"], row["alias"])
            if one.other_name and (row is None or row["alias"] is None):
                row_key = row["row_key"] if row is not None else await self._row_key(one)
                version = row["version"] if row is not None else 0
                found.append(Entry(ALIASES.name, row_key, version, None))
                if row is None:
                    found.append(Entry(IDENTIFIERS.name, row_key, version, None))
        return found

    async def _row_key(self, one: Changed) -> str:
        key: str = await self._connection.fetchval(
            "SELECT json_build_array($1::bigint, $2::text)::text", one.prefix_id, one.key
        )
        return key

    async def _of_identifiers(self) -> str:
        """Return the statement that reads identifiers with where other names lead."""
        own = names(await columns(self._connection, IDENTIFIERS), "i")
        other = names(await columns(self._connection, ALIASES), "a")
        return f"""
            SELECT json_build_array(i.prefix_id, i.key)::text AS row_key, i.key, i.version,
                   (SELECT row_to_json(r)::text FROM (SELECT {own}) AS r) AS data,
                   CASE WHEN i.state = 'alias' THEN (
                       SELECT row_to_json(r)::text FROM (
                           SELECT {other} FROM identifier_aliases AS a
                           WHERE a.prefix_id = i.prefix_id AND a.key = i.key) AS r
                   ) END AS alias
            FROM identifiers AS i"""


def _entries_of(row_key: str, version: int, data: str, alias: str | None) -> list[Entry]:
    found = [Entry(IDENTIFIERS.name, row_key, version, data.encode())]
    if alias is not None:
        found.append(Entry(ALIASES.name, row_key, version, alias.encode()))
    return found
