"""The stream of a batch: lines are the same however the octets are cut, numbers count, limits hold."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import TooLarge
from registry.service import batch
from registry.service.batch_answers import Answers, Rejection, RowAnswer
from registry.service.batch_rows import LINE_OCTETS_MAX, Row, read_line

LINE = b'{"identifier":"88.118.8/sn1","values":[{"index":1,"type":"URL","data":"x"}]}'


async def cut(body: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    places = sorted({0, len(body), *(place % (len(body) + 1) for place in cuts)})
    for start, end in pairwise(places):
        yield body[start:end]


def lines_of(body: bytes, cuts: list[int]) -> list[tuple[int, bytes | None]]:
    async def read() -> list[tuple[int, bytes | None]]:
        return [line async for found in batch._lines(cut(body, cuts)) for line in found]

    return asyncio.run(read())


@given(
    st.lists(st.sampled_from([b"", b" ", b"a", b"\r", b'{"x":1}', b"\xff", b"x" * 50]), max_size=12),
    st.booleans(),
    st.lists(st.integers(0, 1000), max_size=10),
)
def test_lines_and_their_numbers_do_not_depend_on_how_the_stream_is_cut(
    lines: list[bytes],
    ended: bool,  # noqa: FBT001 - drawn, not called
    cuts: list[int],
) -> None:
    body = b"\n".join(lines) + (b"\n" if ended else b"")
    expected = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    assert lines_of(body, cuts) == expected


@pytest.mark.parametrize("cuts", [[], [1], [LINE_OCTETS_MAX, LINE_OCTETS_MAX + 1], list(range(0, 3_000_000, 100_000))])
def test_only_the_line_that_is_too_long_is_left_out(cuts: list[int]) -> None:
    long = b"x" * (LINE_OCTETS_MAX + 1)
    body = b"\n".join([b"a", long, b"b" * LINE_OCTETS_MAX, long])
    assert lines_of(body, cuts) == [(1, b"a"), (2, None), (3, b"b" * LINE_OCTETS_MAX), (4, None)]


def test_rows_up_to_the_limit_are_given_before_the_stream_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "ROWS_MAX", 3)
    seen = []

    async def read() -> None:
        async for found in batch._lines(cut(b"1\n2\n3\n4\n5\n", [4])):
            seen.extend(found)

    with pytest.raises(TooLarge):
        asyncio.run(read())
    assert [number for number, _ in seen] == [1, 2, 3]


def test_a_well_formed_line_becomes_a_row_ready_to_store() -> None:
    row = read_line(7, LINE, 1_763_846_400, None)
    assert row == Row(
        line=7,
        prefix="88.118.8",
        key="hdl:88.118.8/SN1",
        spelling="88.118.8/sn1",
        shown=b'"88.118.8/sn1"',
        values=b'[{"index":1,"type":"URL","data":{"format":"string","value":"x"},"ttl":86400,'
        b'"timestamp":"2025-11-22T21:20:00Z"}]',
    )


@given(st.binary(max_size=200))
def test_no_line_makes_reading_fail_otherwise_than_by_a_rejection(line: bytes) -> None:
    found = read_line(1, line, 0, None)
    assert isinstance(found, Row | Rejection)


@given(st.text(max_size=300), st.text(max_size=500))
def test_an_answer_is_one_line_whatever_the_client_sent(name: str, message: str) -> None:
    answers = Answers()
    answers.reject(Rejection(3, name, "bad_row", "identifier", message))
    encoded = answers.lines()
    assert encoded.endswith(b"\n")
    assert encoded.count(b"\n") == 1
    assert len(encoded) < 5_000


def test_a_plain_answer_is_encoded_as_the_general_one() -> None:
    answers = Answers()
    answers.give(5, b'"88.118.8/\\"x"', "created")
    assert msgspec.json.encode(RowAnswer(5, '88.118.8/"x', "created")) + b"\n" == answers.lines()
    assert answers.counts == {"created": 1}
