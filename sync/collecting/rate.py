"""How many batches a second a reporter may hand in to a collector."""

import asyncio
from collections import deque
from typing import Final

from sync.collecting.problems import Problem

WINDOW_S: Final = 1.0
REPORTERS_MAX: Final = 10_000
"""Reporters whose rate is remembered; the one that was heard longest ago is forgotten first."""


class BatchRate:
    """Counts each reporter's batches of the last second. For one event loop."""

    def __init__(self, batches_per_s: int) -> None:
        self._batches_per_s = batches_per_s
        self._recent: dict[str, deque[float]] = {}

    def check(self, reporter: str) -> None:
        """Raise Problem if a reporter hands in more batches a second than it may."""
        at, recent = asyncio.get_running_loop().time(), self._recent.pop(reporter, deque())
        self._recent[reporter] = recent
        if len(self._recent) > REPORTERS_MAX:
            del self._recent[next(iter(self._recent))]
        while recent and recent[0] <= at - WINDOW_S:
            recent.popleft()
        if len(recent) >= self._batches_per_s:
            detail = f"at most {self._batches_per_s} batches a second"
            raise Problem(429, "rate_limited", detail, headers={"Retry-After": "1"})
        recent.append(at)
