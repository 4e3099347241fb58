"""The spool of counts: segment files that survive a crash until the collector has put them into the database.

A process's segments follow each other without a gap, and one is written about every minute even when nothing was
counted: where they do not meet, nothing was measured.

What is pending: the files of the directory, and at most one segment in memory that could not be written yet.
Cursor: none, a segment is removed when it is collected. Idempotency: by the segment's id. Security: the addresses of
clients are personal data, so files are readable by the node's own user only.
"""

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec
import orjson
from prometheus_client import CollectorRegistry

from resolver.counting import Outcome
from resolver.metrics import SpoolMetrics

VERSION: Final = 1
_SUFFIX: Final = ".json"
_UNFINISHED: Final = ".tmp"
_UNREADABLE: Final = ".bad"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """When a segment is written (seconds, keys); how much may wait for the disk (keys), for collection (octets).

    `idle_s` is how long one may take in where nothing was counted.
    """

    flush_s: float = 10.0
    idle_s: float = 60.0
    flush_keys: int = 50_000
    held_keys_max: int = 200_000
    octets_max: int = 1 << 30


class Counted(Protocol):
    """What a spool empties: the counts of one process."""

    @property
    def keys(self) -> int:
        """How many things are told apart now: the room they take."""
        ...

    def drain(self) -> list[dict[str, Any]]:
        """Give everything counted since the last time, as it is written."""


Section = Literal["prefixes", "registrations", "effective"]
"""What a segment tells of: lookups by prefix, registrations by prefix, or how soon registrations could be looked up."""


class Latency(msgspec.Struct, frozen=True):
    """Latency of one prefix's lookups in microseconds; the extremes with their second since 1970."""

    count: int
    sum_us: int
    min_us: int
    min_at: int
    max_us: int
    max_at: int


class PrefixCounts(msgspec.Struct, frozen=True):
    """What was counted for one prefix; `prefix` is empty for names of no prefix served here, `sources` too then.

    `day_at` is the first second of the Beijing day it tells of; 0 in old segments, which tell of that they begin in.
    """

    prefix: str
    sources: list[tuple[str, Outcome, int]]
    latency: Latency
    seconds: list[tuple[int, int]]
    faces: dict[str, int]
    day_at: int = 0


class RegistrationCounts(msgspec.Struct, frozen=True):
    """What was measured of requests that registered below one prefix, or anywhere below the node's (`is_node`)."""

    prefix: str
    is_node: bool
    day_at: int
    items: int
    latency: Latency


class EffectiveCounts(msgspec.Struct, frozen=True):
    """How soon registrations of a day could be looked up: `buckets` counts them by time, eight buckets an octave."""

    day_at: int
    count: int
    sum_us: int
    max_us: int
    buckets: list[tuple[int, int]]


class SegmentContent(msgspec.Struct, frozen=True, rename={"from_s": "from", "to_s": "to", "version": "v"}):
    """One segment as it stands in its file. Instants are seconds since 1970."""

    version: Literal[1]
    id: str
    process: str
    from_s: int
    to_s: int
    prefixes: list[PrefixCounts] = []
    registrations: list[RegistrationCounts] = []
    effective: list[EffectiveCounts] = []


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment waiting in `path`; `content.id` is what makes collecting it twice harmless."""

    path: Path
    content: SegmentContent


class Spool:
    """Writes one process's tallies to segments. `run` it as a task and cancel that; then `close`."""

    def __init__(
        self,
        directory: Path,
        tallies: Counted,
        process: str,
        *,
        section: Section = "prefixes",
        clock: Callable[[], float] = time.time,
        limits: SpoolLimits | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._directory = directory
        self._tallies = tallies
        self._process = process
        self._section = section
        self._clock = clock
        self._limits = limits or SpoolLimits()
        self._idle_s = self._limits.idle_s
        self._metrics = SpoolMetrics(registry or CollectorRegistry())
        self._from_s = int(clock())
        self._pending: tuple[str, bytes] | None = None
        self._writing = asyncio.Lock()
        # One thread, so that a writing that was cancelled has ended before the same segment is written again.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._failing = self._dropping = False

    async def run(self, check_s: float = 1.0) -> None:
        """Flush whenever it is time or the tallies are large, until cancelled."""
        loop = asyncio.get_running_loop()
        flush_at = loop.time() + self._limits.flush_s
        while True:
            await asyncio.sleep(min(check_s, max(0.0, flush_at - loop.time())))
            if loop.time() >= flush_at or self._tallies.keys >= self._limits.flush_keys:
                await self.flush()
                flush_at = loop.time() + self._limits.flush_s

    async def flush(self) -> bool:
        """Write what was counted since the last segment; false when the disk refused, and nothing is lost then.

        The segment stays in memory and is the first thing written next time; counting goes on meanwhile.
        """
        async with self._writing:
            if self._pending is None:
                self._pending = self._segment()
            if self._pending is None:
                return True
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._write, *self._pending)
            except OSError as error:
                self._refused(error)
                return False
            self._pending = None
            self._failing = False
            self._metrics.segments.inc()
            return True

    async def close(self) -> None:
        """Flush once more, up to now, and end. What the disk refuses now is lost, and logged."""
        self._idle_s = 0.0
        await self.flush()
        self._thread.shutdown()

    def _segment(self) -> tuple[str, bytes] | None:
        now_s, began_s = int(self._clock()), self._from_s
        counted = self._tallies.drain()
        if not counted and not max(1.0, self._idle_s) <= now_s - began_s:
            return None
        self._from_s = now_s
        name = str(uuid.uuid4())
        content: dict[str, Any] = {"v": VERSION, "id": name, "process": self._process, "from": began_s, "to": now_s}
        return name, orjson.dumps({**content, self._section: counted})

    def _write(self, name: str, octets: bytes) -> None:
        """Put a segment into its file, there whole or not at all, then keep the directory in its bounds."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._directory / (self._process + _UNFINISHED)  # one per process: a crash leaves at most one
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._directory / (name + _SUFFIX))
        _sync_directory(self._directory)
        self._keep_bounds()

    def _keep_bounds(self) -> None:
        """Drop the oldest files beyond the total size: a collector that is away must not fill the disk."""
        files = sorted(_files(self._directory), key=lambda found: found[0])
        total = sum(octets for _, octets, _ in files)
        dropped = 0
        for _, octets, path in files[:-1]:
            if total <= self._limits.octets_max:
                break
            path.unlink(missing_ok=True)
            total -= octets
            dropped += 1
        self._metrics.octets.set(total)
        self._metrics.dropped.inc(dropped)
        if dropped and not self._dropping:
            log.error(
                "the spool %s is over its limit of %d octets: the oldest counts are dropped. Is the registry "
                "process running, and can it reach the database?",
                self._directory,
                self._limits.octets_max,
            )
        self._dropping = bool(dropped)

    def _refused(self, error: OSError) -> None:
        self._metrics.failures.inc()
        if not self._failing:
            log.error("counts cannot be written to %s: %s; they are kept and tried again", self._directory, error)
        self._failing = True
        if self._tallies.keys >= self._limits.held_keys_max:
            self._tallies.drain()
            self._metrics.dropped.inc()
            log.error("counts were dropped: %s has refused them for too long", self._directory)


def read_segments(directory: Path) -> Iterator[Segment]:
    """Yield the finished segments, oldest first. One that cannot be read is set aside as `.bad` and logged.

    Safe beside writers and other collectors: files that vanish meanwhile are passed over.
    """
    for _, _, path in sorted(_files(directory), key=lambda found: found[0]):
        if path.suffix != _SUFFIX:
            continue
        try:
            yield Segment(path, _content.decode(path.read_bytes()))
        except FileNotFoundError:
            continue
        except msgspec.MsgspecError as error:
            aside = path.with_suffix(_UNREADABLE)
            log.error("the segment %s cannot be read (%s) and was set aside as %s", path, error, aside.name)  # noqa: TRY400 - the file is at fault, no traceback helps
            path.replace(aside)


def remove(segment: Segment) -> None:
    """Remove a segment that has been collected; one that is gone already is fine."""
    segment.path.unlink(missing_ok=True)


_content = msgspec.json.Decoder(SegmentContent)


def _files(directory: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield time, octets and path of every file of a spool: segments, and what a crash or a fault left of one."""
    for path in directory.glob("*"):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        yield stat.st_mtime, stat.st_size, path


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
