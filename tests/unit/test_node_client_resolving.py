"""Grouping codes for requests, and selecting among the values of an answer."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.client.resolving import LOOKUP_OCTETS_MAX, Resolution, codes_in_requests, selected

VALUES = [{"index": n, "type": kind} for n, kind in enumerate(["URL", "url.a", "EMAIL", "URLS"])]
RECORD = Resolution("88.1/a", "found", VALUES)


@given(st.lists(st.text()), st.integers(1, 4))
def test_every_code_is_in_one_request_in_order(codes: list[str], codes_max: int) -> None:
    groups = list(codes_in_requests(codes, codes_max))
    assert [code for group in groups for code in group] == codes
    assert all(0 < len(group) <= codes_max for group in groups)


def test_long_codes_make_requests_that_a_node_still_takes() -> None:
    groups = list(codes_in_requests(["x" * 4_000] * 1_000))
    assert all(sum(map(len, group)) <= LOOKUP_OCTETS_MAX + 4_000 for group in groups)


def test_a_full_request_does_not_wait_for_the_next_code() -> None:
    def one_and_no_more() -> Iterator[str]:
        yield "a"
        raise AssertionError("read on")

    assert next(codes_in_requests(one_and_no_more(), 1)) == ["a"]


@pytest.mark.parametrize(
    ("types", "indexes", "found"),
    [
        ([], [], [0, 1, 2, 3]),
        (["url"], [], [0]),
        (["URL."], [], [0, 1]),
        (["EMAIL"], [3, 9], [2, 3]),
        (["X"], [], []),
    ],
)
def test_values_are_selected_by_type_or_by_index(types: list[str], indexes: list[int], found: list[int]) -> None:
    assert [value["index"] for value in selected(RECORD, types, indexes).values] == found
