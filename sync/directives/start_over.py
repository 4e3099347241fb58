"""Going on with a stream on which the two sides do not agree: behind the collector's last sequence, with a full set.

Only an operator orders this, after finding out why (docking contract 9.8): somebody else reported, or one of the two
databases was restored. What was queued, and what the collector has lost, is void; the full set takes its place.
"""

from sync.batch import Unknown, Untold
from sync.context import Context
from sync.database import Connection, transaction
from sync.directives.bodies import BodyUnfit, SendFull, body_of
from sync.directives.duties import Declined
from sync.directives.services import full_set
from sync.directives.shapes import Outcome
from sync.directives.store import StoredDirective
from sync.outbox import streams


async def start_over(context: Context, stored: StoredDirective) -> Outcome:
    """Ask where the collector is, and go on from there. Raises TransportError."""
    try:
        wanted = body_of(stored.directive, SendFull)
    except BodyUnfit as error:
        return Outcome("refused", str(error))
    remote = await context.transport.last_sequence(wanted.table, wanted.scope)
    if isinstance(remote, Untold):
        return Outcome("refused", f"{context.transport.name} does not tell how far a stream is")
    sequence = 0 if isinstance(remote, Unknown) else remote.last_sequence
    try:
        async with transaction(context.pool) as connection:
            await _forget(connection, context, wanted, sequence)
            return Outcome("done", await full_set(context, connection, wanted.table, wanted.scope))
    except Declined as error:
        return Outcome("refused", str(error))


async def _forget(connection: Connection, context: Context, wanted: SendFull, sequence: int) -> None:
    found = await streams.lock_scopes(connection, context.reporter, wanted.table, [wanted.scope])
    stream_id = found[wanted.scope].stream_id
    await connection.execute(
        "DELETE FROM report_batches WHERE stream_id = $1 AND (state <> 'acknowledged' OR sequence > $2)",
        stream_id,
        sequence,
    )
    await connection.execute(
        "UPDATE report_streams SET acknowledged_sequence = $2, halted_reason = NULL, failures = 0, last_error = NULL, "
        "last_error_at = NULL, next_attempt_at = '-infinity', compared_at = '-infinity' WHERE stream_id = $1",
        stream_id,
        sequence,
    )
