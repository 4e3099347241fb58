"""Has each month's report ready on the first day of the next, and sends it on the third working day.

Pending: the newest revision of a month that was not sent. On an error it is tried again at the next look; what the
collector said stands beside the report. Time comes from `Context.now` only.
"""

import asyncio
import logging
from datetime import datetime, time, timedelta
from typing import Final

import msgspec

from registry import day_figures
from sync.calendar_time import BEIJING, beijing_day
from sync.context import Context
from sync.database import DatabaseAway, connected, storable, transaction
from sync.monthly import store
from sync.monthly.figures import CannotReport, bounds, months_until
from sync.monthly.making import HANDED_OVER, make
from sync.monthly.store import Stored
from sync.monthly.working_days import SEND_ON, WorkingDays
from sync.transport import TransportError

LOOK_EVERY_S: Final = 300.0
READY_AFTER: Final = timedelta(hours=1)
"""A month's figures are whole an hour after its end, unless hosts were cut off from the database."""
NOT_WAITED_AFTER: Final = timedelta(hours=12)
SENT_AT: Final = time(9)
"""Beijing time on the day of sending."""
MONTHS_BACK: Final = 3
"""How many months may be made up for after the node was away."""

_log = logging.getLogger(__name__)


class MonthlyTask:
    """The reports of one reporter."""

    def __init__(self, context: Context, calendar: WorkingDays) -> None:
        self._context = context
        self._calendar = calendar
        self._said: set[str] = set()

    async def run(self) -> None:
        """Make and send reports until cancelled."""
        while True:
            try:
                await self.step()
            except DatabaseAway as error:
                self._context.metrics.failed("database")
                _log.debug("the monthly report waits: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def step(self) -> None:
        """Make the reports that are due and send those whose day has come. Raises DatabaseAway."""
        now = self._context.now()
        this_month = f"{beijing_day(now):%Y-%m}"
        for month in months_until(this_month, MONTHS_BACK + 1)[:-1]:
            stored = await self._made(month, now)
            if stored is not None and stored.sent_at is None and now >= self.sends_at(month):
                await self._send(stored)

    def sends_at(self, month: str) -> datetime:
        """Return when a month's report is sent."""
        return datetime.combine(self._calendar.after(month, SEND_ON), SENT_AT, BEIJING)

    async def _made(self, month: str, now: datetime) -> Stored | None:
        """Return the month's report, made now if there is none yet or it is about to go."""
        context, (_, end) = self._context, bounds(month)
        async with transaction(context.pool) as connection:
            stored = await store.newest(connection, context.reporter, month)
            if stored is not None and (stored.sent_at is not None or now < self.sends_at(month)):
                return stored
            if stored is not None and stored.last_error is not None:
                return stored  # what was refused is not changed by itself
            if now < end + READY_AFTER:
                return None
            collected = await day_figures.collected_until(connection)
            if (collected is None or collected < end) and now < end + NOT_WAITED_AFTER:
                return None
            try:
                return await make(connection, context.reporter, month, now)
            except CannotReport as error:
                if month == months_until(f"{beijing_day(now):%Y-%m}", 2)[0]:
                    self._say(f"there is no report of {month}: {error}")
                return None

    async def _send(self, stored: Stored) -> None:
        context = self._context
        async with connected(context.pool) as connection:
            kept = await store.documents(connection, context.reporter, stored.month, stored.revision)
            documents = [one for one in kept if one.media_type == HANDED_OVER]
        try:
            for one in documents:
                await context.transport.put_file(one.sha256.hex(), one.media_type, one.content)
            content = msgspec.json.encode(stored.report)
            answered = await context.transport.put_monthly_report(stored.month, content)
            answer = _answer(answered)
        except TransportError as error:
            await self._failed(stored, error)
            return
        async with transaction(context.pool) as connection:
            await store.note_sent(connection, context.reporter, stored, context.now(), answer)
        _log.info("the report of %s, revision %s, is handed over", stored.month, stored.revision)

    async def _failed(self, stored: Stored, error: TransportError) -> None:
        text = storable(f"{error.code}: {error}" if error.code else str(error))
        self._say(f"the report of {stored.month} is not taken: {text}")
        async with transaction(self._context.pool) as connection:
            await store.note_failed(connection, self._context.reporter, stored, text)

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            _log.warning("%s", text)


def _answer(octets: bytes) -> dict[str, object]:
    try:
        found = msgspec.json.decode(octets)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
