"""The way into the queue for everything but the journal's changes of T9: rows in, batches stored, nothing sent."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from sync import body
from sync.batch import FullSet, Limits, Mode, Period, Row
from sync.context import Context
from sync.database import Connection
from sync.outbox import batches, facts, streams
from sync.outbox.batches import NewBatch
from sync.outbox.streams import Stream
from sync.tables.t9 import metadata_ids

LIMITS: Limits = Limits()
"""Batches are cut to the contract's usual limits; a collector that takes less has them split."""


class _Manner(NamedTuple):
    """What all batches of one call have in common."""

    period: Period
    mode: Mode
    full: FullSet | None
    not_before: datetime | None
    covers_unchanged: bool


async def enqueue(
    connection: Connection,
    context: Context,
    table: str,
    scope: str,
    rows: Sequence[Row],
    *,
    period: Period,
    mode: Mode = "delta",
    full: FullSet | None = None,
    not_before: datetime | None = None,
    covers_unchanged: bool = False,
    repeated: bool = False,
) -> list[UUID]:
    """Queue rows of one table and scope, in the caller's transaction, and return the batches' ids in order.

    There is one batch at least: without rows it says that the period held nothing (docking contract 9.4), with
    `covers_unchanged` for every scope below this one. The rows' `n` and the batches' sequences are given out later.
    The stream stays locked until the transaction ends. Nothing is handed over before `not_before`.

    Facts are told in the journal too, unless they were before and are only `repeated`.

    `mode` full needs `full`, whose `part` numbers the first batch; only the last of them can be the set's last one.
    """
    if (mode == "full") != (full is not None):
        raise ValueError("a full set, and nothing else, has parts")
    stream = (await streams.lock_scopes(connection, context.reporter, table, [scope]))[scope]
    manner = _Manner(period, mode, full, not_before, covers_unchanged)
    # Encoding and compressing thousands of rows would hold up other streams' answers.
    made = await asyncio.to_thread(_cut, stream, rows, manner)
    await batches.store(connection, made, context.now())
    await streams.advance_rows(connection, stream.stream_id, made[-1].first_row + max(1, made[-1].row_count))
    if table in facts.TABLES and rows and not repeated:
        await facts.announce(connection, stream, len(rows))
    return [batch.batch_id for batch in made]


def _cut(stream: Stream, rows: Sequence[Row], manner: _Manner) -> list[NewBatch]:
    parts = list(body.cut(rows, LIMITS)) or [()]
    return list(_batches(stream, parts, manner))


def _batches(stream: Stream, parts: Sequence[Sequence[Row]], manner: _Manner) -> Iterator[NewBatch]:
    first_row = stream.next_row
    for place, part in enumerate(parts):
        yield NewBatch(
            batch_id=uuid.uuid4(),
            stream_id=stream.stream_id,
            first_row=first_row,
            row_count=len(part),
            period=manner.period,
            row_lines=body.compress(b"".join(body.numbered(part))),
            mode=manner.mode,
            full=_part(manner.full, place, len(parts)),
            not_before=manner.not_before,
            covers_unchanged=manner.covers_unchanged,
            metadata_ids=metadata_ids(part) if stream.table == "T9" else (),
        )
        first_row += max(1, len(part))


def _part(full: FullSet | None, place: int, parts: int) -> FullSet | None:
    if full is None:
        return None
    return msgspec.structs.replace(full, part=full.part + place, last=full.last and place == parts - 1)
