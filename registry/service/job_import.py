"""A chunk of an import: stored in one transaction, together with what its job notes of it.

A batch may store parts of a chunk, because its client sees which lines were answered. Here nobody looks on, so a chunk
is done or not done. Where the enterprise's quota has no room for all of it, its first rows go in.
"""

from collections.abc import Sequence
from typing import Final

from registry.database import Connection
from registry.errors import Conflict, RegistryError, TooManyRequests
from registry.service.batch_answers import Answers, Rejection
from registry.service.batch_chunk import ChunkWriter
from registry.service.batch_rows import Row

_EXHAUSTED: Final = ("quota_exhausted", "daily_quota_exhausted")

Lines = Sequence[Row | Rejection]


class ImportChunkWriter(ChunkWriter):
    """Writes chunks in transactions of the caller's."""

    async def write_within(self, connection: Connection, chunk: Lines) -> Answers:
        """Store what fits of a chunk and answer every line. Raises `ChangedMeanwhile`, to be repeated."""
        answers = Answers()
        await self._fit(connection, chunk, answers)
        return answers

    async def _fit(self, connection: Connection, chunk: Lines, answers: Answers) -> bool:
        """Store lines in their order until one has no room, and reject the others. Return whether all had."""
        try:
            async with connection.transaction():
                stored = await self.store_within(connection, chunk)
            answers.add(stored)
        except (Conflict, TooManyRequests) as refusal:
            if refusal.code not in _EXHAUSTED:
                raise
            half = len(chunk) // 2
            if half:
                if await self._fit(connection, chunk[:half], answers):
                    return await self._fit(connection, chunk[half:], answers)
                chunk = chunk[half:]
            _reject(answers, chunk, refusal)
            return False
        return True


def _reject(answers: Answers, chunk: Lines, refusal: RegistryError) -> None:
    for item in chunk:
        if isinstance(item, Rejection):
            answers.reject(item)
        else:
            answers.reject(Rejection(item.line, item.spelling, refusal.code, "identifier", refusal.message))
