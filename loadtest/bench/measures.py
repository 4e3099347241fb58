"""What is measured, what it has to reach, and what came of it."""

from __future__ import annotations

from statistics import median
from typing import Literal

import msgspec

Verdict = Literal["aim reached", "reached", "missed", "not measured"]


class Measure(msgspec.Struct, frozen=True):
    """One line of the bench; `aim` is None where reaching is all there is."""

    name: str
    title: str
    to_reach: float
    aim: float | None
    unit: str = ""
    higher_is_better: bool = True

    def verdict(self, value: float | None) -> Verdict:
        """Return how a value stands to what is asked."""
        if value is None:
            return "not measured"
        if self.aim is not None and self._meets(value, self.aim):
            return "aim reached"
        return "reached" if self._meets(value, self.to_reach) else "missed"

    def _meets(self, value: float, wanted: float) -> bool:
        return value >= wanted if self.higher_is_better else value <= wanted


LOOKUP_THROUGHPUT = Measure("lookup-throughput", "lookups per second ÷ nginx's constant", 0.85, 1.0)
LOOKUP_CPU = Measure("lookup-cpu", "server CPU per lookup ÷ nginx's", 1.7, 1.25, higher_is_better=False)
AIOHTTP_THROUGHPUT = Measure("aiohttp-throughput", "lookups per second ÷ aiohttp with a dict", 3.0, 4.0)
GROWTH = Measure("growth", "lookups per second at the large number of records ÷ at the small one", 0.9, 1.0)
TAIL = Measure("tail", "p99 at half of the capacity, open loop ÷ nginx's", 2.0, 1.0, higher_is_better=False)
BULK_IMPORT = Measure("bulk-import", "records per second through the API ÷ raw COPY of the same rows", 0.35, 0.7)
REGISTER = Measure("register", "register → resolvable, p99", 100.0, 20.0, "ms", higher_is_better=False)
MEMORY = Measure(
    "memory", "resident memory of a worker, without the replica's map", 80.0, None, "MB", higher_is_better=False
)
SINGLES = Measure("single-registrations", "single registrations per second, 16 connections", 2000.0, None, "/s")
SNMS_BATCH = Measure(
    "snms-batch", "records per second through SNMS batchCreate, 1,500 a call, 4 callers", 20_000.0, None, "/s"
)
SEARCH = Measure("search", "search by value among many records, p95", 50.0, None, "ms", higher_is_better=False)
BESIDE = Measure(
    "lookups-beside-writes",
    "server CPU per lookup at half load beside registrations and batches ÷ beside a computing process",
    1.1,
    None,
    higher_is_better=False,
)
BESIDE_REPORTS = Measure(
    "lookups-beside-reports",
    "server CPU per lookup at half load beside reports to a national node ÷ beside a computing process",
    1.1,
    None,
    higher_is_better=False,
)
HANDLE_UDP_CPU = Measure(
    "handle-udp-cpu", "server CPU per look-up over Handle UDP ÷ over HTTP", 1.0, 0.7, higher_is_better=False
)
HANDLE_TCP = Measure("handle-tcp", "look-ups per second over Handle TCP ÷ over HTTP", 0.9, 1.3)
HANDLE_CREATE = Measure("handle-create", "creates per second over Handle TCP in a session", 2000.0, 5000.0, "/s")
REPORTS = Measure("reports", "identifiers per second reported to a national node on this machine", 10_000.0, None, "/s")

MEASURES = {
    measure.name: measure
    for measure in (
        LOOKUP_THROUGHPUT,
        LOOKUP_CPU,
        AIOHTTP_THROUGHPUT,
        GROWTH,
        TAIL,
        BULK_IMPORT,
        REGISTER,
        MEMORY,
        SINGLES,
        SNMS_BATCH,
        SEARCH,
        BESIDE,
        BESIDE_REPORTS,
        HANDLE_UDP_CPU,
        HANDLE_TCP,
        HANDLE_CREATE,
        REPORTS,
    )
}


class Outcome(msgspec.Struct, frozen=True):
    """What a measure came to: the value that is judged, the rounds behind it, and the figures they were made of."""

    measure: str
    value: float | None
    rounds: list[float] = []
    figures: dict[str, float] = {}
    note: str = ""
    failed: bool = False

    @property
    def verdict(self) -> Verdict:
        """How the value stands to what is asked."""
        return MEASURES[self.measure].verdict(self.value)


def ratio(
    measure: Measure, ours: list[float], theirs: list[float], figures: dict[str, float], note: str = ""
) -> Outcome:
    """Return the outcome of interleaved rounds: the medians' ratio, with each round's own ratio as the spread."""
    rounds = [round(mine / other, 4) for mine, other in zip(ours, theirs, strict=True)]
    return Outcome(measure.name, round(median(ours) / median(theirs), 4), rounds, figures, note)


def not_measured(measure: Measure, reason: str, *, failed: bool = False) -> Outcome:
    """Return the outcome of a measure that was not taken: for want of a peer, or because something `failed`."""
    return Outcome(measure.name, None, note=reason, failed=failed)
