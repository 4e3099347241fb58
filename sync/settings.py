"""What the reporting process is told: where the records are, where reports go, and in whose name."""

import msgspec

from sync.batch import Limits
from sync.retry import RetryPolicy


class SyncSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one reporter. Times in seconds.

    `default_template` is reported as the template of identifiers registered without one; without it these are
    withheld, as the contract requires a template. `poll_s` is how often the journal and the queue are looked at,
    and so also how long rows gather before a batch is made of them.
    """

    dsn: str
    upstream_url: str
    reporter: str
    token: str | None = None
    default_template: str | None = None
    poll_s: float = 1.0
    retry: RetryPolicy = RetryPolicy()
    limits: Limits = Limits()
    answer_timeout_s: float = 60.0
    keep_bodies_days: int = 35
