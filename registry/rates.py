"""Rate limits: how many requests an enterprise may send a second, one token bucket an enterprise.

The buckets are in this process: every host's registry gives an enterprise its rate.
"""

import math
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from registry.errors import TooManyRequests
from registry.tables.quotas import Limits

BUCKETS_MAX: Final = 10_000


class RateLimits:
    """The buckets. `per_s`: what enterprises without a rate of their own may; 0: as much as they like."""

    def __init__(self, per_s: int = 0, registry: CollectorRegistry | None = None) -> None:
        self._per_s = per_s
        self._limited = Counter(
            "idnode_registry_rate_limited",
            "Requests refused because their enterprise had used up its rate",
            registry=registry or CollectorRegistry(),
        )
        self._buckets: dict[str, tuple[float, datetime]] = {}

    def counts(self, limits: Limits) -> bool:
        """Whether requests are counted at all under these limits."""
        return bool(limits.requests_per_s_max or self._per_s)

    def admit(self, enterprise: str, limits: Limits, now: datetime) -> None:
        """Take a token for one request. Raises `TooManyRequests` when there is none, with the wait for the next one."""
        per_s = limits.requests_per_s_max or self._per_s
        if not per_s:
            return
        full = float(max(limits.requests_burst_max or per_s, 1))
        tokens, then = self._buckets.get(enterprise, (full, now))
        # A clock that was set back gives nothing, and takes nothing away.
        tokens = min(full, tokens + max(now - then, timedelta(0)).total_seconds() * per_s)
        if tokens < 1:
            self._limited.inc()
            raise TooManyRequests(
                "rate_limited",
                f"the enterprise may send {per_s:,} requests a second",
                remedy="wait as Retry-After says, or send many identifiers in one batch",
                retry_after_s=max(1, math.ceil((1 - tokens) / per_s)),
            )
        if len(self._buckets) >= BUCKETS_MAX and enterprise not in self._buckets:
            self._buckets = {}
        self._buckets[enterprise] = (tokens - 1, now)
