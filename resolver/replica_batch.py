"""Applying a batch of changes so that one that cannot be rendered does not hold up all that follow it."""

import logging
from collections.abc import Sequence

import lmdb
import msgspec

from identifiers.changes import Change, Cursor
from resolver.replica import ReplicaWriter

UNREADABLE = (ValueError, msgspec.MsgspecError, lmdb.BadValsizeError)
"""What a change raises that no attempt could apply: values or a state that do not decode, a key LMDB cannot hold."""

log = logging.getLogger(__name__)


def apply_batch(writer: ReplicaWriter, batch: Sequence[Change], cursor: Cursor | None = None) -> int:
    """Apply a batch in one transaction and return how many changes had to be skipped.

    The registry checks states with the same code before it writes them, so a change that cannot be rendered is a
    defect or foreign damage. It is skipped and logged as an error: the name keeps its last good answer.
    """
    try:
        writer.apply(batch, cursor)
    except UNREADABLE:
        return sum(not _apply_one(writer, change, cursor) for change in batch)
    return 0


def _apply_one(writer: ReplicaWriter, change: Change, cursor: Cursor | None) -> bool:
    try:
        writer.apply([change], cursor)
    except UNREADABLE as error:
        log.error(  # noqa: TRY400 - the message names the change; a traceback for each would bury it
            "journal change %d/%d of %s %s cannot be rendered and was skipped: %s",
            change.xid,
            change.seq,
            change.kind,
            change.key,
            error,
        )
        writer.apply([], cursor or change.cursor)
        return False
    return True
