"""Going on with a stream on which the two sides do not agree: behind the collector's last sequence, with a full set.

If the collector is ahead, an operator orders this after finding out why (docking contract 9.8): somebody else
reported, or one of the two databases was restored. If it has lost what is not stored here any more, it is ordered by
itself. What was queued, and what the collector has lost, is void; the full set takes its place.

Facts and events have no full sets: what is queued of them goes on, and what was lost the collector asks for.
"""

from typing import Final

from sync import making
from sync.batch import Unknown, Untold
from sync.collecting.header import EVENTS, FACTS
from sync.context import Context
from sync.database import Connection, transaction
from sync.directives.bodies import BodyUnfit, SendFull, body_of
from sync.directives.duties import Declined
from sync.directives.services import full_set
from sync.directives.shapes import Outcome
from sync.directives.store import StoredDirective
from sync.outbox import batches, streams
from sync.outbox.streams import Stream

WITHOUT_SETS: Final = FACTS | EVENTS

_DROP_OPEN: Final = "DELETE FROM report_batches WHERE stream_id = $1 AND state <> 'acknowledged'"
_DROP_BEHIND: Final = "DELETE FROM report_batches WHERE stream_id = $1 AND state = 'acknowledged' AND sequence > $2"


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
            stream = await _stream(connection, context, wanted)
            if wanted.table in WITHOUT_SETS:
                await _queue_again(connection, context, stream)
            else:
                await connection.execute(_DROP_OPEN, stream.stream_id)
            await _go_on_behind(connection, stream, sequence)
            if wanted.table in WITHOUT_SETS:
                lost = "what the collector has lost of it, it may ask for"
                return Outcome("done", f"{stream.name} goes on behind sequence {sequence}; {lost}")
            return Outcome("done", await full_set(context, connection, wanted.table, wanted.scope))
    except Declined as error:
        return Outcome("refused", str(error))


async def _stream(connection: Connection, context: Context, wanted: SendFull) -> Stream:
    return (await streams.lock_scopes(connection, context.reporter, wanted.table, [wanted.scope]))[wanted.scope]


async def _queue_again(connection: Connection, context: Context, stream: Stream) -> None:
    """Put the batch under way back into the queue: its body names a sequence that is not the next one any more."""
    stored = await batches.next_open(connection, stream.stream_id)
    if stored is not None and stored.sequence is not None:
        await batches.replace(connection, stored.batch_id, [making.once_more(stored)], context.now())


async def _go_on_behind(connection: Connection, stream: Stream, sequence: int) -> None:
    await connection.execute(_DROP_BEHIND, stream.stream_id, sequence)
    await connection.execute(
        "UPDATE report_streams SET acknowledged_sequence = $2, halted_reason = NULL, failures = 0, last_error = NULL, "
        "last_error_at = NULL, next_attempt_at = '-infinity', compared_at = '-infinity' WHERE stream_id = $1",
        stream.stream_id,
        sequence,
    )
