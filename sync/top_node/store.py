"""What the simulator holds, in SQLite: what it has acknowledged survives any end of its process."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sync.batch import Receipt, Rejection, StreamState
from sync.collecting.batch_check import Delivered
from sync.collecting.digests import Asked
from sync.collecting.problems import Problem
from sync.top_node.attachments import Attachments
from sync.top_node.book import Book
from sync.top_node.digests import digest
from sync.top_node.directives import Directives
from sync.top_node.faults import FaultSource
from sync.top_node.monthly import MonthlyReports
from sync.top_node.taking import Taker

INLINE_REJECTIONS_MAX: Final = 1_000
RESEND: Final = "resend_range"


def utc_now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


class Store:
    """Not thread-safe: all calls come from one thread, each is one transaction.

    With `strict`, references between tables are checked from the first row on; without it, once T1 was told.
    """

    def __init__(
        self, path: Path, faults: FaultSource, *, strict: bool = False, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.book = Book(path)
        self.attachments = Attachments(self.book, path.parent / "attachments")
        self.directives = Directives(self.book)
        self.monthly = MonthlyReports(self.book)
        self._taker = Taker(self.book, faults, strict=strict)
        self._now = now

    def close(self) -> None:
        """Close the file."""
        self.book.close()

    def take(
        self, batch: Delivered, *, polls: int = 0, keyid: str | None = None, directive: str | None = None
    ) -> Receipt | None:
        """Store a batch and return its receipt; the same batch again, the same receipt. None while it is judged.

        `polls` is how often the receipt is not there yet; `directive`, the one that asked for the batch again.
        Raises Problem, and then nothing is stored.
        """
        header = batch.header
        with self.book.transaction():
            known = self._batch(header.batch_id)
            if directive is not None and not self.directives.exists(header.reporter, directive, RESEND):
                raise Problem(400, "malformed", f"Idn-Resend names no directive {RESEND} of this reporter")
            if known is not None and known["content_sha256"] != batch.content_sha256:
                raise Problem(409, "batch_conflict", "this batch id was used for other content")
            if known is None:
                self._taker.check_turn(header)
                self._taker.check_files(batch)
                self._taker.take(batch, self._now(), keyid=keyid, polls=polls)
            elif known["dropped"]:
                self._take_again(batch, directive)
            return self._receipt(header.batch_id)

    def receipt(self, reporter: str, batch_id: UUID) -> Receipt | None:
        """Return a batch's receipt; each question brings one under judgement nearer to it. Raises Problem."""
        with self.book.transaction():
            known = self._batch(batch_id)
            if known is None or known["reporter"] != reporter or known["dropped"]:
                raise Problem(404, "unknown_batch", "this batch was never handed in")
            receipt = self._receipt(batch_id)
            self.book.db.execute(
                "UPDATE batches SET polls_left = max(0, polls_left - 1) WHERE batch_id = ?", (str(batch_id),)
            )
            return receipt

    def rejections(self, reporter: str, batch_id: UUID, after_n: int, limit: int) -> list[Rejection]:
        """Return a batch's rejections in the order of rows, behind row `after_n`; raises Problem."""
        known = self._batch(batch_id)
        if known is None or known["reporter"] != reporter:
            raise Problem(404, "unknown_batch", "this batch was never handed in")
        return self._rejections(batch_id, after_n, limit)

    def stream(self, reporter: str, table: str, scope: str) -> StreamState:
        """Return how far one stream is; raises Problem if nothing ever came on it."""
        row = self.book.one(
            "SELECT * FROM streams WHERE reporter = ? AND table_id = ? AND scope = ?", reporter, table, scope
        )
        if row is None:
            raise Problem(404, "unknown_stream", "nothing ever came on this stream")
        return _stream_state(row)

    def streams(self, reporter: str, after: tuple[str, str], limit: int) -> list[StreamState]:
        """Return streams in the order of table and scope."""
        rows = self.book.all(
            "SELECT * FROM streams WHERE reporter = ? AND (table_id, scope) > (?, ?) ORDER BY table_id, scope LIMIT ?",
            reporter,
            *after,
            limit,
        )
        return [_stream_state(row) for row in rows]

    def identifier(self, identifier: str) -> dict[str, Any] | None:
        """Return what is held of an identifier."""
        scope = identifier.partition("/")[0]
        row = self.book.one(
            "SELECT key AS identifier, scope, ver, deleted, at, data FROM held_rows "
            "WHERE table_id = 'T9' AND reporter = ? AND scope = ? AND key = ?",
            self._reporter_of(scope),
            scope,
            identifier,
        )
        return None if row is None else _shown(row)

    def identifiers(self, after: str, limit: int) -> list[dict[str, Any]]:
        """Return what is held, in the order of reporters, prefixes and identifiers."""
        scope = after.partition("/")[0]
        rows = self.book.all(
            "SELECT key AS identifier, scope, ver, deleted, at, data FROM held_rows "
            "WHERE table_id = 'T9' AND (reporter, scope, key) > (?, ?, ?) ORDER BY reporter, scope, key LIMIT ?",
            self._reporter_of(scope),
            scope,
            after,
            limit,
        )
        return [_shown(row) for row in rows]

    def rows(self, table: str, scope: str | None, after: tuple[str, str], limit: int) -> list[dict[str, Any]]:
        """Return the rows held of a table, deleted ones too, in the order of scope and key; parts one by one."""
        rows = self.book.all(
            "SELECT reporter, scope, key, part, ver, deleted, at, data FROM held_rows WHERE table_id = ? "
            "AND (? IS NULL OR scope = ?) AND (scope, key) > (?, ?) ORDER BY scope, key, part LIMIT ?",
            table,
            scope,
            scope,
            *after,
            limit,
        )
        return [_shown(row) for row in rows]

    def batches(self, table: str, limit: int) -> list[dict[str, Any]]:
        """Return the newest batches of a table, with the periods they told of."""
        rows = self.book.all(
            "SELECT batch_id, reporter, table_id, scope, sequence, mode, period_kind, period_start, period_end, "
            "covers, row_count, rows_accepted, rows_rejected, received_at, keyid FROM batches WHERE table_id = ? "
            "ORDER BY number DESC LIMIT ?",
            table,
            limit,
        )
        return [dict(row) for row in rows]

    def dropped(self, reporter: str) -> list[str]:
        """Return the ids of batches that a directive asked for again and that have not come yet."""
        rows = self.book.all("SELECT batch_id FROM batches WHERE reporter = ? AND dropped", reporter)
        return [row["batch_id"] for row in rows]

    def digest(self, reporter: str, table: str, scope: str, asked: Asked) -> dict[str, Any]:
        """Return the digest of a range of keys of one stream."""
        return digest(self.book, reporter, table, scope, asked)

    def _rejections(self, batch_id: UUID, after_n: int, limit: int) -> list[Rejection]:
        rows = self.book.all(
            "SELECT n, key, code, field, message FROM rejections WHERE batch_id = ? AND n > ? ORDER BY n LIMIT ?",
            str(batch_id),
            after_n,
            limit,
        )
        return [Rejection(**row) for row in map(dict, rows)]

    def _reporter_of(self, scope: str) -> str:
        row = self.book.one("SELECT reporter FROM streams WHERE table_id = 'T9' AND scope = ?", scope)
        return "" if row is None else str(row["reporter"])

    def _take_again(self, batch: Delivered, directive: str | None) -> None:
        if directive is None:
            raise Problem(409, "out_of_order", "this batch was asked for again: send it with Idn-Resend")
        self._taker.take_again(batch, self._now())

    def _batch(self, batch_id: UUID) -> sqlite3.Row | None:
        return self.book.one("SELECT * FROM batches WHERE batch_id = ?", str(batch_id))

    def _receipt(self, batch_id: UUID) -> Receipt | None:
        row = self._batch(batch_id)
        if row is None or row["polls_left"]:
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
            rejections=self._rejections(batch_id, 0, INLINE_REJECTIONS_MAX),
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
