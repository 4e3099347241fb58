"""What the registry's process gives its API: the database, the clock, the replica's barrier, and the settings."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from identifiers.changes import Cursor
from registry.barrier import ReplicaBarrier
from registry.database import Pool
from registry.feed_readers import FeedReaders
from registry.rates import RateLimits
from registry.registration_samples import RegistrationSamples
from registry.reporting import Reporting
from registry.service.feed import Feed
from registry.service.feed_rows import ReportRows
from registry.service.feed_snapshots import FeedSnapshots
from registry.service.registrar import Registrar
from registry.service.report_keys import ReadKey
from registry.token_memo import TokenMemo


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How much jobs may take."""

    octets_max: int = 2**30
    """Longest upload."""
    rows_max: int = 10_000_000
    """Rows of a job, where the enterprise's quota says no less."""
    open_max: int = 10
    """Jobs of one enterprise that have not ended."""
    kept: timedelta = timedelta(days=7)
    """How long a job and its results are kept after its end."""


@dataclass(frozen=True, slots=True)
class SnmsSettings:
    """How the SNMS-compatible API answers; see the settings of the same names."""

    http_status: Literal["ok", "strict"] = "ok"
    public_detail: Literal["off", "public-values"] = "off"
    registration_body: str = ""


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How the API answers."""

    resolvable_wait_s: float = 2.0
    """How long a write waits until this host's replica can answer it; after that the answer says that it cannot."""
    body_octets_max: int = 2**20
    """Longest body of a request; batches are streams and have limits of their own."""
    national_link: bool = False
    """Whether a national node decides on prefixes after the review here."""
    probe_secret: str = field(default="", repr=False)
    """What the node's own probes send; empty: nobody is one."""
    snapshots: Path = field(default_factory=lambda: Path(tempfile.gettempdir(), f"idnode-snapshots-{os.geteuid()}"))
    """Where snapshots of the change feed are kept; this process's alone."""
    jobs: JobSettings = JobSettings()
    snms: SnmsSettings = SnmsSettings()


def utc_now() -> datetime:
    """Return the present instant; the registry's only clock, unless a test gives it another."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RegistryContext:
    """Everything the API needs from outside. `status` adds named figures of other processes to GET /api/v1/status."""

    pool: Pool
    barrier: ReplicaBarrier
    secret: bytes = field(repr=False)
    """The node's secret, 32 octets: sessions are signed and a few secrets are sealed with keys made from it."""
    clock: Callable[[], datetime] = utc_now
    settings: RegistrySettings = RegistrySettings()
    status: Mapping[str, Callable[[], Awaitable[Any]]] = field(default_factory=dict)
    tokens: TokenMemo = field(default_factory=TokenMemo)
    rates: RateLimits = field(default_factory=RateLimits)
    samples: RegistrationSamples = field(default_factory=RegistrationSamples)
    """How long registrations took, until they are drained."""
    lists_under_way: set[object] = field(default_factory=set)
    """The lists of identifiers that are being carried out."""
    jobs_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a job was queued here, so that it begins at once."""
    feed_readers: FeedReaders = field(default_factory=FeedReaders)
    """Who reads the change feed with signed requests."""
    reports: ReportRows | None = None
    """Makes the rows of the reports' tables for the change feed."""
    reporting: Reporting | None = None
    """What operators see and order of the reports, where this node reports."""
    read_report_key: ReadKey | None = None
    """Reads keys of enterprises' own nodes, where these may report to this node."""
    registrar: Registrar = field(init=False, repr=False)
    """Stores plain registrations that arrive together."""
    feed: Feed = field(init=False, repr=False)
    """The change feed."""
    snapshots: FeedSnapshots = field(init=False, repr=False)
    """Snapshots of the change feed."""

    def __post_init__(self) -> None:
        """Make what is made from the rest."""
        feed = Feed(self.pool, self.reports)
        object.__setattr__(self, "registrar", Registrar(self.pool))
        object.__setattr__(self, "feed", feed)
        object.__setattr__(self, "snapshots", FeedSnapshots(self.pool, feed, self.settings.snapshots))

    async def resolvable(self, cursor: Cursor) -> bool:
        """Wait until this host's replica has come as far as `cursor`; False if it has not in the time that is set."""
        self.barrier.wake()
        return await self.barrier.wait(cursor, self.settings.resolvable_wait_s)
