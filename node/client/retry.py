"""The one retry policy: what is tried again, after how long, and when to give up."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from node.client.errors import UnavailableError

T = TypeVar("T")

RETRY_AFTER_S_MAX = 60.0
"""A node may ask for patience, but not for an hour of it."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, so that many clients of a restarted node do not return in step.

    `give_up_after_s` counts from the first failure of one request; 0 means never to try again.
    """

    first_s: float = 0.25
    longest_s: float = 10.0
    give_up_after_s: float = 60.0

    def delay_s(self, failures: int, retry_after_s: float | None) -> float:
        """Seconds to wait after the `failures`-th failure in a row (from 1); the node's own wish comes first."""
        if retry_after_s is not None:
            return min(retry_after_s, RETRY_AFTER_S_MAX)
        ceiling = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        # Jitter needs no cryptographic randomness. Half of the step is kept, so that the waits do grow.
        return ceiling * (0.5 + random.random() / 2)  # noqa: S311


NEVER = RetryPolicy(give_up_after_s=0)


async def retrying(
    policy: RetryPolicy,
    attempt: Callable[[], Awaitable[T]],
    on_wait: Callable[[UnavailableError, float], None] | None = None,
) -> T:
    """Return the first success of `attempt`, which must be safe to repeat.

    Only UnavailableError is tried again; it is raised when the policy's time is over. `on_wait` is told of each
    failure and the seconds until the next attempt.
    """
    failures = 0
    deadline = float("inf")
    while True:
        try:
            return await attempt()
        except UnavailableError as error:
            failures += 1
            if failures == 1:
                deadline = time.monotonic() + policy.give_up_after_s
            delay_s = policy.delay_s(failures, error.retry_after_s)
            if time.monotonic() + delay_s > deadline:
                raise
            if on_wait is not None:
                on_wait(error, delay_s)
        await asyncio.sleep(delay_s)
