"""The follower: keeps this host's replica equal to the journal, from a snapshot at first and change by change after.

Its whole state is the replica's own cursor. Each batch of changes and the cursor behind it are one LMDB transaction,
so it may be killed anywhere: it resumes, reads again what was not applied, and ends the same. A rebuild fills a new
generation beside the one that answers lookups and is published only when complete.

On error: back off, reopen, go on; lookups are not affected. By hand: delete the replica, and it is built again.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import lmdb
from prometheus_client import CollectorRegistry

from identifiers.changes import START, Change, Cursor, SourceUnavailable
from resolver.effective import EffectiveTimes
from resolver.environment import MapLimits, ReplicaDamaged, ReplicaMissing
from resolver.follower_states import NEXT, Event, State, Trouble, Unusable
from resolver.lag import Lag
from resolver.metrics import FollowerMetrics
from resolver.pace import Pace
from resolver.replica import ReplicaFull, ReplicaWriter
from resolver.replica_batch import apply_batch
from resolver.source import JournalSource, Snapshot

T = TypeVar("T")

log = logging.getLogger(__name__)


class Follower:
    """Follows one journal into one replica directory; `run` it as a task and cancel it to stop.

    `announce` is called on the event loop with each position the replica has reached. `woken` is a hint that there
    may be something to read. `effective` is told when registrations became visible.
    """

    def __init__(
        self,
        source: JournalSource,
        directory: Path,
        announce: Callable[[Cursor], None],
        *,
        woken: asyncio.Event | None = None,
        clock: Callable[[], float] = time.time,
        pace: Pace | None = None,
        map_limits: MapLimits | None = None,
        hot_table: bool = True,
        registry: CollectorRegistry | None = None,
        effective: EffectiveTimes | None = None,
    ) -> None:
        self._source = source
        self._directory = directory
        self._announce = announce
        self._woken = woken or asyncio.Event()
        self._pace = pace or Pace()
        self._map_limits = map_limits
        self._hot_table = hot_table
        self._lag = Lag(clock)
        self._clock = clock
        self._effective = effective
        states = tuple(state.value for state in State)
        self._metrics = FollowerMetrics(registry or CollectorRegistry(), states, lambda: self._lag.seconds)
        # One thread of its own: a transaction may wait for the disk, and the progress socket must not wait with it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="replica-writer")
        self._writer: ReplicaWriter | None = None
        self._rebuild_reason = ""
        self._backoff_s = self._pace.backoff_first_s
        self._check_at = self._verify_at = self._tend_at = self._busy_until = 0.0
        self._said: dict[str, float] = {}
        self.state = State.STARTING

    @property
    def cursor(self) -> Cursor:
        """The position the open replica has reached; START while none is open."""
        return self._writer.cursor if self._writer else START

    @property
    def lag_s(self) -> float:
        """How far lookups are behind the journal; see Lag."""
        return self._lag.seconds

    async def run(self) -> NoReturn:
        """Follow until cancelled."""
        steps: dict[State, Callable[[], Awaitable[Event]]] = {
            State.STARTING: self._start,
            State.BOOTSTRAPPING: self._bootstrap,
            State.FOLLOWING: self._follow,
            State.WAITING_FOR_SOURCE: self._back_off,
        }
        try:
            while True:
                self._metrics.entered(self.state.value)
                self.state = NEXT[self.state, await self._outcome(steps[self.state])]
        finally:
            self._thread.submit(self._close_writer)
            self._thread.shutdown()

    async def _outcome(self, step: Callable[[], Awaitable[Event]]) -> Event:
        """Run one state's step; its two ways of failing become events."""
        try:
            return await step()
        except Unusable as unusable:
            self._say(f"the replica will be rebuilt from a snapshot ({unusable.reason}): {unusable}")
            self._rebuild_reason = unusable.reason
            event = Event.REPLICA_UNUSABLE
        except Trouble as trouble:
            self._metrics.failures.labels(trouble.what).inc()
            self._say(f"{trouble}; lookups go on, trying again until it works")
            event = Event.TROUBLE
        await self._on_thread(self._close_writer)
        return event

    async def _start(self) -> Event:
        self._begin_with(await self._on_thread(self._open_current))
        return Event.REPLICA_USABLE

    def _open_current(self) -> ReplicaWriter:
        try:
            writer = ReplicaWriter.open_current(self._directory, self._map_limits)
        except ReplicaMissing as error:
            raise Unusable("missing", str(error)) from error
        except ReplicaDamaged as error:
            raise Unusable("damaged", str(error)) from error
        try:
            writer.keep_hot_table(wanted=self._hot_table)
        except BaseException:
            writer.close()
            raise
        return writer

    async def _bootstrap(self) -> Event:
        began_at = asyncio.get_running_loop().time()
        async with self._reaching_source(), self._source.snapshot() as snapshot:
            create = partial(ReplicaWriter.create_next, self._directory, snapshot.epoch, self._map_limits)
            self._writer = await self._on_thread(create)
            await self._fill(self._writer, snapshot)
        await self._on_thread(self._writer.publish)
        await self._on_thread(partial(self._writer.keep_hot_table, wanted=self._hot_table))
        self._metrics.rebuilds.labels(self._rebuild_reason).inc()
        self._begin_with(self._writer)
        took_s = asyncio.get_running_loop().time() - began_at
        log.info("the replica was rebuilt in %.1f s: %d records", took_s, self._writer.record_count())
        return Event.REPLICA_USABLE

    async def _fill(self, writer: ReplicaWriter, snapshot: Snapshot) -> None:
        """Apply every state of a snapshot; its cursor comes with the last transaction, when the replica is complete."""
        states = aiter(snapshot.states())
        while (batch := await self._in_time(anext(states, None))) is not None:
            await self._apply(writer, batch, START)
        await self._apply(writer, [], snapshot.cursor)

    def _begin_with(self, writer: ReplicaWriter) -> None:
        self._writer = writer
        self._check_at = self._verify_at = 0.0
        self._announce(writer.cursor)

    async def _follow(self) -> Event:
        writer = self._writer
        assert writer is not None  # noqa: S101 - FOLLOWING is only entered with an open replica
        while True:
            await self._check_disk(writer)
            batch = await self._read(writer, writer.cursor)
            while len(batch) >= self._pace.ahead_changes:
                batch = await self._apply_reading_on(writer, batch)
            if batch:
                await self._take(writer, batch)
            if not await self._tend_hot_table(writer) and not batch:
                await self._await_wake()

    async def _apply_reading_on(self, writer: ReplicaWriter, batch: list[Change]) -> list[Change]:
        """Apply a large batch while PostgreSQL is already finding the next one, and return that."""
        following = asyncio.create_task(self._read(writer, batch[-1].cursor))
        try:
            await self._take(writer, batch)
            await self._tend_hot_table(writer)
            await self._check_disk(writer)
            return await following
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _take(self, writer: ReplicaWriter, batch: list[Change]) -> None:
        await self._apply(writer, batch, None)
        self._busy_until = asyncio.get_running_loop().time() + self._pace.busy_s
        self._lag.applied(batch)
        self._announce(writer.cursor)
        if self._effective is not None:
            self._effective.seen(batch, self._clock())

    async def _tend_hot_table(self, writer: ReplicaWriter) -> bool:
        """Do a little of what the hot table needs; return whether there is more to do at once.

        While changes keep coming, only now and then: registrations wait for each of them, nobody for the table. (With a
        slice in every pause between two changes, registrations fell to a third while a larger table was being filled.)
        """
        table, now = writer.hot_table, asyncio.get_running_loop().time()
        if table is None or not table.due() or (now < self._busy_until and now < self._tend_at):
            return False
        self._tend_at = now + self._pace.tend_busy_s
        goes_on = await self._on_thread(table.tend)
        self._metrics.has_hot_table(*table.figures)
        return goes_on

    async def _check_disk(self, writer: ReplicaWriter) -> None:
        """Make sure, about once a second, that the files are what we opened and that no reader met damage."""
        now = asyncio.get_running_loop().time()
        if now < self._check_at:
            return
        self._check_at = now + self._pace.check_s
        try:
            writer.check_on_disk()
            self._metrics.records.set(writer.record_count())
        except (ReplicaMissing, ReplicaDamaged, lmdb.Error, OSError) as error:
            raise Unusable("missing" if isinstance(error, ReplicaMissing) else "damaged", str(error)) from error

    async def _read(self, writer: ReplicaWriter, after: Cursor) -> list[Change]:
        # Cleared before reading: a wake that comes while we read makes us read again.
        self._woken.clear()
        async with self._reaching_source():
            batch = await self._in_time(self._source.changes(after, self._pace.batch_changes))
            self._lag.read(batch)
            await self._verify(writer)
        self._backoff_s = self._pace.backoff_first_s
        return batch

    async def _verify(self, writer: ReplicaWriter) -> None:
        """Make sure, after a reading, that it was of the journal we follow and that nothing before it had been dropped.

        Asked on first contact, every few seconds, and after each reading while we are far behind. At the journal's
        end in between, nothing old enough to be dropped can be missing.
        """
        now = asyncio.get_running_loop().time()
        if now < self._verify_at and self._lag.seconds < self._pace.behind_s:
            return
        epoch = await self._in_time(self._source.epoch())
        if epoch != writer.epoch:
            raise Unusable("epoch", f"the journal is {epoch}, the replica was built from {writer.epoch}")
        oldest = await self._in_time(self._source.oldest())
        if writer.cursor < oldest:
            raise Unusable("expired", f"the journal begins after {oldest}, the replica is at {writer.cursor}")
        self._verify_at = now + self._pace.verify_s

    async def _apply(self, writer: ReplicaWriter, batch: list[Change], cursor: Cursor | None) -> None:
        skipped = await self._on_thread(partial(apply_batch, writer, batch, cursor))
        self._metrics.batch.observe(len(batch))
        self._metrics.changes.inc(len(batch) - skipped)
        self._metrics.skipped.inc(skipped)

    async def _await_wake(self) -> None:
        try:
            async with asyncio.timeout(self._pace.poll_s):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _back_off(self) -> Event:
        await asyncio.sleep(self._backoff_s)
        self._backoff_s = min(self._backoff_s * 2, self._pace.backoff_max_s)
        return Event.WAITED

    @asynccontextmanager
    async def _reaching_source(self) -> AsyncIterator[None]:
        try:
            yield
        except (SourceUnavailable, OSError) as error:
            raise Trouble("source", f"the journal cannot be read: {error or type(error).__name__}") from error

    async def _in_time(self, reading: Awaitable[T]) -> T:
        async with asyncio.timeout(self._pace.source_timeout_s):
            return await reading

    async def _on_thread(self, act: Callable[[], T]) -> T:
        """Run one act of the replica on its thread. A full disk or map leaves what was there, and is tried again."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, act)
        except (lmdb.Error, ReplicaFull, OSError) as error:
            raise Trouble("replica", f"the replica in {self._directory} cannot be written: {error}") from error

    def _say(self, text: str) -> None:
        """Say what is wrong when it begins, and once a minute while it lasts: trouble repeats many times a second."""
        now = asyncio.get_running_loop().time()
        self._said = {said: until for said, until in self._said.items() if until > now}
        if text not in self._said:
            self._said[text] = now + self._pace.repeat_log_s
            log.warning("%s", text)

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
