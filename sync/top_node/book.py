"""The simulator's SQLite file: opened, one transaction at a time, copied and put back for rehearsing a loss of data."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

VERSION: Final = 2
CHECKPOINT: Final = ".checkpoint"

_SCHEMA: Final = Path(__file__).with_name("book.sql")


class Book:
    """Not thread-safe: all calls come from one thread. What a transaction wrote survives any end of the process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _set_aside_older(path)
        self._path = path
        # The one thread that calls is not the one that opens.
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self._prepare()

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written inside."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def one(self, query: str, *parameters: object) -> sqlite3.Row | None:
        """Return the first row."""
        row: sqlite3.Row | None = self.db.execute(query, parameters).fetchone()
        return row

    def all(self, query: str, *parameters: object) -> list[sqlite3.Row]:
        """Return all rows."""
        return list(self.db.execute(query, parameters))

    def checkpoint(self) -> None:
        """Keep a copy of everything as it is now, for `lose_since_checkpoint`."""
        with closing(sqlite3.connect(self._copy())) as copy:
            self.db.backup(copy)

    def lose_since_checkpoint(self) -> None:
        """Forget what came after the last checkpoint; everything, if there was none."""
        with closing(sqlite3.connect(self._copy())) as copy:
            copy.backup(self.db)
        self._prepare()

    def _copy(self) -> Path:
        return self._path.with_name(self._path.name + CHECKPOINT)

    def _prepare(self) -> None:
        self.db.executescript(_SCHEMA.read_text(encoding="utf-8"))
        self.db.execute(f"PRAGMA user_version = {VERSION}")


def _set_aside_older(path: Path) -> None:
    """Rename a file that an earlier release wrote: what it holds cannot be told apart by table."""
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        is_empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if version != VERSION and not is_empty:
        path.rename(path.with_name(path.name + ".old"))
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
