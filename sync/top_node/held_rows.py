"""What is held of the keys of a batch: read at once, changed row by row in memory, written at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from sync.collecting.header import FACTS, Handed
from sync.collecting.judgement import Held
from sync.tables.table import Operation
from sync.top_node.book import Book

KEYS_AT_ONCE: Final = 1_000


class HeldRows:
    """The rows of one stream while one batch is judged; `write` stores what was taken."""

    def __init__(self, book: Book, header: Handed, keys: Iterable[str]) -> None:
        self._book = book
        self._header = header
        self._facts = header.table in FACTS
        self._full_id = None if header.full is None else str(header.full.id)
        self._held: dict[str, Held] = {}
        self._taken: list[tuple[Any, ...]] = []
        self._applied: list[tuple[Any, ...]] = []
        self._read(sorted(set(keys)))

    def get(self, key: str) -> Held | None:
        """Return what is held of a key, with what this batch has changed already."""
        return self._held.get(key)

    def take(self, row: Mapping[str, Any]) -> None:
        """Take one row that was judged good."""
        key, ver, data, header = row["key"], row["ver"], row.get("data"), self._header
        operation = None if header.table != "T9" else row["data"]["operation_type"]
        deleted = row["op"] == "delete" or operation == Operation.DELETE
        part = 1 if not self._facts else (row["data"].get("part") or 1)
        before = self._held.get(key)
        parts: tuple[Any, ...] = ()
        if self._facts:
            parts = (*(before.parts if before is not None and part > 1 else ()), data)
            if part == 1 and before is not None:
                self._book.db.execute(
                    "DELETE FROM held_rows WHERE table_id = ? AND reporter = ? AND scope = ? AND key = ? AND part > 1",
                    (header.table, header.reporter, header.scope, key),
                )
        self._held[key] = Held(ver, deleted, parts)
        stream = (header.table, header.reporter, header.scope)
        if data is None:
            self._delete(key, ver, row["at"])
        else:
            text = orjson.dumps(data).decode()
            self._taken.append((*stream, key, part, ver, deleted, row["at"], text, self._full_id))
        code = operation or (Operation.DELETE.value if deleted else None)
        self._applied.append((str(header.batch_id), row["n"], header.table, header.scope, key, ver, code))

    def write(self) -> None:
        """Store what was taken since the last time, in its order."""
        self._book.db.executemany("INSERT OR REPLACE INTO held_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._taken)
        self._book.db.executemany(
            "INSERT INTO applied (batch_id, n, table_id, scope, key, ver, operation_type) VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._applied,
        )
        self._taken.clear()
        self._applied.clear()

    def _delete(self, key: str, ver: int, at: str) -> None:
        """Mark a key as deleted and keep what was last told of it: others may refer to it still."""
        self.write()
        header = self._header
        self._book.db.execute(
            "UPDATE held_rows SET ver = ?, deleted = 1, at = ?, full_id = ? "
            "WHERE table_id = ? AND reporter = ? AND scope = ? AND key = ?",
            (ver, at, self._full_id, header.table, header.reporter, header.scope, key),
        )

    def _read(self, keys: Sequence[str]) -> None:
        header = self._header
        columns = "key, part, ver, deleted" + (", data" if self._facts else "")
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._book.db.execute(
                f"SELECT {columns} FROM held_rows "  # noqa: S608 - columns and marks are made here
                f"WHERE table_id = ? AND reporter = ? AND scope = ? AND key IN ({marks}) ORDER BY key, part",
                (header.table, header.reporter, header.scope, *some),
            )
            for row in rows:
                before = self._held.get(row["key"], Held(0, deleted=False)).parts
                parts = (*before, orjson.loads(row["data"])) if self._facts else ()
                self._held[row["key"]] = Held(row["ver"], bool(row["deleted"]), parts)
