"""`resend_range`: acknowledged batches again, with the very bytes and ids they had (docking contract 9.10).

Pending: sequences behind the directive's progress. On an error that passes: the same sequence again next time. The
progress is stored with each receipt, so a crash repeats one batch at most, which the collector knows by its id.
"""

import asyncio
from typing import Final, NamedTuple
from uuid import UUID

from sync import making
from sync.batch import Batch, Receipt, Rejection, Row
from sync.context import Context
from sync.database import Connection, connected, transaction
from sync.directives import store
from sync.directives.bodies import BodyUnfit, ResendRange, body_of
from sync.directives.shapes import Outcome
from sync.directives.store import StoredDirective
from sync.outbox import batches, open_rows
from sync.outbox.open_rows import OpenRow
from sync.tables.table import Standing, Table
from sync.transport import TransportError

SEQUENCES_MAX: Final = 100_000
_PASSES: Final = ("retry", "dependency", "pause_link", "reconcile")

_FIND: Final = """
SELECT b.batch_id, b.stream_id, b.row_count, b.rows_sha256, b.body
FROM report_batches b JOIN report_streams s USING (stream_id)
WHERE s.reporter = $1 AND s.table_id = $2 AND s.scope = $3 AND b.sequence = $4 AND b.state = 'acknowledged'"""


class _Found(NamedTuple):
    stream_id: int
    batch: Batch


async def resend_range(context: Context, stored: StoredDirective) -> Outcome | None:
    """Hand over what the directive names; None if it has to go on later. Raises TransportError for what passes."""
    try:
        wanted = body_of(stored.directive, ResendRange)
    except BodyUnfit as error:
        return Outcome("refused", str(error))
    if not 0 <= wanted.to_sequence - wanted.from_sequence < SEQUENCES_MAX:
        return Outcome("refused", f"a range holds 1 to {SEQUENCES_MAX} sequences")
    for sequence in range(max(wanted.from_sequence, stored.progress + 1), wanted.to_sequence + 1):
        found = await _find(context, wanted, sequence, stored.directive.id)
        if found is None:
            kept = f"sequence {sequence} of {wanted.table}/{wanted.scope} is not stored any more"
            return Outcome("refused", f"{kept}; ask for a full set")
        try:
            answer = await context.transport.submit(found.batch)
        except TransportError as error:
            if error.kind in _PASSES:
                raise
            return Outcome("refused", f"sequence {sequence}: {error}")
        if not isinstance(answer, Receipt):
            return None
        rejections = await _rejections(context, found.batch, answer)
        async with transaction(context.pool) as connection:
            await _settle(context, connection, found, answer, rejections)
            await store.advance(connection, stored.number, sequence)
    count = wanted.to_sequence - wanted.from_sequence + 1
    return Outcome("done", f"{count} batches of {wanted.table}/{wanted.scope} were handed over again")


async def _find(context: Context, wanted: ResendRange, sequence: int, directive_id: str) -> _Found | None:
    async with connected(context.pool) as connection:
        row = await connection.fetchrow(_FIND, context.reporter, wanted.table, wanted.scope, sequence)
    if row is None or row["body"] is None:
        return None
    batch = Batch(
        batch_id=row["batch_id"],
        reporter=context.reporter,
        table=wanted.table,
        scope=wanted.scope,
        sequence=sequence,
        row_count=row["row_count"],
        rows_sha256=row["rows_sha256"],
        body=row["body"],
        resend_of=directive_id,
    )
    return _Found(row["stream_id"], batch)


async def _rejections(context: Context, batch: Batch, receipt: Receipt) -> list[Rejection]:
    found = list(receipt.rejections)
    while receipt.rejections_more and len(found) < receipt.rows_rejected:
        page = await context.transport.rejections(batch.batch_id, found[-1].n if found else 0)
        if not page:
            break
        found += page
    return found


async def _settle(
    context: Context, connection: Connection, found: _Found, receipt: Receipt, rejections: list[Rejection]
) -> None:
    """Keep the new receipt; what was refused this time stays open, `stale` apart: a later report has replaced it."""
    await batches.acknowledge(connection, found.batch.batch_id, receipt, context.now())
    refused = {one.n: one for one in rejections if one.code != "stale" and 1 <= one.n <= found.batch.row_count}
    if not refused:
        return
    rows = await asyncio.to_thread(making.rows_of, found.batch)
    table = context.tables[found.batch.table]
    opened = [_open(table, rows[n - 1], rejection, found.batch.batch_id) for n, rejection in refused.items()]
    await open_rows.note(connection, found.stream_id, opened, context.now())


def _open(table: Table, row: Row, refused: Rejection, batch_id: UUID) -> OpenRow:
    return OpenRow(
        key=row.key,
        ver=row.ver,
        operation=table.operation(row),
        code=refused.code,
        field=refused.field,
        message=refused.message,
        standing=Standing.UNSURE,
        batch_id=batch_id,
    )
