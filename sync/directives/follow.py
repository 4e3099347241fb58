"""Follows the collector's directives: asks for new ones, does them in order, and tells what became of each.

Pending: directives not finished, and finished ones not acknowledged. On an error: the same again at the next look.
Cursor: the directive received last. Idempotency: a directive is known by its id, and its effect commits with its end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from sync.context import Context
from sync.database import DatabaseAway, connected, transaction
from sync.directives import store
from sync.directives.duties import Duty, Services, carry_out, duties
from sync.directives.resend import resend_range
from sync.directives.shapes import DIRECTIVES_PER_PAGE, Directive, Outcome
from sync.directives.start_over import start_over
from sync.directives.store import StoredDirective
from sync.transport import TransportError

PAGES_MAX: Final = 100
AT_ONCE_MAX: Final = 100

_log = logging.getLogger(__name__)


class Follower:
    """Does what the collector asks for. `wake` is called when there may be something new to send."""

    def __init__(self, context: Context, services: Services, wake: Callable[[], None]) -> None:
        self._context = context
        self._duties: Mapping[str, Duty] = duties(services)
        self._wake = wake
        self._failures = 0

    async def run(self, poll_s: float) -> None:
        """Look every `poll_s` until cancelled."""
        while True:
            try:
                await self.look()
                self._failures = 0
            except (TransportError, DatabaseAway) as error:
                self._context.metrics.failed("directives")
                self._failures += 1
                if self._failures == 1:
                    _log.warning("the collector's directives wait: %s", error)
            await asyncio.sleep(poll_s)

    async def look(self) -> None:
        """Ask once, do what can be done, and acknowledge what is finished. Raises TransportError and DatabaseAway."""
        await self._receive()
        async with connected(self._context.pool) as connection:
            waiting = await store.unfinished(connection, self._context.reporter, AT_ONCE_MAX)
        for one in waiting:
            await self._do(one)
        await self._acknowledge()
        if waiting:
            self._wake()

    async def _receive(self) -> None:
        reporter = self._context.reporter
        async with connected(self._context.pool) as connection:
            after = await store.newest_id(connection, reporter)
        for _ in range(PAGES_MAX):
            page = await self._page(after)
            if not page:
                return
            async with transaction(self._context.pool) as connection:
                await store.receive(connection, reporter, page, self._context.now())
            after = page[-1].id
            if len(page) < DIRECTIVES_PER_PAGE:
                return

    async def _page(self, after: str) -> tuple[Directive, ...]:
        try:
            return await self._context.transport.directives(after)
        except TransportError as error:
            if error.code != "malformed" or not after:
                raise
            # The collector does not know the directive that we hold for its last: it was restored. Ids tell us what is
            # new among all it has.
            return await self._context.transport.directives("")

    async def _do(self, stored: StoredDirective) -> None:
        several_steps = self._several_steps(stored)
        if several_steps is not None:
            outcome = await several_steps
            if outcome is None:
                return
            async with transaction(self._context.pool) as connection:
                await store.finish(connection, stored.number, outcome, self._context.now())
            self._told(stored, outcome)
            return
        async with transaction(self._context.pool) as connection:
            current = await store.lock(connection, stored.number)
            if current is None:
                return
            duty = self._duties.get(stored.directive.kind)
            outcome = await carry_out(duty, self._context, connection, stored.directive)
            await store.finish(connection, stored.number, outcome, self._context.now())
        self._told(stored, outcome)

    def _several_steps(self, stored: StoredDirective) -> Awaitable[Outcome | None] | None:
        """Return what a directive takes that asks the collector on its way; None for one of a single transaction."""
        if stored.directive.kind == "resend_range":
            return resend_range(self._context, stored)
        if stored.directive.kind == "start_over" and stored.is_operators:
            return start_over(self._context, stored)
        return None

    def _told(self, stored: StoredDirective, outcome: Outcome) -> None:
        directive = stored.directive
        self._context.metrics.directive(directive.kind if directive.kind in self._known else "other", outcome.result)
        who = "the operator" if stored.is_operators else "the top-level node"
        _log.warning("%s asked for %s (%s): %s, %s", who, directive.kind, directive.id, outcome.result, outcome.text)

    @property
    def _known(self) -> set[str]:
        return {"resend_range", "start_over", *self._duties}

    async def _acknowledge(self) -> None:
        async with connected(self._context.pool) as connection:
            finished = await store.unacknowledged(connection, self._context.reporter, AT_ONCE_MAX)
        for one in finished:
            assert one.outcome is not None  # noqa: S101 - that is what finished means
            await self._tell(one, one.outcome)
            async with connected(self._context.pool) as connection:
                await store.acknowledged(connection, one.number, self._context.now())

    async def _tell(self, stored: StoredDirective, outcome: Outcome) -> None:
        try:
            await self._context.transport.acknowledge_directive(stored.directive.id, outcome)
        except TransportError as error:
            if error.code != "unknown_directive":
                raise
            # The collector has lost it since: there is nobody to tell.
            _log.warning("the top-level node does not know its directive %s any more", stored.directive.id)
