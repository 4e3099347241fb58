"""The link to the collector: its limits, read at the start and hourly, and its pauses (docking contract 9.7, 9.13)."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sync.batch import Limits
from sync.context import Context
from sync.transport import TransportError

LIMITS_AGE_MAX: Final = timedelta(hours=1)
PROBE_EVERY: Final = timedelta(minutes=5)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkStanding:
    """Whether batches may be handed over, since when, and if not, why and when the collector is asked next."""

    is_up: bool
    since: datetime
    reason: str | None = None
    next_probe_at: datetime | None = None


class Link:
    """Whether batches may be handed over now, and how large. `limits` are the smaller of both sides'.

    `changed` is set with every news of the `standing`.
    """

    def __init__(self, context: Context, own_limits: Limits) -> None:
        self.limits = own_limits
        self._own_limits = own_limits
        self._transport = context.transport
        self._context = context
        self._now = context.now
        self._metrics = context.metrics
        self._limits_due: datetime | None = None
        self._closed_until: datetime | None = None
        self._failures = 0
        self.changed = asyncio.Event()
        self.standing = LinkStanding(is_up=False, since=context.now(), reason="the collector was not asked yet")
        self._metrics.link(up=False)

    async def is_up(self) -> bool:
        """Whether batches may be handed over; asks the collector for its limits when they are due."""
        now = self._now()
        if self._closed_until is not None and now < self._closed_until:
            return False
        if self._limits_due is None or now >= self._limits_due:
            return await self._ask_limits(now)
        return True

    def pause(self, reason: str) -> None:
        """Hand nothing over until the collector answers a probe; something about the link itself is wrong."""
        _log.error("reporting pauses: %s; the link is tried again every 5 minutes", reason)
        self._closed_until = self._now() + PROBE_EVERY
        self._limits_due = None
        self._stands(reason, self._closed_until)

    def try_now(self) -> None:
        """Ask the collector at the next look, whatever was planned, and each of its addresses with it."""
        self._closed_until = self._limits_due = None
        for point in self._transport.access_points():
            point.breaker.try_now()

    def limits_changed(self) -> None:
        """Read the limits again before the next batch: one was refused as too large."""
        self._limits_due = None

    async def _ask_limits(self, now: datetime) -> bool:
        try:
            theirs = await self._transport.limits()
        except TransportError as error:
            self._metrics.failed("capabilities")
            if error.kind == "pause_link":
                self.pause(str(error))
            else:
                self._put_off(error)
            return False
        self.limits = self._own_limits.within(theirs)
        self._limits_due = now + LIMITS_AGE_MAX
        self._closed_until, self._failures = None, 0
        self._stands(None, None)
        return True

    def _put_off(self, error: TransportError) -> None:
        if self._failures == 0:
            _log.warning("the collector cannot be asked for its limits, reports wait: %s", error)
        self._failures += 1
        self._closed_until = self._context.rest_until(self._failures, error.retry_after_s)
        self._stands(str(error), self._closed_until)

    def _stands(self, reason: str | None, next_probe_at: datetime | None) -> None:
        """Note how the link is; it is down for a reason, and up without one."""
        is_up = reason is None
        since = self.standing.since if is_up is self.standing.is_up else self._now()
        self.standing = LinkStanding(is_up, since, reason, next_probe_at)
        self.changed.set()
        self._metrics.link(up=is_up)
