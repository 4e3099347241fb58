"""intake_rows: what is held of the keys of a batch, read at once, changed row by row in memory, written at once."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import orjson

from sync.collecting.header import FACTS, Handed
from sync.collecting.judgement import Held
from sync.database import Connection
from sync.tables.table import Operation

_READ = (
    "SELECT key, ver, told_ver, deleted, data FROM intake_rows "
    "WHERE table_id = $1 AND reporter = $2 AND key = ANY($3::text[])"
)
_WRITE = """
INSERT INTO intake_rows (table_id, reporter, key, ver, told_ver, deleted, at, data, batch_id, full_id)
SELECT $1, $2, one.key, one.ver, one.told_ver, one.deleted, one.at, one.data, $3, $4
FROM unnest($5::text[], $6::bigint[], $7::bigint[], $8::boolean[], $9::text[], $10::text[])
    AS one (key, ver, told_ver, deleted, at, data)
ON CONFLICT (table_id, reporter, key) DO UPDATE SET
    ver = excluded.ver, told_ver = excluded.told_ver, deleted = excluded.deleted, at = excluded.at,
    data = excluded.data, batch_id = excluded.batch_id, full_id = excluded.full_id"""
# Also rows that are held as they came, or newer, are in the set.
_NAMED = "UPDATE intake_rows SET full_id = $4 WHERE table_id = $1 AND reporter = $2 AND key = ANY($3::text[])"
_DROP = """
UPDATE intake_rows SET deleted = true, told_ver = told_ver + 1, batch_id = $3
WHERE table_id = $1 AND reporter = $2 AND NOT deleted AND full_id IS DISTINCT FROM $4
RETURNING key, told_ver, at, data"""


class HeldRows:
    """The rows of one stream while one batch is judged."""

    def __init__(self, header: Handed) -> None:
        self._header = header
        self._held: dict[str, Held] = {}
        self._data: dict[str, list[Any]] = {}
        self._told: dict[str, int] = {}
        self._taken: dict[str, tuple[str, str]] = {}

    async def read(self, connection: Connection, keys: Iterable[str]) -> None:
        """Read what is held of these keys."""
        header = self._header
        for row in await connection.fetch(_READ, header.table, header.reporter, sorted(set(keys))):
            data = orjson.loads(row["data"])
            self._data[row["key"]] = data
            self._told[row["key"]] = row["told_ver"]
            parts = tuple(data) if header.table in FACTS else ()
            self._held[row["key"]] = Held(row["ver"], row["deleted"], parts)

    def get(self, key: str) -> Held | None:
        """Return what is held of a key, with what this batch has changed already."""
        return self._held.get(key)

    def take(self, row: Mapping[str, Any]) -> int:
        """Take one row that was judged good, and return the version under which it is handed on.

        A deletion keeps the data, because others may refer to it.
        """
        key, data = row["key"], row.get("data")
        deleted = row["op"] == "delete" or (
            self._header.table == "T9" and row["data"]["operation_type"] == Operation.DELETE
        )
        kept = self._data.get(key, [])
        if data is not None:
            is_part = self._header.table in FACTS and (data.get("part") or 1) > 1
            kept = [*kept, data] if is_part else [data]
        self._data[key] = kept
        self._held[key] = Held(row["ver"], deleted, tuple(kept) if self._header.table in FACTS else ())
        self._taken[key] = (row["at"], orjson.dumps(kept).decode())
        self._told[key] = max(row["ver"], self._told.get(key, 0) + 1)
        return self._told[key]

    async def write(self, connection: Connection, keys: Iterable[str]) -> list[tuple[str, int, str, Any]]:
        """Store what was taken; with the last part of a complete set, delete what was in none of its parts.

        `keys` are all that this batch named. Returns key, version to hand on, time and data of what was deleted so.
        """
        header = self._header
        full = header.full
        table, reporter, batch_id = header.table, header.reporter, header.batch_id
        taken = sorted(self._taken)
        await connection.execute(
            _WRITE,
            table,
            reporter,
            batch_id,
            None if full is None else full.id,
            taken,
            [self._held[key].ver for key in taken],
            [self._told[key] for key in taken],
            [self._held[key].deleted for key in taken],
            [self._taken[key][0] for key in taken],
            [self._taken[key][1] for key in taken],
        )
        if full is None:
            return []
        await connection.execute(_NAMED, table, reporter, sorted(set(keys)), full.id)
        if not full.last or table in FACTS or table == "E2":
            return []
        gone = await connection.fetch(_DROP, table, reporter, batch_id, full.id)
        return [(row["key"], row["told_ver"], row["at"], msgspec.json.decode(row["data"])[0]) for row in gone]
