"""What a receipt changes here: the batch is done, refused rows stay open, and rows refused earlier may close."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sync import making, missing, template_gate
from sync.batch import Batch, Receipt, Rejection, Row
from sync.database import Connection
from sync.outbox import batches, open_rows, streams, told_rows
from sync.outbox.open_rows import OpenRow
from sync.rejections import react
from sync.tables.plain import PlainTable
from sync.tables.table import Operation, Standing, Table


def contradiction(batch: Batch, receipt: Receipt, rejections: Sequence[Rejection]) -> str | None:
    """Return why a receipt cannot be one for this batch, or None: no row counts as acknowledged that was not."""
    told = (receipt.table, receipt.scope, receipt.sequence, receipt.rows_sha256)
    if told != (batch.table, batch.scope, batch.sequence, batch.rows_sha256):
        return f"receipt {receipt.receipt_id} is for other content: {told}"
    if receipt.rows_accepted + receipt.rows_rejected != batch.row_count:
        return f"receipt {receipt.receipt_id} does not account for all {batch.row_count} rows"
    numbers = {rejection.n for rejection in rejections}
    if len(numbers) != receipt.rows_rejected or not all(1 <= n <= batch.row_count for n in numbers):
        return f"receipt {receipt.receipt_id} rejects {receipt.rows_rejected} rows and names {len(numbers)}"
    return None


async def settle(
    connection: Connection,
    table: Table,
    stream_id: int,
    batch: Batch,
    receipt: Receipt,
    rejections: Sequence[Rejection],
    now: datetime,
) -> None:
    """Store a receipt and all that follows from it, in the caller's transaction. Doing it twice changes nothing."""
    stream = await streams.lock(connection, stream_id)
    if stream.acknowledged_sequence != batch.sequence - 1:
        return
    await batches.acknowledge(connection, batch.batch_id, receipt, now)
    await streams.acknowledge(connection, stream_id, batch.sequence, now)
    keeps_rows = isinstance(table, PlainTable)
    if not rejections and not keeps_rows and not await open_rows.any_open(connection, stream_id):
        return
    rows = await asyncio.to_thread(making.rows_of, batch)
    refused = {rejection.n: rejection for rejection in rejections}
    resends = await open_rows.resends_of(connection, stream_id, [rows[n - 1].key for n in refused])
    opened = [
        row
        for n, rejection in refused.items()
        if (row := _open(table, rows[n - 1], rejection, resends, batch, stream.next_row)) is not None
    ]
    opened = await missing.told_first(connection, batch, opened)
    still_open = {row.key: row.ver for row in opened}
    taken = [row for row in rows if still_open.get(row.key) != row.ver]
    # First what was refused: of two rows for one key the later one decides.
    await open_rows.note(connection, stream_id, opened, now)
    await open_rows.taken(connection, stream_id, taken)
    if keeps_rows:
        await told_rows.accepted(connection, stream_id, taken, batch.sequence)
    if batch.table in template_gate.TABLES:
        await open_rows.unblock(connection, batch.reporter, [row.key for row in taken])


async def give_up_row(connection: Connection, table: Table, stream_id: int, batch: Batch, now: datetime) -> None:
    """Take a batch of one row, which is too large on its own, out of the queue; the row stays open."""
    await streams.lock(connection, stream_id)
    row = (await asyncio.to_thread(making.rows_of, batch))[0]
    operation = table.operation(row)
    refused = OpenRow(
        key=row.key,
        ver=row.ver,
        operation=operation,
        code="too_large",
        field=None,
        message="the row is larger than the collector takes",
        standing=_standing(operation, "too_large"),
        batch_id=batch.batch_id,
    )
    await batches.replace(connection, batch.batch_id, (), now)
    await open_rows.note(connection, stream_id, [refused], now)


def _open(
    table: Table,
    row: Row,
    rejection: Rejection,
    resends: dict[tuple[str, int], int],
    batch: Batch,
    next_row: int,
) -> OpenRow | None:
    """Return the row as it stays open, or None if the refusal is of no consequence."""
    operation = table.operation(row)
    reaction = react(rejection.code, operation, resends.get((row.key, row.ver), 0))
    if reaction in ("taken", "drop"):
        return None
    again = {"send_as_add": table.as_addition, "send_again": _unchanged, "send_missing": _unchanged}.get(reaction)
    return OpenRow(
        key=row.key,
        ver=row.ver,
        operation=operation,
        code=rejection.code,
        field=rejection.field,
        message=rejection.message,
        standing=_standing(operation, rejection.code),
        batch_id=batch.batch_id,
        resend=None if again is None else again(row),
        resend_behind_row=None if again is None else next_row,
    )


def _standing(operation: Operation, code: str) -> Standing:
    """Whether the key is held after a refusal: rows already queued behind it may still add it."""
    not_held = operation is Operation.ADD or code == "unknown_identifier"
    return Standing.UNSURE if not_held else Standing.PRESENT


def _unchanged(row: Row) -> Row:
    return row
