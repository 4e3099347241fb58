"""Cutting a file's records into chunks."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from node.client import chunks
from node.client.chunks import in_chunks
from node.client.readers.record import Reject, Row


def row(line: int, body: bytes = b"{}") -> Row:
    return Row(line, f"88.1/a{line}", body, [])


def reject(line: int) -> Reject:
    return Reject(line, "", "", "", [])


@given(st.lists(st.booleans()), st.integers(1, 5))
def test_every_record_is_in_exactly_one_chunk_in_the_order_of_the_file(good: list[bool], rows_max: int) -> None:
    records = [row(n) if is_good else reject(n) for n, is_good in enumerate(good)]
    cut = list(in_chunks(records, rows_max))
    assert [len(chunk.rows) + len(chunk.rejects) for chunk in cut[:-1]] == [rows_max] * (len(cut) - 1)
    assert all(0 < chunk.records <= rows_max for chunk in cut)
    lines = [sorted([row.line for row in chunk.rows] + [reject.line for reject in chunk.rejects]) for chunk in cut]
    assert [line for chunk in lines for line in chunk] == [record.line for record in records]


def test_a_chunk_of_large_records_is_closed_early_and_reads_no_further_than_needed() -> None:
    taken = []

    def large() -> Iterator[Row]:
        for n in range(100):
            taken.append(n)
            yield row(n, b"x" * (chunks.CHUNK_OCTETS_MAX // 4))

    assert next(in_chunks(large(), 1000)).records == 4
    assert len(taken) == 4


def test_chunks_that_may_name_the_same_identifier_are_known_by_it() -> None:
    (one,) = in_chunks([Row(2, "88.1/abc", b"", [])], 10)
    (same,) = in_chunks([Row(3, "88.1/ABC", b"", [])], 10)
    (other,) = in_chunks([Row(4, "88.1/abd", b"", [])], 10)
    assert one.shares_a_key_with(same)
    assert not one.shares_a_key_with(other)
