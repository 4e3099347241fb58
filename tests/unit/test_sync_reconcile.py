"""Comparing both sides' sequences: the cases of 9.8."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.batch import StreamState, Unknown
from sync.reconcile import compare

MINE, FOREIGN = uuid4(), uuid4()


def at(sequence: int, batch_id: object = FOREIGN) -> StreamState:
    return StreamState(table="T9", scope="88.1.2", last_sequence=sequence, last_batch_id=batch_id)  # type: ignore[arg-type]


def test_both_at_the_same_sequence_go_on() -> None:
    assert compare(7, MINE, at(7)).verdict == "go_on"
    assert compare(7, None, at(7)).verdict == "go_on"


def test_a_stream_nobody_has_used_goes_on_from_the_beginning() -> None:
    assert compare(0, None, Unknown()).verdict == "go_on"
    assert compare(0, MINE, Unknown()).verdict == "go_on"


def test_our_batch_that_arrived_unacknowledged_needs_only_its_receipt() -> None:
    assert compare(7, MINE, at(8, MINE)).verdict == "fetch_receipt"


def test_a_collector_that_lost_data_gets_it_again_from_where_it_stands() -> None:
    comparison = compare(7, MINE, at(4))
    assert (comparison.verdict, comparison.from_sequence) == ("send_again", 5)


def test_a_collector_that_forgot_the_stream_gets_everything_again() -> None:
    comparison = compare(7, None, Unknown())
    assert (comparison.verdict, comparison.from_sequence) == ("send_again", 1)


@pytest.mark.parametrize("in_flight", [None, MINE])
def test_a_foreign_batch_in_our_place_halts_the_stream(in_flight: object) -> None:
    comparison = compare(7, in_flight, at(8))  # type: ignore[arg-type]
    assert comparison.verdict == "halt"
    assert "8" in comparison.reason


def test_a_collector_further_ahead_than_we_ever_were_halts_the_stream() -> None:
    assert compare(7, MINE, at(9, MINE)).verdict == "halt"


@given(st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_nothing_is_ever_sent_over_what_the_collector_holds(ours: int, theirs: int, unanswered: bool) -> None:  # noqa: FBT001
    comparison = compare(ours, MINE if unanswered else None, at(theirs))
    if theirs > ours:
        assert comparison.verdict == "halt"
    if comparison.verdict == "send_again":
        assert comparison.from_sequence == theirs + 1 <= ours
