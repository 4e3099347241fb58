"""How much of a day was measured: from the stretches in which each process says that it counted. Pure."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import NamedTuple


class Stretch(NamedTuple):
    """A process, such as `worker-0`, counted everything it did between two instants."""

    process: str
    begin: datetime
    end: datetime


class _Gap(NamedTuple):
    begin: datetime
    end: datetime


def measured_seconds(stretches: Sequence[Stretch], kinds: Collection[str], start: datetime, end: datetime) -> int:
    """Return the whole seconds between two instants in which nothing that happened can have gone uncounted.

    That is all of them but those in which no process of one of the `kinds` counted, and those between two stretches
    of a process that do not meet: it may have answered there before it died. A kind is a process's name without its
    number. The stretches are in the order of process and begin.
    """
    gaps: list[_Gap] = []
    for kind in kinds:
        of_kind = [stretch for stretch in stretches if stretch.process.partition("-")[0] == kind]
        gaps += _uncovered(sorted(of_kind, key=lambda stretch: stretch.begin), start, end)
        for _, own in groupby(of_kind, key=lambda stretch: stretch.process):
            gaps += (_Gap(one.end, next_.begin) for one, next_ in pairwise(own))
    lost = sum((gap.end - gap.begin).total_seconds() for gap in _merged(gaps, start, end))
    return int((end - start).total_seconds() - lost)


def _uncovered(stretches: Sequence[Stretch], start: datetime, end: datetime) -> Iterator[_Gap]:
    reached = start
    for stretch in stretches:
        if stretch.begin > reached:
            yield _Gap(reached, stretch.begin)
        reached = max(reached, stretch.end)
    yield _Gap(reached, end)


def _merged(gaps: Sequence[_Gap], start: datetime, end: datetime) -> Iterator[_Gap]:
    """Yield the gaps within the bounds, each instant in one of them only."""
    reached = start
    for gap in sorted(gaps):
        begin, until = max(gap.begin, reached), min(gap.end, end)
        if until > begin:
            yield _Gap(begin, until)
            reached = until
