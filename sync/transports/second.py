"""A second way to report, for the tables that the collector does not take by the first (docking contract 8.1).

The first decides: which tables are left to the second, whether reporting is up, what the collector asks (directives),
and it carries the monthly report. While the second cannot be used, its tables wait, and are shown as without a route.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from sync.access_points import AccessPoint
from sync.attachments import TABLES as WITH_DOCUMENTS
from sync.batch import Batch, Limits, Pending, Receipt, Rejection, StreamState, Unknown, Untold
from sync.digests import DigestAnswer, KeyRange
from sync.directives.shapes import Directive, Outcome
from sync.transport import Transport, TransportError

T = TypeVar("T")

ASK_AGAIN: Final = timedelta(minutes=5)
_REMEMBERED_MAX: Final = 1_024

_log = logging.getLogger(__name__)


class WithSecond:
    """Two transports as one. Tables that neither takes are taken by none."""

    def __init__(self, first: Transport, second: Transport, now: Callable[[], datetime]) -> None:
        self._first = first
        self._second = second
        self._now = now
        self._is_ready = False
        self._ask_at: datetime | None = None
        self._took: dict[UUID, Transport] = {}

    @property
    def name(self) -> str:
        """What both are called."""
        return f"{self._first.name}, {self._second.name}"

    def supports(self, table: str) -> bool:
        """Whether one of the two takes this table now."""
        return self._first.supports(table) or (self._is_ready and self._second.supports(table))

    async def limits(self) -> Limits:
        """Ask both; return the smaller limits. Only the first has to answer."""
        theirs = await self._first.limits()
        return theirs.within(await self._ask_second() or theirs)

    async def submit(self, batch: Batch) -> Receipt | Pending:
        """Hand a batch over by the way that takes its table."""
        way = self._way(batch.table)
        self._remember(batch.batch_id, way)
        return await self._by(way, way.submit(batch))

    async def receipt(self, batch_id: UUID) -> Receipt | Pending | Unknown:
        """Ask for the verdict where the batch went; the first, where that is not known here, and then the second."""
        if (way := self._took.get(batch_id)) is not None:
            return await self._by(way, way.receipt(batch_id))
        found = await self._first.receipt(batch_id)
        if isinstance(found, Unknown):
            self._remember(batch_id, self._second)
            return await self._by(self._second, self._second.receipt(batch_id))
        return found

    async def rejections(self, batch_id: UUID, after_n: int) -> tuple[Rejection, ...]:
        """Return the next page of a batch's rejections."""
        way = self._took.get(batch_id, self._first)
        return await self._by(way, way.rejections(batch_id, after_n))

    async def last_sequence(self, table: str, scope: str) -> StreamState | Unknown | Untold:
        """Ask how far a stream has come."""
        way = self._way(table)
        return await self._by(way, way.last_sequence(table, scope))

    async def put_file(self, sha256: str, media_type: str, content: bytes) -> None:
        """Hand a file over: monthly reports refer to it by the first way, rows by the one that takes their table."""
        await self._first.put_file(sha256, media_type, content)
        if not all(map(self._first.supports, WITH_DOCUMENTS)):
            await self._by(self._second, self._second.put_file(sha256, media_type, content))

    async def put_monthly_report(self, month: str, content: bytes) -> bytes:
        """Hand the monthly report over by the first way."""
        return await self._first.put_monthly_report(month, content)

    async def directives(self, after: str) -> tuple[Directive, ...]:
        """Return what the collector asks by the first way. Regularly called: the second is looked after here too."""
        if not self._is_ready and (self._ask_at is None or self._now() >= self._ask_at):
            await self._ask_second()
        return await self._first.directives(after)

    async def acknowledge_directive(self, directive_id: str, outcome: Outcome) -> None:
        """Tell what became of a directive."""
        await self._first.acknowledge_directive(directive_id, outcome)

    async def digests(self, table: str, scope: str, keys: KeyRange, *, depth: int, rows: bool) -> DigestAnswer:
        """Ask what the collector holds of a stream."""
        way = self._way(table)
        return await self._by(way, way.digests(table, scope, keys, depth=depth, rows=rows))

    def access_points(self) -> Sequence[AccessPoint]:
        """Return the access points of both."""
        return (*self._first.access_points(), *self._second.access_points())

    async def aclose(self) -> None:
        """Give up the connections of both."""
        try:
            await self._first.aclose()
        finally:
            await self._second.aclose()

    def _way(self, table: str) -> Transport:
        return self._first if self._first.supports(table) else self._second

    async def _ask_second(self) -> Limits | None:
        """Read the second's limits and tables; None, and the next time is set, if it cannot be used."""
        try:
            theirs = await self._second.limits()
        except TransportError as error:
            self._leave(error)
            return None
        self._is_ready, self._ask_at = True, None
        return theirs

    async def _by(self, way: Transport, answer: Awaitable[T]) -> T:
        """Wait for an answer. What is wrong with the second way holds up its own tables only."""
        try:
            return await answer
        except TransportError as error:
            if way is self._second and error.kind == "pause_link":
                self._leave(error)
                raise TransportError(str(error), kind="retry") from error
            raise

    def _leave(self, error: TransportError) -> None:
        _log.warning("%s cannot be used, its tables wait: %s", self._second.name, error)
        self._is_ready, self._ask_at = False, self._now() + ASK_AGAIN

    def _remember(self, batch_id: UUID, way: Transport) -> None:
        self._took.pop(batch_id, None)
        self._took[batch_id] = way
        if len(self._took) > _REMEMBERED_MAX:
            del self._took[next(iter(self._took))]
