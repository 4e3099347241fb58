"""What every part of the delivery is given: where things are kept, the way out, and the seams for time and chance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sync.database import Pool
from sync.metrics import SyncMetrics
from sync.retry import RetryPolicy
from sync.tables.table import Table
from sync.transport import Transport


@dataclass(frozen=True, slots=True)
class Context:
    """One reporter's means. `now` gives aware datetimes; `random` spreads retries and guards no secret.

    With `hold_periods`, hourly and daily tables wait until their period has closed; otherwise they go as they come.
    """

    dsn: str
    pool: Pool
    transport: Transport
    tables: Mapping[str, Table]
    reporter: str
    policy: RetryPolicy
    random: Random
    now: Callable[[], datetime]
    metrics: SyncMetrics
    hold_periods: bool = False

    def rest_until(self, failures: int, retry_after_s: float | None) -> datetime:
        """Return when to try again after this many failures in a row."""
        return self.now() + timedelta(seconds=self.policy.delay_s(failures, self.random, retry_after_s))
