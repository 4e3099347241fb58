"""Finds the rows that two sides do not hold alike, by asking for digests of ever smaller ranges of keys.

A range whose count and digest agree is done. One that differs is asked for again in parts, and, once both sides hold
few enough rows in it, row by row: n differences among m rows take about n · log(m) / depth questions.
"""

from itertools import pairwise
from typing import Final, Protocol

from sync.digests import DEPTH_MAX, ROWS_MAX, DigestAnswer, Held, KeyRange, RangeDigest
from sync.outbox.comparisons import Difference

DIFFERENCES_MAX: Final = 100_000
"""More than this is no case for single rows; a full set is."""
QUESTIONS_MAX: Final = 20_000
DEPTH: Final = min(6, DEPTH_MAX)


class TooDifferent(Exception):  # noqa: N818 - says what was found, as its name does
    """The two sides differ in so much that a full set is the way."""


class Here(Protocol):
    """Our side."""

    async def digest(self, keys: KeyRange) -> tuple[int, str]:
        """Return count and digest of a range."""
        ...

    async def rows(self, keys: KeyRange) -> list[Held]:
        """Return the rows of a small range in order."""
        ...


class There(Protocol):
    """The collector's side."""

    async def digests(self, keys: KeyRange, *, depth: int, rows: bool) -> DigestAnswer:
        """Ask what is held within these keys."""
        ...


class Comparison:
    """One comparison of all rows of a stream. `held_there` is known once it is made."""

    def __init__(self, here: Here, there: There) -> None:
        self._here = here
        self._there = there
        self._questions = 0
        self.held_there = 0
        self.found: list[Difference] = []

    async def make(self) -> None:
        """Fill `found`. Raises TooDifferent, and what either side raises."""
        whole = await self._ask(KeyRange(), depth=0, rows=False)
        self.held_there = whole.count
        todo = [] if await self._is_equal(whole) else [(KeyRange(), whole.count)]
        while todo:
            keys, count_there = todo.pop()
            count_here, _ = await self._here.digest(keys)
            if count_there <= ROWS_MAX and count_here <= DIFFERENCES_MAX:
                await self._row_by_row(keys)
            else:
                todo += await self._parts(keys, count_there)

    async def _parts(self, keys: KeyRange, count_there: int) -> list[tuple[KeyRange, int]]:
        """Return the parts of a range that differ, with the collector's counts."""
        if count_there <= 1:
            # The collector cannot divide what it does not hold; all here is ours alone.
            raise TooDifferent("this side holds far more rows than the collector")
        answer = await self._ask(keys, depth=DEPTH, rows=False)
        if not answer.ranges:
            raise TooDifferent("the collector does not divide the range")
        self._check(keys, answer.ranges)
        return [
            (KeyRange(part.lower, part.upper), part.count) for part in answer.ranges if not await self._is_equal(part)
        ]

    async def _row_by_row(self, keys: KeyRange) -> None:
        answer = await self._ask(keys, depth=0, rows=True)
        if answer.rows is None:
            raise TooDifferent("the collector does not show the rows of a small range")
        there = {row.key: row.ver for row in answer.rows}
        here = {row.key: row.ver for row in await self._here.rows(keys)}
        for key in sorted(here.keys() | there.keys()):
            if here.get(key) != there.get(key):
                self.found.append(Difference(key, here.get(key), there.get(key)))
        if len(self.found) > DIFFERENCES_MAX:
            raise TooDifferent(f"more than {DIFFERENCES_MAX} rows differ")

    async def _is_equal(self, told: RangeDigest | DigestAnswer) -> bool:
        return (told.count, told.sha256) == await self._here.digest(KeyRange(told.lower, told.upper))

    async def _ask(self, keys: KeyRange, *, depth: int, rows: bool) -> DigestAnswer:
        self._questions += 1
        if self._questions > QUESTIONS_MAX:
            raise TooDifferent(f"more than {QUESTIONS_MAX} questions would be needed")
        answer = await self._there.digests(keys, depth=depth, rows=rows)
        # The bounds asked for count, not those repeated: a collector that mixes them up must not lead us astray.
        return DigestAnswer(answer.count, answer.sha256, keys.lower, keys.upper, answer.ranges, answer.rows)

    def _check(self, keys: KeyRange, ranges: tuple[RangeDigest, ...]) -> None:
        """Raise TooDifferent unless the parts make up the range and each is smaller than it."""
        bounds = [part.lower for part in ranges] + [ranges[-1].upper]
        inner = bounds[1:-1]
        joined = all(one.upper == behind.lower for one, behind in pairwise(ranges))
        ordered = all(bound is not None for bound in inner) and inner == sorted(set(inner), key=_octets)
        if len(ranges) == 1 or not joined or not ordered or (bounds[0], bounds[-1]) != keys:
            raise TooDifferent("the collector's ranges do not make up what was asked for")


def _octets(key: str | None) -> bytes:
    return (key or "").encode()
