"""What the reporting process is told: where the records are, where reports go, and in whose name."""

from pathlib import Path
from typing import Literal

import msgspec

from sync.batch import Limits
from sync.retry import RetryPolicy

TransportName = Literal["https", "sftp", "file"]
SecondName = Literal["none", "sftp", "file"]


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """The way to the collector.

    https: `urls` in the order of preference, or `srv`, a name with SRV records and perhaps a base path behind a slash;
    requests are signed with `sign_key_file` under `key_id`; with `collector_key_file` receipts must be signed.
    sftp: `sftp_url`, sftp://user@host:port/directory, `sftp_key_file` and the pinned `sftp_host_key`.
    file: `directory`. Tables that the collector does not take by https go by `second`, where that is set.
    """

    transport: TransportName = "https"
    second: SecondName = "none"
    urls: tuple[str, ...] = ()
    srv: str = ""
    sign_key_file: Path | None = None
    key_id: str = ""
    collector_key_file: Path | None = None
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    tls_ca_file: Path | None = None
    sftp_url: str = ""
    sftp_key_file: Path | None = None
    sftp_host_key: str = ""
    directory: Path | None = None


class SyncSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one reporter. Times in seconds.

    `upstream_url`, if given, stands before the addresses of `upstream`. `default_template` is reported as the template
    of identifiers registered without one; without it these are withheld, as the contract requires a template. `poll_s`
    is how often the journal and the queue are looked at, and so also how long rows gather before a batch is made of
    them. With `hold_periods` hourly and daily tables wait until their period has closed. `holidays_file` is
    the calendar of working days by which monthly reports are sent.
    """

    dsn: str
    upstream_url: str
    reporter: str
    upstream: Upstream = Upstream()
    token: str | None = None
    default_template: str | None = None
    hold_periods: bool = False
    poll_s: float = 1.0
    retry: RetryPolicy = RetryPolicy()
    limits: Limits = Limits()
    answer_timeout_s: float = 60.0
    keep_bodies_days: int = 35
    directives_poll_s: float = 60.0
    holidays_file: Path | None = None
