"""report_batches: what is queued, in flight and acknowledged, with the very bytes that are sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from sync.batch import Batch, FullSet, Mode, Period, Receipt, Requirement
from sync.database import Connection

State = Literal["queued", "in_flight", "processing", "acknowledged"]


class NewBatch(NamedTuple):
    """Rows to be queued. `first_row` numbers them through the stream; `row_lines` is gzip.

    `metadata_ids` are the templates that rows of T9 refer to; with `covers_unchanged` a batch without rows speaks for
    every scope below its own (9.4). Before `not_before` it is not handed over.
    """

    batch_id: UUID
    stream_id: int
    first_row: int
    row_count: int
    period: Period
    row_lines: bytes
    mode: Mode = "delta"
    full: FullSet | None = None
    not_before: datetime | None = None
    covers_unchanged: bool = False
    metadata_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch that is not acknowledged. It has `row_lines` while queued, else its sequence and its body."""

    batch_id: UUID
    stream_id: int
    first_row: int
    row_count: int
    period: Period
    state: State
    row_lines: bytes | None
    sequence: int | None
    rows_sha256: str | None
    body: bytes | None
    rebuilt: bool
    mode: Mode = "delta"
    full: FullSet | None = None
    not_before: datetime | None = None
    covers_unchanged: bool = False
    metadata_ids: Sequence[str] = ()
    requires: tuple[Requirement, ...] = ()
    resend_of: str | None = None


_COLUMNS = (
    "batch_id, stream_id, first_row, row_count, period, state, row_lines, sequence, rows_sha256, body, rebuilt, mode, "
    "full_id, full_part, full_last, not_before, covers_unchanged, metadata_ids, requires, resend_of"
)
_requires_decoder = msgspec.json.Decoder(tuple[Requirement, ...])


async def store(connection: Connection, batches: Sequence[NewBatch], now: datetime) -> None:
    """Queue batches."""
    await connection.executemany(
        "INSERT INTO report_batches (batch_id, stream_id, first_row, row_count, period, row_lines, created_at, mode, "
        "full_id, full_part, full_last, not_before, covers_unchanged, metadata_ids) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        [
            (
                batch.batch_id,
                batch.stream_id,
                batch.first_row,
                batch.row_count,
                msgspec.json.encode(batch.period).decode(),
                batch.row_lines,
                now,
                batch.mode,
                *_full_columns(batch.full),
                batch.not_before,
                batch.covers_unchanged,
                list(batch.metadata_ids),
            )
            for batch in batches
        ],
    )


async def next_open(connection: Connection, stream_id: int) -> StoredBatch | None:
    """Return the stream's oldest batch that is not acknowledged."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM report_batches WHERE stream_id = $1 AND state <> 'acknowledged' "  # noqa: S608 - a constant
        "ORDER BY first_row LIMIT 1",
        stream_id,
    )
    return None if row is None else _stored(row)


async def fix(connection: Connection, batch: Batch, requires: Sequence[Requirement], now: datetime) -> None:
    """Store the sequence and the final body of a queued batch; from here on both stay as they are."""
    await connection.execute(
        "UPDATE report_batches SET state = 'in_flight', sequence = $2, rows_sha256 = $3, body = $4, row_lines = NULL, "
        "first_attempt_at = $5, row_count = $6, requires = $7, metadata_ids = '{}' WHERE batch_id = $1",
        batch.batch_id,
        batch.sequence,
        batch.rows_sha256,
        batch.body,
        now,
        batch.row_count,
        msgspec.json.encode(requires).decode(),
    )


async def drop(connection: Connection, batch_id: UUID) -> None:
    """Take a batch that was never attempted out of the queue; what became of its rows is the caller's to note."""
    await connection.execute("DELETE FROM report_batches WHERE batch_id = $1 AND state = 'queued'", batch_id)


async def drop_queued(connection: Connection, stream_id: int) -> None:
    """Take all batches of a stream that were never attempted out of the queue: what follows says everything anew."""
    await connection.execute("DELETE FROM report_batches WHERE stream_id = $1 AND state = 'queued'", stream_id)


async def rebuilt(connection: Connection, batch: Batch) -> None:
    """Store a body made anew from the same rows, which is done once."""
    await connection.execute(
        "UPDATE report_batches SET rows_sha256 = $2, body = $3, rebuilt = true WHERE batch_id = $1",
        batch.batch_id,
        batch.rows_sha256,
        batch.body,
    )


async def attempted(connection: Connection, batch_id: UUID) -> None:
    """Count an attempt."""
    await connection.execute("UPDATE report_batches SET attempts = attempts + 1 WHERE batch_id = $1", batch_id)


async def processing(connection: Connection, batch_id: UUID) -> None:
    """Note that the collector holds the batch and judges it later."""
    await connection.execute("UPDATE report_batches SET state = 'processing' WHERE batch_id = $1", batch_id)


async def in_flight_again(connection: Connection, batch_id: UUID) -> None:
    """Note that the collector does not hold a batch that it had said to be judging."""
    await connection.execute("UPDATE report_batches SET state = 'in_flight' WHERE batch_id = $1", batch_id)


async def acknowledge(connection: Connection, batch_id: UUID, receipt: Receipt, now: datetime) -> None:
    """Store the receipt; the batch is done."""
    await connection.execute(
        "UPDATE report_batches SET state = 'acknowledged', receipt = $2, acknowledged_at = $3 WHERE batch_id = $1",
        batch_id,
        msgspec.json.encode(receipt).decode(),
        now,
    )


async def replace(connection: Connection, batch_id: UUID, pieces: Sequence[NewBatch], now: datetime) -> None:
    """Put smaller batches in the place of one whose sequence was not consumed.

    Pieces of a full set are numbered by their maker; the parts behind them move on.
    """
    await connection.execute("DELETE FROM report_batches WHERE batch_id = $1", batch_id)
    if pieces and (full := pieces[0].full) is not None:
        await connection.execute(
            "UPDATE report_batches SET full_part = full_part + $3 WHERE full_id = $1 AND full_part > $2",
            full.id,
            full.part,
            len(pieces) - 1,
        )
    await store(connection, pieces, now)


async def reopen(connection: Connection, stream_id: int, sequences: range) -> bool:
    """Hand acknowledged batches over again with the same bytes; False, and nothing done, if one is no longer stored."""
    stored = await connection.fetchval(
        "SELECT count(*) FROM report_batches WHERE stream_id = $1 AND sequence >= $2 AND sequence < $3 "
        "AND body IS NOT NULL",
        stream_id,
        sequences.start,
        sequences.stop,
    )
    if stored != len(sequences):
        return False
    await connection.execute(
        "UPDATE report_batches SET state = 'in_flight' WHERE stream_id = $1 AND sequence >= $2 AND sequence < $3",
        stream_id,
        sequences.start,
        sequences.stop,
    )
    return True


async def forget_bodies(connection: Connection, acknowledged_before: datetime, limit: int) -> int:
    """Drop the bodies of old acknowledged batches, at most `limit`; receipts stay. Return how many."""
    tag = await connection.execute(
        "UPDATE report_batches SET body = NULL WHERE batch_id IN (SELECT batch_id FROM report_batches "
        "WHERE body IS NOT NULL AND state = 'acknowledged' AND acknowledged_at < $1 LIMIT $2)",
        acknowledged_before,
        limit,
    )
    return int(tag.split()[-1])


def _full_columns(full: FullSet | None) -> tuple[UUID | None, int | None, bool | None]:
    return (None, None, None) if full is None else (full.id, full.part, full.last)


def _stored(row: asyncpg.Record) -> StoredBatch:
    members = dict(row)
    full_id, part, last = (members.pop(name) for name in ("full_id", "full_part", "full_last"))
    members["full"] = None if full_id is None else FullSet(full_id, part, last)
    members["period"] = msgspec.json.decode(row["period"], type=Period)
    members["requires"] = _requires_decoder.decode(row["requires"])
    return StoredBatch(**members)
