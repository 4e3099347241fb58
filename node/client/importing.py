"""Bulk import: a file's records go to a node in batches, once each, whatever fails in between.

Pending work is the file behind record `counts.records`. After each batch that the node has acknowledged, first its
rejects and then the progress are made durable; a crash between two steps repeats at most the batches that were on
their way, and the node answers "unchanged" for what it has of them. Batches travel in parallel but are settled in
the file's order, and never together if they may name the same identifier; so later rows are applied after earlier.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import msgspec

from node.client.batch import BatchOutcome, BatchTerms, reject_of, send_batch
from node.client.chunks import Chunk, in_chunks
from node.client.errors import UsageError
from node.client.import_progress import Counts, Progress, ProgressFile, fingerprint
from node.client.prefixes import check_prefix
from node.client.readers.record import ReadError, Source
from node.client.readers.source import FileForm, open_source
from node.client.readers.table import Mould
from node.client.rejects_file import RejectsFile
from node.client.resolving import resolve_many
from node.client.session import NodeSession


@dataclass(frozen=True, slots=True)
class ImportJob:
    """A file to import and how; `id_scheme` only names the mould's check, to tell one import from another."""

    file: Path
    form: FileForm
    mould: Mould
    terms: BatchTerms
    rejects: Path
    progress: Path
    id_scheme: str | None = None
    chunk_rows: int = 2_000
    parallel: int = 2
    restart: bool = False


class Summary(msgspec.Struct, frozen=True):
    """What an import did: all its runs in the counts, this run alone in the speed."""

    file: str
    prefix: str
    created: int
    replaced: int
    unchanged: int
    skipped: int
    rejected: int
    records: int
    continued_after: int
    seconds: float
    rows_per_s: int
    rejects_file: str | None
    resolvable: bool


class Observer(Protocol):
    """Is told how an import goes on."""

    def note(self, text: str) -> None:
        """Something that the user should know."""

    def advanced(self, counts: Counts, position: tuple[int, int | None]) -> None:
        """More records are settled; `position` is that of the reading."""


async def import_file(session: NodeSession, job: ImportJob, observer: Observer) -> Summary:
    """Import a file, or go on with it; raises UsageError, RefusedError, UnavailableError."""
    started = time.monotonic()
    await session.peek("/livez")  # a node that is not there at all is worth no patience
    await check_prefix(session, job.mould.prefix)
    try:
        with closing(open_source(job.file, job.form, job.mould)) as source:
            run = _Run(session, job, source, observer)
            return await run.to_the_end(started)
    except ReadError as error:
        raise UsageError(f"{job.file}: {error}") from error


class _Run:
    """One run of an import: the state between two settled chunks is `_progress`, as it is on disk."""

    def __init__(self, session: NodeSession, job: ImportJob, source: Source, observer: Observer) -> None:
        self._session = session
        self._job = job
        self._source = source
        self._observer = observer
        self._rejects = RejectsFile(job.rejects, source.columns)
        self._progress_file = ProgressFile(job.progress)
        self._progress = Progress(fingerprint(job.file), self._terms())
        self._resolvable = True

    async def to_the_end(self, started: float) -> Summary:
        finished = False
        try:
            await self._begin()
            continued_after = self._progress.counts.records
            await self._send_all(in_chunks(islice(self._source, continued_after, None), self._job.chunk_rows))
            finished = True
            self._progress_file.remove()
        finally:
            self._rejects.close(keep=not finished or self._progress.counts.rejected > 0)
        return self._summary(continued_after, time.monotonic() - started)

    def _terms(self) -> dict[str, str | None]:
        """Everything that must be the same for a second run to go on where a first one ended."""
        job = self._job
        return {
            "url": self._session.node.url,
            "prefix": job.mould.prefix,
            "template": job.terms.template,
            "id_column": job.mould.id_column,
            "id_scheme": job.id_scheme,
            "on_conflict": job.terms.on_conflict,
            "format": job.form.format,
            "encoding": job.form.encoding,
            "delimiter": job.form.delimiter,
            "sheet": job.form.sheet,
            "rejects": str(job.rejects.absolute()),
        }

    async def _begin(self) -> None:
        """Take up the progress of an earlier run, or begin at the first record and say why."""
        earlier = self._progress_file.load()
        obstacle = None if earlier is None else await self._obstacle(earlier)
        if earlier is None or obstacle is not None:
            if obstacle is not None:
                self._observer.note(f"starting over: {obstacle}")
            self._rejects.open()
            self._progress_file.save(self._progress)
        else:
            self._progress = earlier
            self._observer.note(f"going on after record {earlier.counts.records} of an earlier run")

    async def _obstacle(self, earlier: Progress) -> str | None:
        """Why an earlier run cannot be continued; if nothing is in the way its rejects file is open."""
        if self._job.restart:
            return "asked to with --restart"
        if earlier.fingerprint != self._progress.fingerprint:
            return "the file has changed since the earlier run"
        if earlier.terms != self._progress.terms:
            changed = [name for name, term in earlier.terms.items() if self._progress.terms.get(name) != term]
            return f"the earlier run had other options ({', '.join(changed)})"
        if earlier.witness is not None and not await self._knows(earlier.witness):
            return f"the node no longer has {earlier.witness}, which the earlier run registered"
        if not self._rejects.open(earlier.rejects_octets):
            return "the rejects file of the earlier run is gone"
        return None

    async def _knows(self, identifier: str) -> bool:
        return (await resolve_many(self._session, [identifier]))[0].outcome in {"found", "gone"}

    async def _send_all(self, chunks: Iterator[Chunk]) -> None:
        """Keep up to `parallel` chunks on their way while the next is read and converted in a thread.

        Only the last one waits for the replica, and it is sent when all others are settled: the replica follows in
        order, so what is told of the last is true of all.
        """
        underway: deque[tuple[Chunk, asyncio.Task[BatchOutcome]]] = deque()
        try:
            async with asyncio.TaskGroup() as group:
                chunk = await asyncio.to_thread(next, chunks, None)
                while chunk is not None:
                    following = await asyncio.to_thread(next, chunks, None)
                    last = following is None
                    while underway and (last or self._must_wait(chunk, [other for other, _ in underway])):
                        await self._settle(*underway.popleft())
                    underway.append((chunk, group.create_task(self._send(chunk, last=last))))
                    chunk = following
                while underway:
                    await self._settle(*underway.popleft())
        except BaseExceptionGroup as group_of_errors:
            # The first failure ended the others; it alone tells what to do.
            first = group_of_errors.exceptions[0]
            raise first from first.__cause__

    def _must_wait(self, chunk: Chunk, underway: Sequence[Chunk]) -> bool:
        return len(underway) >= self._job.parallel or any(map(chunk.shares_a_key_with, underway))

    async def _send(self, chunk: Chunk, *, last: bool) -> BatchOutcome:
        if not chunk.rows:
            return BatchOutcome([], self._resolvable)
        return await send_batch(self._session, chunk.rows, self._job.terms, wait=last)

    async def _settle(self, chunk: Chunk, sending: asyncio.Task[BatchOutcome]) -> None:
        recording = asyncio.create_task(asyncio.to_thread(self._record, chunk, await sending))
        try:
            await asyncio.shield(recording)
        except asyncio.CancelledError:
            await recording  # the files must not be closed under the thread that writes them
            raise
        self._observer.advanced(self._progress.counts, self._source.position())

    def _record(self, chunk: Chunk, outcome: BatchOutcome) -> None:
        """Make a chunk's outcome durable: rejects first, so that progress never counts one that is not written."""
        counts = self._progress.counts
        judged = list(zip(chunk.rows, outcome.rows, strict=True))
        refused = [reject_of(row, one, self._source.id_column) for row, one in judged if one.status == "rejected"]
        rejects = chunk.rejects + refused
        counts.add(Counter(one.status for one in outcome.rows), len(chunk.rejects))
        taken = (row.identifier for row, one in reversed(judged) if one.status != "rejected")
        self._progress.witness = next(taken, self._progress.witness)
        if rejects:
            self._rejects.append(sorted(rejects, key=lambda reject: reject.line))
        self._progress.rejects_octets = self._rejects.octets
        self._progress_file.save(self._progress)
        self._resolvable = outcome.resolvable

    def _summary(self, continued_after: int, seconds: float) -> Summary:
        counts = self._progress.counts
        return Summary(
            file=str(self._job.file),
            prefix=self._job.mould.prefix,
            **msgspec.to_builtins(counts),
            records=counts.records,
            continued_after=continued_after,
            seconds=round(seconds, 3),
            rows_per_s=round((counts.records - continued_after) / max(seconds, 0.001)),
            rejects_file=str(self._job.rejects) if counts.rejected else None,
            resolvable=self._resolvable,
        )
