"""The collector: takes the workers' counts of lookups from the spool into the database.

Pending: the segment files. Cursor: none; a file goes when it is stored. Idempotency: by the segment's id, so a crash
between storing and removing counts nothing twice. On error the files stay and are tried again; a segment that the
database can never take is set aside, for the others behind it shall not wait.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
from prometheus_client import CollectorRegistry, Counter

from registry.database import Connection, Pool, connected
from registry.errors import RegistryError
from registry.statistics import SegmentError, note_drained, store_segment
from resolver.spool import Segment, read_segments, remove

EVERY_S: Final = 1.0
PAUSE_AFTER_FAILURE_S: Final = 5.0
SEGMENTS_AT_ONCE: Final = 50
"""Of at most a few megabytes each; so many are held in memory."""

DRAINED_NOTED_EVERY: Final = timedelta(seconds=15)

_log = logging.getLogger(__name__)


class Collector:
    """Collects one spool directory into one database."""

    def __init__(
        self,
        spool: Path,
        pool: Pool,
        registry: CollectorRegistry | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._spool = spool
        self._pool = pool
        self._clock = clock
        self._drained_at = datetime.min.replace(tzinfo=UTC)
        self._collected = Counter(
            "idnode_spool_segments_collected",
            "Segments of lookup counts taken into the database, or set aside",
            ["outcome"],
            registry=registry or CollectorRegistry(),
        )

    async def run(self) -> None:
        """Collect until cancelled."""
        failing = False
        while True:
            try:
                await self.collect()
                failing = False
            except (RegistryError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not failing:
                    _log.warning("lookup counts wait in %s: %s", self._spool, error or type(error).__name__)
                failing = True
            await asyncio.sleep(PAUSE_AFTER_FAILURE_S if failing else EVERY_S)

    async def collect(self) -> None:
        """Take everything that waits now. Raises when the database is away; what was taken until then is taken."""
        began_at = self._clock()
        while segments := await asyncio.to_thread(self._next):
            async with connected(self._pool) as connection:
                for segment in segments:
                    await self._take(connection, segment)
        if began_at - self._drained_at >= DRAINED_NOTED_EVERY:
            async with connected(self._pool) as connection:
                await note_drained(connection, began_at)
            self._drained_at = began_at

    def _next(self) -> list[Segment]:
        return list(islice(read_segments(self._spool), SEGMENTS_AT_ONCE))

    async def _take(self, connection: Connection, segment: Segment) -> None:
        try:
            stored = await store_segment(connection, msgspec.to_builtins(segment.content), now=self._clock())
        except (SegmentError, asyncpg.DataError) as error:
            aside = segment.path.with_suffix(".bad")
            _log.error("the segment %s cannot be counted and was set aside as %s: %s", segment.path, aside.name, error)
            segment.path.replace(aside)
            self._collected.labels("set_aside").inc()
            return
        remove(segment)
        self._collected.labels("stored" if stored else "known").inc()
