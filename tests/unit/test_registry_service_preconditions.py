"""If-Match and If-None-Match: which headers mean what, and which are none."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidRequest, PreconditionFailed
from registry.service.preconditions import UNCONDITIONAL, Precondition
from registry.tables.identifiers import Record

AT = datetime(2025, 11, 22, tzinfo=UTC)


def record(version: int) -> Record:
    return Record(1, "hdl:88.118.8/SN1", "88.118.8/SN1", "active", None, None, None, b"[]", version, AT, AT)


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "expected"),
    [
        (None, None, UNCONDITIONAL),
        ('"3"', None, Precondition(frozenset({3}))),
        ('"3","4" , "5"', None, Precondition(frozenset({3, 4, 5}))),
        ('W/"3", "4"', None, Precondition(frozenset({4}))),
        ('"not-ours"', None, Precondition(frozenset())),
        (" * ", None, Precondition(must_exist=True)),
        (None, "*", Precondition(must_be_absent=True)),
    ],
)
def test_headers_become_a_condition(if_match: str | None, if_none_match: str | None, expected: Precondition) -> None:
    assert Precondition.from_headers(if_match, if_none_match) == expected


@pytest.mark.parametrize("bad", ["3", '"3', "", '"3" "4"', '"a"b"', '"3",' * 400 + '"3"'])
def test_what_is_no_list_of_entity_tags_is_refused(bad: str) -> None:
    with pytest.raises(InvalidRequest):
        Precondition.from_headers(bad, None)


@given(st.text(max_size=200))
def test_any_text_is_a_condition_or_refused_and_never_crashes(text: str) -> None:
    for headers in ((text, None), (None, text)):
        with suppress(InvalidRequest):
            Precondition.from_headers(*headers)


@pytest.mark.parametrize(
    ("condition", "fits", "fails"),
    [
        (UNCONDITIONAL, [None, record(1)], []),
        (Precondition(must_be_absent=True), [None], [record(1)]),
        (Precondition(must_exist=True), [record(1)], [None]),
        (Precondition(frozenset({2})), [record(2)], [None, record(1), record(3)]),
        (Precondition(frozenset()), [], [None, record(1)]),
    ],
)
def test_a_condition_holds_or_fails(
    condition: Precondition, fits: list[Record | None], fails: list[Record | None]
) -> None:
    for stored in fits:
        condition.check(stored)
    for stored in fails:
        with pytest.raises(PreconditionFailed):
            condition.check(stored)
