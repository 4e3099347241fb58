"""A batch: lines come in as they arrive, chunks are stored while the next ones are read, answers go out in order.

Two chunks are in the database at a time, so that one is written while the other waits for the disk; a chunk that
names an identifier of the one before waits for it. Where the template has unique items or references, each waits: of
two rows with one value the first has it, and a row may refer to any before it. A batch may be sent again at any time:
rows that are stored already are answered with `unchanged`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Final

from registry.errors import InvalidRequest, RegistryError, TooLarge
from registry.service.batch_answers import Answers, Rejection
from registry.service.batch_chunk import ChunkWriter
from registry.service.batch_rows import LINE_OCTETS_MAX, Row, read_line, too_long
from registry.tables.templates import Template

CHUNK_ROWS: Final = 2_000
CHUNK_OCTETS_MAX: Final = 4 * 2**20
IN_FLIGHT_MAX: Final = 2
ROWS_MAX: Final = 100_000
SILENCE_MAX_S: Final = 60.0

Chunk = list[Row | Rejection]
Emit = Callable[[Answers], Awaitable[None]]


async def carry_out(
    pieces: AsyncIterator[bytes],
    writer: ChunkWriter,
    emit: Emit,
    *,
    clock: Callable[[], datetime],
    template: Template | None,
) -> RegistryError | None:
    """Store every line of `pieces` (NDJSON cut anywhere) and `emit` the answers of each chunk, in order.

    Returns what ended the batch early, or None. Lines that were not answered then are to be sent again.
    """
    cut_short: RegistryError | None = None
    async with asyncio.TaskGroup() as group:
        pipeline = Pipeline(group, writer, emit)
        pipeline.at_once_max = in_flight_max(template)
        try:
            async for chunk in _chunks(pieces, clock, template):
                await pipeline.add(chunk)
                if pipeline.failure is not None:
                    break
        except RegistryError as error:
            cut_short = error
        await pipeline.finish()
    return pipeline.failure or cut_short


def in_flight_max(*templates: Template | RegistryError | None) -> int:
    """Return how many chunks of records of these templates may be in the database at a time."""
    depend = (isinstance(one, Template) and (one.needs_unique or one.needs_references) for one in templates)
    return 1 if any(depend) else IN_FLIGHT_MAX


class Pipeline:
    """The chunks in the database, oldest first; `at_once_max` of them when another one is added.

    `failure` is why the first of those that failed did.
    """

    def __init__(self, group: asyncio.TaskGroup, writer: ChunkWriter, emit: Emit) -> None:
        self.at_once_max = IN_FLIGHT_MAX
        self.failure: RegistryError | None = None
        self._group = group
        self._writer = writer
        self._emit = emit
        self._tasks: deque[asyncio.Task[Answers | RegistryError]] = deque()
        self._newest: frozenset[str] = frozenset()

    async def add(self, chunk: Chunk) -> None:
        """Begin to write a chunk as soon as it may be; once one has failed, no other is begun."""
        keys = frozenset(item.key for item in chunk if isinstance(item, Row))
        while self._tasks and (self._tasks[0].done() or self._must_wait(keys)):
            await self._settle()
        if self.failure is None:
            self._tasks.append(self._group.create_task(_write(self._writer, chunk)))
            self._newest = keys

    async def finish(self) -> None:
        """Wait for every chunk that was begun."""
        while self._tasks:
            await self._settle()

    def _must_wait(self, keys: frozenset[str]) -> bool:
        return len(self._tasks) >= self.at_once_max or not keys.isdisjoint(self._newest)

    async def _settle(self) -> None:
        outcome = await self._tasks.popleft()
        if isinstance(outcome, RegistryError):
            self.failure = self.failure or outcome
        else:
            await self._emit(outcome)


async def _write(writer: ChunkWriter, chunk: Chunk) -> Answers | RegistryError:
    # As a value: an exception would cancel the chunk beside it, which may be about to commit.
    try:
        return await writer.write(chunk)
    except RegistryError as error:
        return error


async def _chunks(
    pieces: AsyncIterator[bytes], clock: Callable[[], datetime], template: Template | None
) -> AsyncIterator[Chunk]:
    """Read lines into chunks. Raises what ends the stream early, behind a chunk of what came before."""
    chunk: Chunk = []
    octets = 0
    failure: RegistryError | None = None
    lines = aiter(_lines(pieces))
    while failure is None:
        try:
            found = await anext(lines, None)
        except RegistryError as error:
            failure, found = error, None
        if found is None:
            break
        timestamp_s = int(clock().timestamp())
        for number, line in found:
            chunk.append(too_long(number) if line is None else read_line(number, line, timestamp_s, template))
            octets += len(line or b"")
            if len(chunk) >= CHUNK_ROWS or octets >= CHUNK_OCTETS_MAX:
                yield chunk
                chunk, octets = [], 0
    if chunk:
        yield chunk
    if failure is not None:
        raise failure


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[list[tuple[int, bytes | None]]]:
    """Cut the stream into numbered lines, empty ones left out; None stands for a line that is too long to be read."""
    number = rows = 0
    unread = b""
    skipping = False
    async for piece in _patiently(pieces):
        *lines, unread = (unread + piece).split(b"\n")
        found: list[tuple[int, bytes | None]] = []
        for line in lines:
            number += 1
            if skipping or len(line) > LINE_OCTETS_MAX:
                found.append((number, None))
                skipping = False
            elif line and not line.isspace():
                found.append((number, line))
        if len(unread) > LINE_OCTETS_MAX:
            unread, skipping = b"", True
        yield found[: ROWS_MAX - rows]
        rows += len(found)
        if rows > ROWS_MAX:
            remedy = "send the rows without an answer as another batch"
            raise TooLarge("too_many_rows", f"a batch has at most {ROWS_MAX:,} rows", remedy=remedy)
    if skipping:
        yield [(number + 1, None)]
    elif unread.strip():
        yield [(number + 1, unread)]


async def _patiently(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(SILENCE_MAX_S):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise InvalidRequest(
                "batch_stalled",
                f"nothing came for {SILENCE_MAX_S:.0f} s",
                remedy="send the rows without an answer as another batch",
            ) from error
        if piece is None:
            return
        yield piece
