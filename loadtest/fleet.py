"""A number of connections to one target, kept open for the length of a run."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from loadtest.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtest.connection import Owner
    from loadtest.target import Target

    Make = Callable[[Owner], Connection]

CONNECT_TIMEOUT_S = 5.0
REOPEN_PAUSE_S = 0.1
FAILURE_KINDS_MAX = 20


class Unreachable(Exception):  # noqa: N818 - the name says what the target is
    """No connection to the target could be opened."""


class Fleet:
    """A number of connections to one target, each reopened after a pause when it ends, until closed."""

    def __init__(self, target: Target, owner: Owner, size: int, make: Make) -> None:
        self._target = target
        self._owner = owner
        self._make = make
        self._open: dict[int, Connection] = {}
        self._size = size
        self._tasks: list[asyncio.Task[None]] = []
        self.reopened = 0
        self.failures: dict[str, int] = {}

    async def __aexit__(self, *_: object) -> None:
        """End every connection and wait until all are gone."""
        closing = [connection.ended for connection in self._open.values()]
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, *closing, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    @property
    def outstanding(self) -> int:
        """The number of requests sent and not answered yet."""
        return sum(1 for connection in self._open.values() if connection.intended_ns)

    async def __aenter__(self) -> Self:
        """Open every connection; raise Unreachable when one cannot be."""
        opening = [self._connect(self._make(self._owner)) for _ in range(self._size)]
        outcomes = await asyncio.gather(*opening, return_exceptions=True)
        connections = [outcome for outcome in outcomes if isinstance(outcome, Connection)]
        for failure in (outcome for outcome in outcomes if isinstance(outcome, BaseException)):
            for connection in connections:
                connection.abort()
            raise failure
        for slot, connection in enumerate(connections):
            self._tasks.append(asyncio.create_task(self._keep_open(slot, connection)))
        return self

    def expire(self, before_ns: int) -> None:
        """Abort every connection whose outstanding request was intended before `before_ns`."""
        for connection in self._open.values():
            if 0 < connection.intended_ns < before_ns:
                connection.abort(timed_out=True)

    async def _keep_open(self, slot: int, connection: Connection) -> None:
        while True:
            with self._listed(slot, connection):
                self._owner.opened(connection)
                await self._lifetime(connection)
            self._count(connection.failure or "the connection was closed")
            connection = await self._reconnect()
            self.reopened += 1

    async def _lifetime(self, connection: Connection) -> None:
        """Return when the connection is lost; until then open it again whenever the server ended it with an answer."""
        while await connection.ended:
            try:
                await self._connect(connection)
            except Unreachable as error:
                connection.failure = str(error)
                connection.give_up()
                return
            self.reopened += 1

    def _count(self, failure: str) -> None:
        kind = failure if failure in self.failures or len(self.failures) < FAILURE_KINDS_MAX else "other failures"
        self.failures[kind] = self.failures.get(kind, 0) + 1

    @contextlib.contextmanager
    def _listed(self, slot: int, connection: Connection) -> Iterator[None]:
        self._open[slot] = connection
        try:
            yield
        finally:
            del self._open[slot]
            connection.abort()

    async def _reconnect(self) -> Connection:
        while True:
            await asyncio.sleep(REOPEN_PAUSE_S)
            with contextlib.suppress(Unreachable):
                return await self._connect(self._make(self._owner))

    async def _connect(self, connection: Connection) -> Connection:
        target = self._target
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.connect(target)
        except (OSError, TimeoutError) as error:
            raise Unreachable(
                f"{target.host} does not accept connections ({str(error) or 'timeout'}); is the node running?"
            ) from error
        return connection
