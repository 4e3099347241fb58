import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.bench.copy_format import HEADER, rows_of, stream_of


def encoded(row: list[bytes | None]) -> bytes:
    fields = (b"\xff\xff\xff\xff" if field is None else struct.pack(">i", len(field)) + field for field in row)
    return struct.pack(">h", len(row)) + b"".join(fields)


@given(st.lists(st.lists(st.none() | st.binary(max_size=9), max_size=5), max_size=9))
def test_rows_come_out_as_they_went_in(rows: list[list[bytes | None]]) -> None:
    octets = [encoded(row) for row in rows]
    assert rows_of(stream_of(octets)) == octets


def test_a_stream_broken_off_anywhere_is_an_error() -> None:
    whole = stream_of([encoded([b"a", None]), encoded([b"bc"])])
    for place in range(len(whole) - 1):
        with pytest.raises(ValueError, match="COPY's binary form"):
            rows_of(whole[:place])


def test_what_is_not_a_stream_is_an_error() -> None:
    with pytest.raises(ValueError, match="not COPY's binary form"):
        rows_of(HEADER[:-4] + b"\x00\x00\x00\x04" + bytes(6))
