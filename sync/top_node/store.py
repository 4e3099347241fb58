"""What the simulator holds, in SQLite: what it has acknowledged survives any end of its process."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sync.batch import Receipt, Rejection, StreamState
from sync.calendar_time import instant
from sync.tables.table import Operation
from sync.tables.table import Problem as RowProblem
from sync.top_node.batch_check import Delivered
from sync.top_node.faults import FaultSource
from sync.top_node.judgement import Held, judge
from sync.top_node.problems import Problem

INLINE_REJECTIONS_MAX: Final = 1_000

_SCHEMA: Final = Path(__file__).with_name("schema.sql")


class Store:
    """Not thread-safe: all calls come from one thread, each is one transaction."""

    def __init__(self, path: Path, faults: FaultSource) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._faults = faults
        # The one thread that calls is not the one that opens.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA.read_text(encoding="utf-8"))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def take(self, batch: Delivered, *, pending: bool) -> Receipt | None:
        """Store a batch and return its receipt; the same batch again, the same receipt. None while it is judged.

        Raises Problem, and then nothing is stored.
        """
        with self._transaction():
            known = self._one("SELECT * FROM batches WHERE batch_id = ?", str(batch.header.batch_id))
            if known is None:
                self._check_order(batch)
                self._store(batch, pending=pending)
            elif known["content_sha256"] != batch.content_sha256:
                raise Problem(409, "batch_conflict", "this batch id was used for other content")
            return self._receipt(batch.header.batch_id)

    def receipt(self, reporter: str, batch_id: UUID) -> Receipt | None:
        """Return a batch's receipt; one under judgement is judged by the next question. Raises Problem."""
        with self._transaction():
            known = self._one("SELECT * FROM batches WHERE batch_id = ? AND reporter = ?", str(batch_id), reporter)
            if known is None:
                raise Problem(404, "unknown_batch", "this batch was never handed in")
            receipt = self._receipt(batch_id)
            self._db.execute("UPDATE batches SET pending = 0 WHERE batch_id = ?", (str(batch_id),))
            return receipt

    def rejections(self, batch_id: UUID, after_n: int, limit: int) -> list[Rejection]:
        """Return a batch's rejections in the order of rows."""
        rows = self._db.execute(
            "SELECT n, key, code, field, message FROM rejections WHERE batch_id = ? AND n > ? ORDER BY n LIMIT ?",
            (str(batch_id), after_n, limit),
        )
        return [Rejection(**row) for row in map(dict, rows)]

    def stream(self, reporter: str, table: str, scope: str) -> StreamState:
        """Return how far one stream is; raises Problem if nothing ever came on it."""
        row = self._one(
            "SELECT * FROM streams WHERE reporter = ? AND table_id = ? AND scope = ?", reporter, table, scope
        )
        if row is None:
            raise Problem(404, "unknown_stream", "nothing ever came on this stream")
        return _stream_state(row)

    def streams(self, reporter: str, after: tuple[str, str], limit: int) -> list[StreamState]:
        """Return streams in the order of table and scope."""
        rows = self._db.execute(
            "SELECT * FROM streams WHERE reporter = ? AND (table_id, scope) > (?, ?) ORDER BY table_id, scope LIMIT ?",
            (reporter, *after, limit),
        )
        return [_stream_state(row) for row in rows]

    def identifier(self, identifier: str) -> dict[str, Any] | None:
        """Return what is held of an identifier."""
        row = self._one("SELECT * FROM identifiers WHERE identifier = ?", identifier)
        return None if row is None else _shown(row)

    def identifiers(self, after: str, limit: int) -> list[dict[str, Any]]:
        """Return what is held, in the order of identifiers."""
        rows = self._db.execute(
            "SELECT * FROM identifiers WHERE identifier > ? ORDER BY identifier LIMIT ?", (after, limit)
        )
        return [_shown(row) for row in rows]

    def overview(self, limit: int) -> dict[str, list[dict[str, Any]]]:
        """Return the newest of everything, for people."""
        queries = {
            "streams": "SELECT reporter, table_id, scope, last_sequence, last_received_at FROM streams "
            "ORDER BY last_received_at DESC LIMIT ?",
            "rows": "SELECT a.key, a.ver, a.operation_type, i.data FROM applied a "
            "JOIN identifiers i ON i.identifier = a.key ORDER BY a.number DESC LIMIT ?",
            "rejections": "SELECT r.key, r.code, r.field, r.message, b.scope, b.sequence FROM rejections r "
            "JOIN batches b USING (batch_id) ORDER BY b.number DESC, r.n LIMIT ?",
        }
        return {name: [dict(row) for row in self._db.execute(query, (limit,))] for name, query in queries.items()}

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _one(self, query: str, *parameters: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(query, parameters).fetchone()
        return row

    def _check_order(self, batch: Delivered) -> None:
        header = batch.header
        last = self._one(
            "SELECT last_sequence FROM streams WHERE reporter = ? AND table_id = ? AND scope = ?",
            header.reporter,
            header.table,
            header.scope,
        )
        expected = 1 if last is None else last["last_sequence"] + 1
        if header.sequence != expected:
            detail = f"sequence {header.sequence} came, {expected} is the next"
            raise Problem(409, "out_of_order", detail, more={"expected": expected})

    def _store(self, batch: Delivered, *, pending: bool) -> None:
        header, now = batch.header, instant(datetime.now(UTC))
        rejected = sum(not self._apply(batch, row) for row in batch.rows)
        batch_id, stream = str(header.batch_id), (header.reporter, header.table, header.scope)
        digests, counts = (batch.content_sha256, header.rows_sha256), (header.row_count - rejected, rejected)
        self._db.execute(
            "INSERT INTO batches (batch_id, reporter, table_id, scope, sequence, content_sha256, rows_sha256, "
            "rows_accepted, rows_rejected, received_at, pending) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (batch_id, *stream, header.sequence, *digests, *counts, now, pending),
        )
        self._db.execute(
            "INSERT INTO streams VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "last_sequence = excluded.last_sequence, last_batch_id = excluded.last_batch_id, "
            "last_received_at = excluded.last_received_at",
            (*stream, header.sequence, batch_id, now),
        )

    def _apply(self, batch: Delivered, row: dict[str, Any]) -> bool:
        """Store or reject one row; False if it is rejected."""
        batch_id, key, ver, data = str(batch.header.batch_id), row["key"], row["ver"], row["data"]
        problem = self._problem(batch.header.scope, row)
        if problem is not None:
            self._db.execute(
                "INSERT INTO rejections VALUES (?, ?, ?, ?, ?, ?)",
                (batch_id, row["n"], key, problem.code, problem.field or None, problem.message),
            )
            return False
        operation = data["operation_type"]
        self._db.execute(
            "INSERT INTO applied (batch_id, n, key, ver, operation_type) VALUES (?, ?, ?, ?, ?)",
            (batch_id, row["n"], key, ver, operation),
        )
        self._db.execute(
            "INSERT OR REPLACE INTO identifiers VALUES (?, ?, ?, ?, ?, ?)",
            (key, batch.header.scope, ver, operation == Operation.DELETE, row["at"], json.dumps(data)),
        )
        return True

    def _problem(self, scope: str, row: dict[str, Any]) -> RowProblem | None:
        found = self._one("SELECT ver, deleted FROM identifiers WHERE identifier = ?", row["key"])
        held = None if found is None else Held(found["ver"], bool(found["deleted"]))
        problem = judge(row, scope, held)
        if problem is not None:
            return problem
        if self._faults.strikes(self._faults.faults.reject):
            return RowProblem("internal", "", "could not be stored just now")
        if row["op"] == "upsert" and self._faults.refuses(row["key"], row["ver"]):
            return RowProblem("format", "product_name", "is not to the collector's taste")
        return None

    def _receipt(self, batch_id: UUID) -> Receipt | None:
        row = self._one("SELECT * FROM batches WHERE batch_id = ?", str(batch_id))
        if row is None or row["pending"]:
            return None
        accepted, rejected = row["rows_accepted"], row["rows_rejected"]
        return Receipt(
            batch_id=batch_id,
            receipt_id=f"r-{row['number']:09d}",
            status="accepted" if not rejected else "partial" if accepted else "rejected",
            table=row["table_id"],
            scope=row["scope"],
            sequence=row["sequence"],
            next_sequence=row["sequence"] + 1,
            received_at=row["received_at"],
            rows_sha256=row["rows_sha256"],
            rows_accepted=accepted,
            rows_rejected=rejected,
            rejections=self.rejections(batch_id, 0, INLINE_REJECTIONS_MAX),
            rejections_more=rejected > INLINE_REJECTIONS_MAX,
        )


def _stream_state(row: sqlite3.Row) -> StreamState:
    return StreamState(
        table=row["table_id"],
        scope=row["scope"],
        last_sequence=row["last_sequence"],
        last_batch_id=UUID(row["last_batch_id"]),
        last_received_at=row["last_received_at"],
    )


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {**dict(row), "deleted": bool(row["deleted"]), "data": json.loads(row["data"])}
