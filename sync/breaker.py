"""The circuit breaker of one access point: after failures in a row it is left alone, then tried with one request.

Cases, decided without I/O:

1. closed: requests pass; `FAILURES_MAX` failures in a row open it.
2. open: nothing passes until `tried_again_at`, which `sync.retry` chooses, later after each time.
3. half open: one request passes; it closes the breaker, or opens it again. One that never ends is given up after
   `TRIAL_S_MAX`, so that a cancelled request does not keep the access point out for ever.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal

from sync.retry import RetryPolicy

State = Literal["closed", "open", "half_open"]

FAILURES_MAX: Final = 5
TRIAL_S_MAX: Final = timedelta(seconds=90)
"""Longer than the longest wait for an answer."""


class Breaker:
    """Decides whether an access point is asked. Times are the caller's, aware."""

    def __init__(self, policy: RetryPolicy, random: Random) -> None:
        self.state: State = "closed"
        self.failures = 0
        self.tried_again_at: datetime | None = None
        self._policy = policy
        self._random = random
        self._openings = 0
        self._trial_began: datetime | None = None

    def would_pass(self, now: datetime) -> bool:
        """Whether a request might pass now; changes nothing."""
        if self.state == "closed":
            return True
        if self.state == "open":
            return self.tried_again_at is None or now >= self.tried_again_at
        return self._trial_began is None or now - self._trial_began > TRIAL_S_MAX

    def take(self, now: datetime) -> bool:
        """Let a request pass, or not; the one that passes an open breaker is the trial."""
        if not self.would_pass(now):
            return False
        if self.state != "closed":
            self.state, self._trial_began = "half_open", now
        return True

    def try_now(self) -> None:
        """Let the next request be the trial, whatever was planned."""
        if self.state != "closed":
            self.state, self.tried_again_at, self._trial_began = "open", None, None

    def succeeded(self) -> None:
        """Note an answer that shows the access point at work."""
        self.state, self.failures, self._openings = "closed", 0, 0
        self.tried_again_at = self._trial_began = None

    def failed(self, now: datetime, retry_after_s: float | None = None) -> None:
        """No answer came, or one of a server that does not work."""
        self.failures += 1
        if self.state == "half_open" or self.failures >= FAILURES_MAX:
            self._openings += 1
            delay_s = self._policy.delay_s(self._openings, self._random, retry_after_s)
            self.state, self._trial_began = "open", None
            self.tried_again_at = now + timedelta(seconds=delay_s)
