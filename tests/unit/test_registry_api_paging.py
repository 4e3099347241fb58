"""Cursors and limits of lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.api.paging import read_cursor, read_limit, write_cursor
from registry.errors import InvalidRequest


@given(st.text(), st.text(min_size=1, max_size=500))
def test_a_cursor_brings_back_its_position(scope: str, position: str) -> None:
    assert read_cursor(scope, write_cursor(scope, position)) == position


@given(st.text(min_size=1, max_size=50), st.data())
def test_a_changed_cursor_is_refused(position: str, data: st.DataObject) -> None:
    cursor = write_cursor("list", position)
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters())
    changed = cursor[:at] + other + cursor[at + 1 :]
    # The last character carries bits that mean nothing, so another one may stand for the same octets.
    if at < len(cursor) - 1 and other != cursor[at]:
        with pytest.raises(InvalidRequest):
            read_cursor("list", changed)


@given(st.text(max_size=100))
def test_no_text_but_a_cursor_is_taken_for_one(text: str) -> None:
    if text:
        with pytest.raises(InvalidRequest):
            read_cursor("list", text)


def test_a_cursor_belongs_to_its_list() -> None:
    with pytest.raises(InvalidRequest):
        read_cursor("templates", write_cursor("prefixes", "88.118.8"))


def test_a_cursor_has_a_length() -> None:
    with pytest.raises(InvalidRequest):
        read_cursor("list", write_cursor("list", "x" * 4_000))


def test_without_cursor_and_limit_a_list_begins_with_a_hundred() -> None:
    assert (read_cursor("list", None), read_cursor("list", ""), read_limit(None)) == ("", "", 100)


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("1000", 1000), ("007", 7)])
def test_a_limit_is_a_number(text: str, limit: int) -> None:
    assert read_limit(text) == limit


@pytest.mark.parametrize("text", ["0", "1001", "-1", "1.0", "", " 1", "١", "9" * 5000])
def test_a_limit_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_limit(text)
