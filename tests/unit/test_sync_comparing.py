"""Comparing two sides by digests finds exactly the rows that differ, with few questions."""

from bisect import bisect_left
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import comparing
from sync.comparing import Comparison, TooDifferent
from sync.digests import ROWS_MAX, Digest, DigestAnswer, Held, HeldRow, KeyRange, RangeDigest


def octets(row: Held) -> bytes:
    return row.key.encode()


class Side:
    """One side's rows; as the collector it answers as the profile says."""

    def __init__(self, rows: Mapping[str, int]) -> None:
        self._rows = sorted((Held(key, ver) for key, ver in rows.items()), key=octets)
        self.questions = 0

    async def digest(self, keys: KeyRange) -> tuple[int, str]:
        return self._digest(self._within(keys))

    async def rows(self, keys: KeyRange) -> list[Held]:
        return self._within(keys)

    async def digests(self, keys: KeyRange, *, depth: int, rows: bool) -> DigestAnswer:
        self.questions += 1
        found = self._within(keys)
        k = min(2**depth, len(found)) if depth else 0
        cuts = [n * len(found) // k for n in range(k + 1)] if k else []
        bounds = [keys.lower, *(found[cut].key for cut in cuts[1:-1]), keys.upper]
        ranges = tuple(
            RangeDigest(*self._digest(found[cuts[n] : cuts[n + 1]]), bounds[n], bounds[n + 1]) for n in range(k)
        )
        listed = tuple(HeldRow(*row) for row in found) if rows and len(found) <= ROWS_MAX else None
        return DigestAnswer(*self._digest(found), keys.lower, keys.upper, ranges, listed)

    def _within(self, keys: KeyRange) -> list[Held]:
        start = 0 if keys.lower is None else bisect_left(self._rows, keys.lower.encode(), key=octets)
        end = len(self._rows) if keys.upper is None else bisect_left(self._rows, keys.upper.encode(), key=octets)
        return self._rows[start:end]

    def _digest(self, rows: list[Held]) -> tuple[int, str]:
        made = Digest()
        made.add(rows)
        return made.count, made.hexadecimal


async def compared(here: Mapping[str, int], there: Mapping[str, int]) -> tuple[dict[str, tuple[int | None, ...]], int]:
    side = Side(there)
    comparison = Comparison(Side(here), side)
    await comparison.make()
    assert comparison.held_there == len(there)
    return {one.key: (one.ver_here, one.ver_there) for one in comparison.found}, side.questions


def truth(here: Mapping[str, int], there: Mapping[str, int]) -> dict[str, tuple[int | None, ...]]:
    return {
        key: (here.get(key), there.get(key)) for key in here.keys() | there.keys() if here.get(key) != there.get(key)
    }


ROWS = st.dictionaries(st.text(min_size=1, max_size=3), st.integers(min_value=1, max_value=3), max_size=30)


@given(here=ROWS, there=ROWS)
async def test_exactly_the_rows_that_differ_are_found(here: dict[str, int], there: dict[str, int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "ROWS_MAX", 2)
        patch.setattr(comparing, "DEPTH", 2)
        found, _ = await compared(here, there)
    assert found == truth(here, there)


async def test_two_differences_among_many_rows_take_few_questions() -> None:
    here = {f"88.118.8/{n:06d}": 1 for n in range(20_000)}
    there = here | {"88.118.8/000007": 2, "88.118.8/019990": 2}
    found, questions = await compared(here, there)
    assert found == {"88.118.8/000007": (1, 2), "88.118.8/019990": (1, 2)}
    assert questions <= 4


async def test_equal_sides_take_one_question() -> None:
    rows = {f"88.118.8/{n}": 1 for n in range(5_000)}
    assert await compared(rows, rows) == ({}, 1)


async def test_everything_missing_there_is_a_list_of_rows_or_a_case_for_a_full_set() -> None:
    here = {f"88.118.8/{n:04d}": 1 for n in range(3_000)}
    found, _ = await compared(here, {})
    assert found == dict.fromkeys(here, (1, None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "DIFFERENCES_MAX", 100)
        with pytest.raises(TooDifferent):
            await compared(here, {})


async def test_ranges_that_do_not_fit_together_are_not_followed() -> None:
    here = {f"88.118.8/{n:04d}": 1 for n in range(5_000)}

    class Crooked(Side):
        async def digests(self, keys: KeyRange, *, depth: int, rows: bool) -> DigestAnswer:
            told = await super().digests(keys, depth=depth, rows=rows)
            return DigestAnswer(told.count, told.sha256, told.lower, told.upper, told.ranges[:-1], told.rows)

    comparison = Comparison(Side(here), Crooked(here | {"88.118.8/x": 1}))
    with pytest.raises(TooDifferent, match="do not make up"):
        await comparison.make()
