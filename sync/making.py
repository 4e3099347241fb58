"""Making the bodies that are sent: the final one before the first attempt, a second one, and smaller ones."""

import asyncio
import uuid
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from msgspec import UNSET

from sync import body, dependencies, template_gate
from sync.batch import PROFILE, Batch, FullSet, Header, Limits, Row
from sync.calendar_time import instant
from sync.context import Context
from sync.database import Connection
from sync.outbox import batches, streams
from sync.outbox.batches import NewBatch, StoredBatch
from sync.outbox.streams import Stream
from sync.tables.t9 import metadata_ids

PRODUCER: Final = f"idnode/{version('idnode')}"
LIMITS: Final = Limits()


async def take(
    connection: Connection, context: Context, stream_id: int, limits: Limits = LIMITS
) -> tuple[StoredBatch, Batch] | None:
    """Return the stream's oldest batch that is not acknowledged, ready to be sent; None if there is none to send now.

    In the caller's transaction: a queued batch gets its sequence and its body, which never change again. One that was
    queued for more than `limits` allow now is cut first, for the smaller of both sides' limits holds (9.13).
    """
    stream = await streams.lock(connection, stream_id)
    stored = await batches.next_open(connection, stream_id)
    if stored is None or (stored.not_before is not None and stored.not_before > context.now()):
        return None
    if stored.sequence is not None and stored.rows_sha256 is not None and stored.body is not None:
        return stored, _batch(context, stream, stored, stored.sequence, stored.rows_sha256, stored.body)
    if stored.row_lines is None:
        raise body.BodyError(f"batch {stored.batch_id} is {stored.state} and has neither body nor rows")
    taken = [name for name in context.tables if context.transport.supports(name)]
    if not await dependencies.may_go(connection, stream_id, taken):
        return None
    if stored.row_count > 1 and await asyncio.to_thread(_exceeds, stored, limits):
        parts = await asyncio.to_thread(pieces, stored, stream.table, limits.max_rows, limits.max_bytes)
        await batches.replace(connection, stored.batch_id, parts, context.now())
        return await take(connection, context, stream_id, limits)
    if stored.metadata_ids:
        passed = await template_gate.pass_through(connection, context, stream, stored)
        if passed is None:
            return None
        stored = passed
    assert stored.row_lines is not None  # noqa: S101 - what passed the gate is queued still
    sequence = stream.acknowledged_sequence + 1
    made = await asyncio.to_thread(make, context, stream, stored, sequence, body.decompress(stored.row_lines))
    await batches.fix(connection, made, stored.requires, context.now())
    return stored, made


async def rebuild(connection: Connection, context: Context, stream: Stream, stored: StoredBatch) -> None:
    """Make the body anew from the rows in the stored one, under the same id: the collector consumed nothing."""
    assert stored.sequence is not None  # noqa: S101 - only what was sent can be asked for anew
    rows = await asyncio.to_thread(rows_of, stored)
    lines = b"".join(body.numbered(rows))
    await batches.rebuilt(connection, await asyncio.to_thread(make, context, stream, stored, stored.sequence, lines))


def pieces(stored: StoredBatch, table: str, max_rows: int | None, max_bytes: int | None) -> list[NewBatch]:
    """Return smaller batches with the rows of one that was too large; without advice, or if it changes nothing, halves.

    The first gets the same sequence when its time comes. The batch must have two rows or more.
    """
    rows = rows_of(stored) if stored.row_lines is None else list(body.rows_of(body.decompress(stored.row_lines)))
    limits = Limits(max_rows=max(1, max_rows or len(rows)), max_bytes=max(1, max_bytes or body.BODY_OCTETS_MAX))
    parts = list(body.cut(rows, limits))
    if len(parts) == 1:
        half = len(rows) // 2
        parts = [rows[:half], rows[half:]]
    made, first_row = list[NewBatch](), stored.first_row
    for part in parts:
        lines = body.compress(b"".join(body.numbered(part)))
        made.append(
            NewBatch(
                batch_id=uuid.uuid4(),
                stream_id=stored.stream_id,
                first_row=first_row,
                row_count=len(part),
                period=stored.period,
                row_lines=lines,
                mode=stored.mode,
                full=_piece_of_set(stored, len(made), len(parts)),
                metadata_ids=metadata_ids(part) if table == "T9" else (),
            )
        )
        first_row += len(part)
    return made


def once_more(stored: StoredBatch) -> NewBatch:
    """Return the rows of a batch that was sent as a new one: what is told is the same, its sequence is not."""
    return NewBatch(
        batch_id=uuid.uuid4(),
        stream_id=stored.stream_id,
        first_row=stored.first_row,
        row_count=stored.row_count,
        period=stored.period,
        row_lines=body.compress(b"".join(body.numbered(rows_of(stored)))),
        mode=stored.mode,
        covers_unchanged=stored.covers_unchanged,
    )


def _exceeds(stored: StoredBatch, limits: Limits) -> bool:
    """Whether a queued batch is larger than may be handed over."""
    assert stored.row_lines is not None  # noqa: S101 - it is queued
    octets = len(body.decompress(stored.row_lines))
    return stored.row_count > limits.max_rows or octets > limits.max_bytes - body.HEADER_OCTETS_MAX


def rows_of(batch: StoredBatch | Batch) -> Sequence[Row]:
    """Return the rows of a batch that has its body; raises BodyError if it is damaged."""
    if batch.body is None:
        raise body.BodyError(f"batch {batch.batch_id} has no body")
    _, lines = body.take_apart(body.decompress(batch.body))
    return list(body.rows_of(lines))


def _piece_of_set(stored: StoredBatch, place: int, pieces: int) -> FullSet | None:
    if stored.full is None:
        return None
    return FullSet(stored.full.id, stored.full.part + place, stored.full.last and place == pieces - 1)


def make(context: Context, stream: Stream, stored: StoredBatch, sequence: int, lines: bytes) -> Batch:
    """Return the batch with its final body: header and numbered row lines."""
    header = Header(
        profile=PROFILE,
        batch_id=stored.batch_id,
        reporter=context.reporter,
        table=stream.table,
        schema=context.tables[stream.table].schema,
        scope=stream.scope,
        sequence=sequence,
        mode=stored.mode,
        full=UNSET if stored.full is None else stored.full,
        period=stored.period,
        requires=stored.requires,
        row_count=stored.row_count,
        rows_sha256=body.rows_sha256(lines),
        created_at=instant(context.now()),
        producer=PRODUCER,
        x_covers="unchanged" if stored.covers_unchanged else UNSET,
    )
    content = body.compress(body.compose(header, lines))
    return _batch(context, stream, stored, sequence, header.rows_sha256, content)


def _batch(
    context: Context, stream: Stream, stored: StoredBatch, sequence: int, rows_sha256: str, content: bytes
) -> Batch:
    return Batch(
        batch_id=stored.batch_id,
        reporter=context.reporter,
        table=stream.table,
        scope=stream.scope,
        sequence=sequence,
        row_count=stored.row_count,
        rows_sha256=rows_sha256,
        body=content,
    )
