"""The retry policy of the reports: how long to wait after the n-th failure (docking contract 9.7)."""

from dataclasses import dataclass
from random import Random

RETRY_AFTER_S_MIN = 0.1
"""`Retry-After: 0` must not turn a failing collector into one that is asked as fast as the network allows."""
RETRY_AFTER_S_MAX = 3_600.0
"""A collector may ask for patience; past an hour we look again: a mistaken header must not stop a stream for days."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full jitter: a uniform wait below an exponential ceiling. Attempts are never given up."""

    base_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 300.0

    def delay_s(self, failures: int, random: Random, retry_after_s: float | None = None) -> float:
        """Return the seconds to wait after so many failures in a row (from 1); the collector's own wish comes first."""
        if retry_after_s is not None:
            return min(max(retry_after_s, RETRY_AFTER_S_MIN), RETRY_AFTER_S_MAX)
        # The exponent is bounded so that years of failures cannot overflow a float.
        ceiling = min(self.cap_s, self.base_s * self.factor ** min(failures - 1, 64))
        return random.uniform(0.0, ceiling)
