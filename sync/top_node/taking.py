"""Taking a batch (docking contract 9.2 to 9.8): order and dependencies, each row's verdict, full sets, the receipt."""

from datetime import datetime
from typing import Any, Final

from sync.calendar_time import instant
from sync.collecting.batch_check import Delivered
from sync.collecting.collapsed import collapsed
from sync.collecting.header import EVENTS, FACTS, Handed
from sync.collecting.judgement import judge
from sync.collecting.problems import Problem
from sync.tables.table import Problem as RowProblem
from sync.top_node.book import Book
from sync.top_node.faults import FaultSource
from sync.top_node.files_named import files_named
from sync.top_node.held_rows import HeldRows
from sync.top_node.known_rows import KnownRows

UNKNOWN_CODE: Final = "not-of-this-profile"
"""What the fault `unknown-code` answers: no code of the contract."""
_OF_THEMSELVES: Final = frozenset({"T6", "E1", "E2"})
"""Tables of which a row may refer to an earlier one of the same batch."""


class Taker:
    """Takes batches, each in the caller's transaction."""

    def __init__(self, book: Book, faults: FaultSource, *, strict: bool) -> None:
        self._book = book
        self._faults = faults
        self._strict = strict

    def check_turn(self, header: Handed) -> None:
        """Raise Problem unless the batch is the stream's next, and everything it needs is here."""
        last = self._book.one(
            "SELECT last_sequence FROM streams WHERE reporter = ? AND table_id = ? AND scope = ?", *header.stream
        )
        expected = 1 if last is None else last["last_sequence"] + 1
        if header.sequence != expected:
            detail = f"sequence {header.sequence} came, {expected} is the next"
            raise Problem(409, "out_of_order", detail, more={"expected": expected})
        self._check_requirements(header)

    def check_files(self, delivered: Delivered) -> None:
        """Raise Problem unless every file that rows refer to was uploaded before (9.9); only rows of T1 do."""
        if delivered.header.table != "T1":
            return
        named = sorted({sha for row in delivered.rows for sha in files_named(row.get("data"))})
        missing = [
            {"attachment": sha}
            for sha in named
            if self._book.one("SELECT 1 FROM attachments WHERE sha256 = ?", sha) is None
        ]
        if missing:
            raise Problem(424, "dependency_missing", "files are missing", more={"missing": missing})

    def take(self, delivered: Delivered, now: datetime, *, keyid: str | None, polls: int) -> None:
        """Judge and store every row and the batch's receipt; the sequence is consumed."""
        header = delivered.header
        part_of = self._full_part(header)
        rejected = self._judge_rows(delivered)
        if part_of:
            self._settle_full_set(delivered)
        self._book.db.execute(
            "INSERT INTO batches (batch_id, reporter, table_id, scope, sequence, mode, period_kind, period_start, "
            "period_end, covers, full_id, content_sha256, rows_sha256, row_count, rows_accepted, rows_rejected, "
            "received_at, keyid, polls_left) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(str(header.batch_id), *header.stream, header.sequence, header.mode),
                *(header.period.kind, header.period.start, header.period.end, header.x_covers),
                *(None if header.full is None else str(header.full.id), delivered.content_sha256, header.rows_sha256),
                *(header.row_count, header.row_count - rejected, rejected, instant(now), keyid, polls),
            ),
        )
        self._book.db.execute(
            "INSERT INTO streams VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "last_sequence = excluded.last_sequence, last_batch_id = excluded.last_batch_id, "
            "last_received_at = excluded.last_received_at",
            (*header.stream, header.sequence, str(header.batch_id), instant(now)),
        )

    def take_again(self, delivered: Delivered, now: datetime) -> None:
        """Process a batch anew that a directive asked for; the stream's last sequence stays (9.10)."""
        batch_id, header = str(delivered.header.batch_id), delivered.header
        self._book.db.execute("DELETE FROM rejections WHERE batch_id = ?", (batch_id,))
        rejected = self._judge_rows(delivered)
        self._book.db.execute(
            "UPDATE batches SET rows_accepted = ?, rows_rejected = ?, received_at = ?, dropped = 0 WHERE batch_id = ?",
            (header.row_count - rejected, rejected, instant(now), batch_id),
        )

    def _check_requirements(self, header: Handed) -> None:
        missing = []
        for one in header.requires:
            query = "SELECT last_sequence FROM streams WHERE reporter = ? AND table_id = ? AND scope = ?"
            row = self._book.one(query, header.reporter, one.table, one.scope)
            if row is None or row["last_sequence"] < one.sequence:
                missing.append({"table": one.table, "scope": one.scope, "sequence": one.sequence})
        if missing:
            raise Problem(424, "dependency_missing", "what the batch requires is not here", more={"missing": missing})

    def _judge_rows(self, delivered: Delivered) -> int:
        """Store the good rows and the reasons of the others; returns how many were rejected."""
        header = delivered.header
        held = HeldRows(self._book, header, (row["key"] for row in delivered.rows))
        known = KnownRows(self._book, header, strict=self._strict)
        refers_to_itself = header.table in _OF_THEMSELVES
        told: dict[str, list[int]] = {}
        refused: list[tuple[Any, ...]] = []
        for row in delivered.rows:
            problem = judge(row, header, held.get(row["key"]), known) or collapsed(row, told) or self._whim(row)
            if problem is not None:
                message = problem.message or problem.code
                refused.append((row["n"], row["key"], problem.code, problem.field or None, message))
                continue
            held.take(row)
            if refers_to_itself:
                held.write()
                known.learn(row)
        held.write()
        self._book.db.executemany(
            "INSERT INTO rejections VALUES (?, ?, ?, ?, ?, ?)", [(str(header.batch_id), *one) for one in refused]
        )
        return len(refused)

    def _whim(self, row: dict[str, Any]) -> RowProblem | None:
        """Return what the faults have against a good row."""
        faults = self._faults.faults
        if self._faults.strikes(faults.reject):
            return RowProblem("internal", "", "could not be stored just now")
        if self._faults.strikes(faults.unknown_code):
            return RowProblem(UNKNOWN_CODE, "", "a code that the profile does not have")
        if row["op"] == "upsert" and self._faults.refuses(row["key"], row["ver"]):
            return RowProblem("format", "product_name", "is not to the collector's taste")
        return None

    def _full_part(self, header: Handed) -> bool:
        """Keep track of a complete set; whether this batch is part of one. Any other batch abandons a set begun."""
        if header.full is None:
            self._book.db.execute(
                "DELETE FROM full_sets WHERE reporter = ? AND table_id = ? AND scope = ?", header.stream
            )
            return False
        full_id, part = str(header.full.id), header.full.part
        row = self._book.one(
            "SELECT full_id, next_part FROM full_sets WHERE reporter = ? AND table_id = ? AND scope = ?", *header.stream
        )
        expected = row["next_part"] if row is not None and row["full_id"] == full_id else 1
        if part != expected:
            raise Problem(400, "malformed", f"part {part} of the full set {full_id} came, {expected} is the next")
        self._book.db.execute(
            "INSERT OR REPLACE INTO full_sets VALUES (?, ?, ?, ?, ?)", (*header.stream, full_id, part + 1)
        )
        return True

    def _settle_full_set(self, delivered: Delivered) -> None:
        """Mark the keys this part named; with the last part, delete what no part named."""
        header = delivered.header
        assert header.full is not None  # noqa: S101 - only called for parts of a set
        stream, full_id = (header.table, header.reporter, header.scope), str(header.full.id)
        self._book.db.executemany(
            "UPDATE held_rows SET full_id = ? WHERE table_id = ? AND reporter = ? AND scope = ? AND key = ?",
            [(full_id, *stream, row["key"]) for row in delivered.rows],
        )
        if not header.full.last:
            return
        self._book.db.execute("DELETE FROM full_sets WHERE reporter = ? AND table_id = ? AND scope = ?", header.stream)
        if header.table not in FACTS and header.table not in EVENTS:
            self._book.db.execute(
                "UPDATE held_rows SET deleted = 1 WHERE table_id = ? AND reporter = ? AND scope = ? "
                "AND full_id IS NOT ?",
                (*stream, full_id),
            )
