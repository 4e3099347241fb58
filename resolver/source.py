"""What a follower needs of a journal: changes in order from a cursor, and a snapshot to begin with.

PostgreSQL is one source, the change feed over HTTP another; the node chooses. Any method may raise SourceUnavailable
or OSError when the journal cannot be reached now: the follower waits and comes back.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from identifiers.changes import Change, Cursor


class Snapshot(Protocol):
    """The whole state at one instant, and the position in the journal that belongs to it."""

    @property
    def cursor(self) -> Cursor:
        """Everything up to here is in the snapshot; following goes on after it."""

    @property
    def epoch(self) -> str:
        """The identity of the journal the snapshot was taken from."""

    def states(self) -> AsyncIterator[list[Change]]:
        """Give every state in bounded batches, some perhaps empty: prefixes, credentials, then identifiers."""


class JournalSource(Protocol):
    """A journal, wherever it is kept."""

    async def changes(self, after: Cursor, limit: int) -> list[Change]:
        """Return at most `limit` committed changes after a position, in order; none only at the journal's end."""

    async def epoch(self) -> str:
        """Return the identity of the journal. It changes when the journal was restored or begun anew."""

    async def oldest(self) -> Cursor:
        """Return the position after which everything is still held; START when nothing was ever dropped."""

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Open a snapshot; it stays consistent until it is left."""

    async def aclose(self) -> None:
        """Let go of connections."""
