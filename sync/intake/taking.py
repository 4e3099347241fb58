"""Taking a batch of an enterprise's own node, in one transaction: turn, verdicts, rows, what follows, receipt."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from identifiers.changes import KIND_REPORT, ReportState
from registry import journal
from registry.tables import takeovers
from sync.batch import Receipt, Rejection, StreamState
from sync.calendar_time import instant
from sync.collecting.batch_check import Delivered
from sync.collecting.collapsed import collapsed
from sync.collecting.header import Handed
from sync.collecting.judgement import judge
from sync.collecting.problems import Problem
from sync.database import Connection
from sync.intake import events, onward
from sync.intake.held import HeldRows
from sync.intake.known import KnownHere

INLINE_REJECTIONS_MAX: Final = 1_000

_BEGIN = "INSERT INTO intake_streams (reporter, table_id, scope) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_LOCK = """
SELECT last_sequence, full_id, next_part FROM intake_streams
WHERE reporter = $1 AND table_id = $2 AND scope = $3 FOR UPDATE"""
_MOVE = """
UPDATE intake_streams
SET last_sequence = $4, last_batch_id = $5, last_received_at = $6, full_id = $7, next_part = $8
WHERE reporter = $1 AND table_id = $2 AND scope = $3"""
_LAST = "SELECT last_sequence FROM intake_streams WHERE reporter = $1 AND table_id = $2 AND scope = $3"
_KNOWN = "SELECT * FROM intake_batches WHERE batch_id = $1"
_STORE = """
INSERT INTO intake_batches (batch_id, reporter, table_id, scope, sequence, mode, content_sha256, rows_sha256,
    rows_accepted, rows_rejected, received_at, key_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"""
_REJECT = "INSERT INTO intake_rejections (batch_id, n, key, code, field, message) VALUES ($1, $2, $3, $4, $5, $6)"
_REJECTED = """
SELECT n, key, code, field, message FROM intake_rejections WHERE batch_id = $1 AND n > $2 ORDER BY n LIMIT $3"""
_STREAM = "SELECT * FROM intake_streams WHERE reporter = $1 AND table_id = $2 AND scope = $3 AND last_sequence > 0"
_STREAMS = """
SELECT table_id, scope, last_sequence, last_batch_id, last_received_at FROM intake_streams
WHERE reporter = $1 AND (table_id, scope) > ($2, $3) AND last_sequence > 0 ORDER BY table_id, scope LIMIT $4"""
_FORGET = """
DELETE FROM intake_batches WHERE batch_id IN (
    SELECT b.batch_id FROM intake_batches AS b WHERE b.received_at < $1
    AND NOT EXISTS (SELECT FROM intake_streams AS s WHERE s.last_batch_id = b.batch_id) LIMIT $2)"""


async def take(connection: Connection, delivered: Delivered, node: str, now: datetime, *, key_id: str) -> Receipt:
    """Take a batch in the caller's transaction and return its receipt; the same batch again, the same receipt.

    Raises Problem, and then the transaction must end without a trace.
    """
    header = delivered.header
    # Before anything is written, so that the journal's order is that of the sequences.
    await journal.serialise(connection, KIND_REPORT, " ".join(header.stream))
    known = await connection.fetchrow(_KNOWN, header.batch_id)
    if known is not None:
        if known["content_sha256"] != delivered.content_sha256:
            raise Problem(409, "batch_conflict", "this batch id was used for other content")
        return await _receipt(connection, known)
    await connection.execute(_BEGIN, *header.stream)
    next_part = await _check_turn(connection, header)
    await _check_requirements(connection, header)
    held, accepted, refused = await _judged(connection, delivered, node)
    await _store(connection, delivered, len(refused), now, key_id)
    await connection.executemany(_REJECT, [(header.batch_id, *one) for one in refused])
    gone = await held.write(connection, (row["key"] for row in delivered.rows))
    await onward.keep_facts(connection, node, header, held, accepted, now)
    await onward.relay(connection, header, [*accepted, *(onward.dropped(header, *one) for one in gone)])
    await events.show(connection, header, accepted, now)
    full_id = None if header.full is None or header.full.last else header.full.id
    moved = (header.sequence, header.batch_id, now, full_id, next_part)
    await connection.execute(_MOVE, *header.stream, *moved)
    await _journal(connection, header, len(refused))
    stored = await connection.fetchrow(_KNOWN, header.batch_id)
    assert stored is not None  # noqa: S101 - it was stored just now
    return await _receipt(connection, stored)


async def receipt(connection: Connection, reporter: str, batch_id: UUID) -> Receipt:
    """Return a batch's receipt; raises Problem."""
    return await _receipt(connection, await _batch(connection, reporter, batch_id))


async def rejections(
    connection: Connection, reporter: str, batch_id: UUID, after_n: int, limit: int
) -> list[Rejection]:
    """Return a batch's rejections in the order of rows, behind row `after_n`; raises Problem."""
    await _batch(connection, reporter, batch_id)
    return await _rejections(connection, batch_id, after_n, limit)


async def stream(connection: Connection, reporter: str, table: str, scope: str) -> StreamState:
    """Return how far one stream is; raises Problem if nothing ever came on it."""
    row = await connection.fetchrow(_STREAM, reporter, table, scope)
    if row is not None:
        return _stream(row)
    raise Problem(404, "unknown_stream", "nothing ever came on this stream")


async def streams(connection: Connection, reporter: str, after: tuple[str, str], limit: int) -> list[StreamState]:
    """Return streams in the order of table and scope."""
    return [_stream(row) for row in await connection.fetch(_STREAMS, reporter, *after, limit)]


async def forget(connection: Connection, before: datetime, limit: int) -> int:
    """Drop receipts older than `before`, but for the last of each stream; return how many."""
    return int((await connection.execute(_FORGET, before, limit)).split()[-1])


def _stream(row: asyncpg.Record) -> StreamState:
    return StreamState(
        table=row["table_id"],
        scope=row["scope"],
        last_sequence=row["last_sequence"],
        last_batch_id=row["last_batch_id"],
        last_received_at=instant(row["last_received_at"]),
    )


async def _check_turn(connection: Connection, header: Handed) -> int:
    """Raise Problem unless the batch is the stream's next; return the part of a complete set that follows it."""
    row = await connection.fetchrow(_LOCK, *header.stream)
    assert row is not None  # noqa: S101 - it was made just before
    expected = row["last_sequence"] + 1
    if header.sequence != expected:
        detail = f"sequence {header.sequence} came, {expected} is the next"
        raise Problem(409, "out_of_order", detail, more={"expected": expected})
    if header.full is None:
        return 1
    part = row["next_part"] if row["full_id"] == header.full.id else 1
    if header.full.part != part:
        raise Problem(400, "malformed", f"part {header.full.part} of a full set came, {part} is the next")
    return part + 1


async def _check_requirements(connection: Connection, header: Handed) -> None:
    missing = []
    for one in header.requires:
        last = await connection.fetchval(_LAST, header.reporter, one.table, one.scope)
        if last is None or last < one.sequence:
            missing.append({"table": one.table, "scope": one.scope, "sequence": one.sequence})
    if missing:
        raise Problem(424, "dependency_missing", "what the batch requires is not here", more={"missing": missing})


async def _judged(
    connection: Connection, delivered: Delivered, node: str
) -> tuple[HeldRows, list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Return the rows with what was taken, those accepted as they are handed on, and the rejections of the others."""
    header = delivered.header
    held, known = HeldRows(header), KnownHere()
    await held.read(connection, (row["key"] for row in delivered.rows))
    await known.read(connection, delivered, node)
    told: dict[str, list[int]] = {}
    accepted: list[dict[str, Any]] = []
    refused: list[tuple[Any, ...]] = []
    for row in delivered.rows:
        problem = judge(row, header, held.get(row["key"]), known) or collapsed(row, told)
        if problem is not None:
            refused.append((row["n"], row["key"], problem.code, problem.field or None, problem.message or problem.code))
            continue
        accepted.append({**row, "ver": held.take(row)})
        known.learn(header.table, row)
    return held, accepted, refused


async def _store(connection: Connection, delivered: Delivered, refused: int, now: datetime, key_id: str) -> None:
    header = delivered.header
    await connection.execute(
        _STORE,
        header.batch_id,
        *header.stream,
        header.sequence,
        header.mode,
        delivered.content_sha256,
        header.rows_sha256,
        header.row_count - refused,
        refused,
        now,
        key_id,
    )


async def _journal(connection: Connection, header: Handed, refused: int) -> None:
    state = ReportState(
        batch_id=str(header.batch_id),
        reporter=header.reporter,
        table=header.table,
        scope=header.scope,
        sequence=header.sequence,
        rows_accepted=header.row_count - refused,
        rows_rejected=refused,
    )
    # What enterprises' own nodes report registers nothing here: it goes on during a take-over (docking contract 7.6).
    await takeovers.admit_import(connection)
    await journal.append(
        connection,
        actor=f"node {header.reporter}",
        kind=KIND_REPORT,
        key=f"{header.table} {header.scope}",
        op="update",
        after=msgspec.json.encode(state),
    )


async def _batch(connection: Connection, reporter: str, batch_id: UUID) -> asyncpg.Record:
    row = await connection.fetchrow(_KNOWN, batch_id)
    if row is None or row["reporter"] != reporter:
        raise Problem(404, "unknown_batch", "this batch was never handed in")
    return row


async def _rejections(connection: Connection, batch_id: UUID, after_n: int, limit: int) -> list[Rejection]:
    rows = await connection.fetch(_REJECTED, batch_id, after_n, limit)
    return [Rejection(**row) for row in map(dict, rows)]


async def _receipt(connection: Connection, row: asyncpg.Record) -> Receipt:
    accepted, rejected = row["rows_accepted"], row["rows_rejected"]
    return Receipt(
        batch_id=row["batch_id"],
        receipt_id=f"r-{row['number']:09d}",
        status="accepted" if not rejected else "partial" if accepted else "rejected",
        table=row["table_id"],
        scope=row["scope"],
        sequence=row["sequence"],
        next_sequence=row["sequence"] + 1,
        received_at=instant(row["received_at"]),
        rows_sha256=row["rows_sha256"],
        rows_accepted=accepted,
        rows_rejected=rejected,
        rejections=await _rejections(connection, row["batch_id"], 0, INLINE_REJECTIONS_MAX),
        rejections_more=rejected > INLINE_REJECTIONS_MAX,
    )
