"""The collapsing rule of T9: its five lines, and that no way of cutting a history into periods changes the outcome."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.calendar_time import day_period
from sync.plan import plan
from sync.tables.collapse import collapse
from sync.tables.t9 import T9
from sync.tables.table import Draft, Operation, Problem, Reported, Standing

KEY, MIDNIGHT = "88.1.2/A", datetime(2031, 5, 5, 16, tzinfo=UTC)
TODAY = day_period(date(2031, 5, 6))
ADD, DELETE, MODIFY = Operation.ADD, Operation.DELETE, Operation.MODIFY
ABSENT, PRESENT, UNSURE = Standing.ABSENT, Standing.PRESENT, Standing.UNSURE


def change(op: str, ver: int, *, hours: float = 0, problem: Problem | None = None) -> Reported:
    return Reported("88.1.2", KEY, ver, MIDNIGHT + timedelta(hours=hours), op, {"ver": ver}, problem)


def history(ops: str, first_ver: int = 1) -> list[Reported]:
    names = {"c": "create", "u": "update", "w": "withdraw"}
    return [change(names[op], ver) for ver, op in enumerate(ops, start=first_ver)]


def told(drafts: Sequence[Draft]) -> list[tuple[Operation, int]]:
    return [(draft.operation, draft.change.ver) for draft in drafts]


@pytest.mark.parametrize(
    ("standing", "ops", "rows"),
    [
        (ABSENT, "c", [(ADD, 1)]),
        (ABSENT, "cuu", [(ADD, 3)]),
        (ABSENT, "cuw", [(ADD, 2), (DELETE, 3)]),
        (ABSENT, "cw", [(ADD, 1), (DELETE, 2)]),
        (ABSENT, "cwcu", [(ADD, 4)]),
        (ABSENT, "cwcuw", [(ADD, 4), (DELETE, 5)]),
        (ABSENT, "uu", [(ADD, 2)]),
        (ABSENT, "w", []),
        (PRESENT, "u", [(MODIFY, 1)]),
        (PRESENT, "uuu", [(MODIFY, 3)]),
        (PRESENT, "uw", [(DELETE, 2)]),
        (PRESENT, "w", [(DELETE, 1)]),
        (PRESENT, "wc", [(DELETE, 1), (ADD, 2)]),
        (PRESENT, "uwcu", [(DELETE, 2), (ADD, 4)]),
        (PRESENT, "wcw", [(DELETE, 3)]),
        (UNSURE, "uu", [(ADD, 2)]),
        (UNSURE, "uw", [(DELETE, 2)]),
        (UNSURE, "wc", [(DELETE, 1), (ADD, 2)]),
    ],
)
def test_the_rows_for_a_days_changes(standing: Standing, ops: str, rows: list[tuple[Operation, int]]) -> None:
    assert told(collapse(history(ops), standing)) == rows


lives = st.from_regex(r"cu{0,3}(wcu{0,3}){0,3}w?", fullmatch=True)


class Collector:
    """What the contract says a collector does with the rows of one key."""

    def __init__(self) -> None:
        self.ver = 0
        self.live = False

    def take(self, draft: Draft) -> str:
        if draft.change.ver <= self.ver:
            return "stale"
        if not self.live and draft.operation is not ADD:
            return "unknown_identifier"
        self.ver, self.live = draft.change.ver, draft.operation is not DELETE
        return "accepted"


def cuts(ops: str, points: set[int]) -> list[list[Reported]]:
    whole = history(ops)
    edges = [0, *sorted(point for point in points if 0 < point < len(whole)), len(whole)]
    return [whole[start:end] for start, end in pairwise(edges)]


@given(lives, st.sets(st.integers(1, 15)))
def test_however_a_life_is_cut_into_periods_the_collector_ends_with_its_last_state(ops: str, points: set[int]) -> None:
    collector = Collector()
    for period in cuts(ops, points):
        drafts = plan(T9("88.1"), period, {}).periods.get(TODAY, ())
        assert len(drafts) <= 2
        assert [collector.take(draft) for draft in drafts] == ["accepted"] * len(drafts)
    assert collector.live == (ops[-1] != "w")
    assert collector.ver == len(ops)


@given(lives, st.sets(st.integers(1, 15)), st.sets(st.integers(0, 30)))
def test_refused_rows_never_leave_another_state_behind_once_a_later_one_is_taken(
    ops: str, points: set[int], refused: set[int]
) -> None:
    """The collector refuses some rows for their content; from then on what it holds is unsure."""
    collector, standing, number = Collector(), PRESENT, 0
    for period in cuts(ops, points):
        verdicts = []
        for draft in plan(T9("88.1"), period, {KEY: standing}).periods.get(TODAY, ()):
            number += 1
            verdicts.append("format" if number in refused and draft.operation is not DELETE else collector.take(draft))
            assert verdicts[-1] != "stale"
            if verdicts[-1] == "unknown_identifier":
                assert draft.operation is DELETE
        standing = UNSURE if "format" in verdicts else standing
        if verdicts and verdicts[-1] == "accepted":
            assert (collector.ver, collector.live) == (period[-1].ver, period[-1].op != "withdraw")
        if verdicts and verdicts[-1] == "unknown_identifier":
            assert not collector.live


def test_a_day_ends_at_midnight_in_beijing_and_each_day_is_told() -> None:
    changes = [change("create", 1, hours=-2), change("update", 2, hours=-1), change("update", 3, hours=1)]
    periods = plan(T9("88.1"), changes, {}).periods
    assert {(period.start, period.end): told(drafts) for period, drafts in periods.items()} == {
        ("2031-05-04T16:00:00Z", "2031-05-05T16:00:00Z"): [(ADD, 2)],
        ("2031-05-05T16:00:00Z", "2031-05-06T16:00:00Z"): [(MODIFY, 3)],
    }


def test_a_clock_set_back_over_midnight_does_not_turn_the_order_of_a_key_round() -> None:
    changes = [change("create", 1, hours=1), change("withdraw", 2, hours=-1)]
    periods = plan(T9("88.1"), changes, {}).periods
    assert {period: told(drafts) for period, drafts in periods.items()} == {TODAY: [(ADD, 1), (DELETE, 2)]}


def test_an_unfit_addition_is_withheld_and_its_withdrawal_then_is_nothing_to_tell() -> None:
    unfit = Problem("required", "metadata_id", "is missing")
    first = plan(T9("88.1"), [change("create", 1, problem=unfit)], {})
    assert (dict(first.periods), [one.standing for one in first.withheld]) == ({}, [ABSENT])
    assert plan(T9("88.1"), [change("withdraw", 2)], {KEY: ABSENT}).nothing_to_tell == [KEY]
    at_once = plan(T9("88.1"), [change("create", 1, problem=unfit), change("withdraw", 2)], {})
    assert (dict(at_once.periods), at_once.withheld, at_once.nothing_to_tell) == ({}, [], [KEY])


def test_an_unfit_modification_is_withheld_while_the_collector_keeps_the_former_state() -> None:
    unfit = Problem("length", "product_name", "is too long")
    planned = plan(T9("88.1"), [change("update", 2, problem=unfit)], {})
    assert [(one.draft.operation, one.standing) for one in planned.withheld] == [(MODIFY, PRESENT)]
    again = plan(T9("88.1"), [change("update", 3)], {KEY: PRESENT})
    assert [told(drafts) for drafts in again.periods.values()] == [[(MODIFY, 3)]]


def test_a_corrected_addition_is_told_as_an_addition() -> None:
    planned = plan(T9("88.1"), [change("update", 2)], {KEY: ABSENT})
    assert [told(drafts) for drafts in planned.periods.values()] == [[(ADD, 2)]]


def test_a_day_on_which_the_new_state_is_unfit_still_tells_of_the_deletion_before() -> None:
    unfit = Problem("length", "product_name", "is too long")
    planned = plan(T9("88.1"), [change("withdraw", 2), change("create", 3, problem=unfit)], {})
    # The first change is no creation, so the collector holds the key.
    assert [told(drafts) for drafts in planned.periods.values()] == [[(DELETE, 2)]]
    assert [(one.draft.operation, one.standing) for one in planned.withheld] == [(ADD, ABSENT)]


def test_rows_stand_in_the_order_of_each_keys_last_change() -> None:
    def of(key: str, op: str, ver: int) -> Reported:
        return Reported("88.1.2", key, ver, MIDNIGHT, op, {}, None)

    changes = [of("a", "create", 1), of("b", "create", 1), of("c", "withdraw", 2), of("a", "update", 2)]
    (drafts,) = plan(T9("88.1"), changes, {}).periods.values()
    assert [draft.change.key for draft in drafts] == ["b", "c", "a"]
