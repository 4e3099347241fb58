"""The collector's access points, ranked by health: which one is asked next, and what is known of each."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final

from sync.breaker import Breaker
from sync.discovery import Discovery, DiscoveryFailed, Target
from sync.retry import RetryPolicy

FAILING_SHARE_MAX: Final = 0.2
"""Above this share of recent requests an access point comes behind the healthy ones, whatever its priority."""
HALF_LIFE_S: Final = 60.0
"""A failure counts half after this time, so that an access point comes back by itself."""
_NEWEST_SHARE: Final = 0.2
REFIND_S: Final = 30.0
ERROR_CHARACTERS_MAX: Final = 300

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class AccessPoint:
    """One address of the collector and its health."""

    target: Target
    breaker: Breaker
    order: int = 0
    requests: int = 0
    failing_share: float = 0.0
    answer_s: float | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None
    last_success_at: datetime | None = None
    _judged_at: datetime | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return self.target.url

    def share_failing(self, now: datetime) -> float:
        """Return the share of recent requests that failed, fading with time."""
        if self._judged_at is None:
            return 0.0
        age_s = max(0.0, (now - self._judged_at).total_seconds())
        return float(self.failing_share * 0.5 ** (age_s / HALF_LIFE_S))

    def succeeded(self, now: datetime, answer_s: float) -> None:
        """Note an answer that shows it at work."""
        self._judge(now, failed=False)
        self.breaker.succeeded()
        self.last_success_at = now
        self.answer_s = answer_s if self.answer_s is None else self.answer_s * 0.8 + answer_s * 0.2

    def failed(self, now: datetime, error: str, retry_after_s: float | None = None) -> None:
        """Note that it gave no answer, or one of a server that does not work."""
        self._judge(now, failed=True)
        was_open = self.breaker.state == "open"
        self.breaker.failed(now, retry_after_s)
        self.last_error, self.last_error_at = error[:ERROR_CHARACTERS_MAX], now
        if self.breaker.state == "open" and not was_open:
            _log.warning("the access point %s is left alone for a while: %s", self.url, self.last_error)

    def _judge(self, now: datetime, *, failed: bool) -> None:
        self.requests += 1
        self.failing_share = self.share_failing(now) * (1 - _NEWEST_SHARE) + _NEWEST_SHARE * failed
        self._judged_at = now


class AccessPoints:
    """All access points. What is known of one outlives a new look at DNS as long as its address stays."""

    def __init__(
        self, discovery: Discovery, policy: RetryPolicy, random: Random, *, now: Callable[[], datetime]
    ) -> None:
        self._discovery = discovery
        self._policy = policy
        self._random = random
        self._now = now
        self._points: dict[str, AccessPoint] = {}
        self._find_at: datetime | None = None
        self.discovery_error: str | None = None

    async def ranked(self) -> Sequence[AccessPoint]:
        """Return all access points, the one to ask first in front; none if none was ever found."""
        now = self._now()
        if self._find_at is None or now >= self._find_at:
            await self._find(now)
        return sorted(
            self._points.values(),
            key=lambda one: (
                not one.breaker.would_pass(now),
                one.breaker.state != "closed",
                one.share_failing(now) > FAILING_SHARE_MAX,
                one.target.priority,
                one.order,
            ),
        )

    def known(self) -> Sequence[AccessPoint]:
        """Return the access points found so far, in the order of discovery."""
        return tuple(self._points.values())

    async def _find(self, now: datetime) -> None:
        try:
            found = await self._discovery.find()
        except DiscoveryFailed as error:
            if self.discovery_error is None:
                _log.warning("the collector's access points cannot be found: %s", error)
            self.discovery_error, self._find_at = str(error), now + timedelta(seconds=REFIND_S)
            return
        self.discovery_error, self._find_at = None, now + timedelta(seconds=found.valid_s)
        before, self._points = self._points, {}
        for order, target in enumerate(found.targets):
            known = before.get(target.url)
            point = known if known is not None else AccessPoint(target, Breaker(self._policy, self._random))
            point.target, point.order = target, order
            self._points[target.url] = point
