"""The bytes of a batch, against the contract's own example and with any rows."""

import gzip
import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import body
from sync.batch import Header, Limits, Row

HEADER = (
    b'{"profile":"idn-report/1","batch_id":"0b9f6c1e-3f0a-4a53-9d0e-5f2f3c7b1a10","reporter":"88.999","table":"T9",'
    b'"schema":1,"scope":"88.999.15907","sequence":42,"mode":"delta","period":{"kind":"day",'
    b'"start":"2031-05-05T16:00:00Z","end":"2031-05-06T16:00:00Z"},"requires":[{"table":"T11",'
    b'"scope":"88.999.15907","sequence":7}],"row_count":2,'
    b'"rows_sha256":"c7a612b59b74b2d33baf5693caa039a128ac618e0c39b8ab1965b0a7bd88bd2a",'
    b'"created_at":"2031-05-06T16:10:02Z","producer":"idnode/1.0"}\n'
)
ROWS = (
    '{"n":1,"key":"88.999.15907/PUMP-0007","op":"upsert","ver":1,"at":"2031-05-06T01:02:03Z","data":'
    '{"enterprise_prefix":"88.999.15907","identifier":"88.999.15907/PUMP-0007","created_on":"2031-05-06",'
    '"metadata_id":"88.999.15907/TPL-1","operation_type":1,"product_type":"液压泵","product_name":"轴向柱塞泵 A10",'
    '"manufacturer_name":"示例机械有限公司","produced_at":"2031-05-05"}}\n'
    '{"n":2,"key":"88.999.15907/PUMP-0008","op":"upsert","ver":2,"at":"2031-05-06T01:05:40Z","data":'
    '{"enterprise_prefix":"88.999.15907","identifier":"88.999.15907/PUMP-0008","created_on":"2031-05-06",'
    '"metadata_id":"88.999.15907/TPL-9","operation_type":1,"product_name":"轴向柱塞泵 A11"}}\n'
).encode()

rows = st.builds(
    Row,
    n=st.just(0),
    key=st.text(min_size=1, max_size=40),
    op=st.sampled_from(["upsert", "delete"]),
    ver=st.integers(1, 2**63 - 1),
    at=st.just("2031-05-06T01:02:03Z"),
    data=st.dictionaries(st.text(max_size=5), st.text(max_size=60), max_size=4).map(
        lambda data: msgspec.Raw(msgspec.json.encode(data))
    ),
)


def test_the_digest_of_the_contracts_two_rows_is_the_one_it_prints() -> None:
    assert body.rows_sha256(ROWS) == "c7a612b59b74b2d33baf5693caa039a128ac618e0c39b8ab1965b0a7bd88bd2a"
    assert body.rows_sha256(b"") == hashlib.sha256().hexdigest()


def test_the_contracts_example_is_read_and_written_again_octet_for_octet() -> None:
    header, lines = body.take_apart(HEADER + ROWS)
    assert lines == ROWS
    assert b"".join(body.numbered(body.rows_of(lines))) == ROWS
    assert body.compose(header, lines) == HEADER + ROWS


def test_a_row_without_data_has_no_such_member() -> None:
    row = Row(n=1, key="k", op="delete", ver=1, at="2031-05-06T01:02:03Z")
    assert b'"data"' not in body.row_line(row)


@pytest.mark.parametrize(
    "broken",
    [b"", b"{}", HEADER[:-1], HEADER + b"{}", HEADER.replace(b'"sequence":42', b'"sequence":"42"'), b"[]\n", b"\n"],
    ids=["nothing", "no line end", "cut header", "cut row", "wrong type", "no object", "empty header"],
)
def test_a_body_that_is_not_one_is_refused(broken: bytes) -> None:
    with pytest.raises(body.BodyError):
        body.take_apart(broken)


def test_a_broken_row_is_named_by_its_number() -> None:
    with pytest.raises(body.BodyError, match="row 2"):
        list(body.rows_of(ROWS.splitlines(keepends=True)[0] + b"{}\n"))


@given(st.binary(max_size=2_000))
def test_compressed_content_comes_back_and_is_the_same_each_time(content: bytes) -> None:
    packed = body.compress(content)
    assert body.decompress(packed) == content
    assert body.compress(content) == packed
    assert gzip.decompress(packed) == content


@pytest.mark.parametrize(
    "broken",
    [b"", b"no gzip", gzip.compress(b"x")[:-1], gzip.compress(b"x") + b"y", gzip.compress(bytes(1_001))],
    ids=["nothing", "other data", "cut off", "followed by more", "too large"],
)
def test_damaged_or_overlong_compressed_content_is_refused(broken: bytes) -> None:
    with pytest.raises(body.BodyError):
        body.decompress(broken, octets_max=1_000)


@given(st.lists(rows, max_size=40), st.integers(1, 12), st.integers(1, 60_000))
def test_cutting_keeps_every_row_in_order_and_within_the_limits(told: list[Row], max_rows: int, max_bytes: int) -> None:
    limits = Limits(max_rows=max_rows, max_bytes=max_bytes)
    pieces = list(body.cut(told, limits))
    assert [row for piece in pieces for row in piece] == told
    for piece in pieces:
        lines = b"".join(body.numbered(piece))
        assert 0 < len(piece) <= max_rows
        assert len(piece) == 1 or len(lines) <= max_bytes - body.HEADER_OCTETS_MAX


@given(st.lists(rows, min_size=1, max_size=40), st.integers(1, 12))
def test_no_two_neighbouring_pieces_would_fit_into_one(told: list[Row], max_rows: int) -> None:
    pieces = list(body.cut(told, Limits(max_rows=max_rows)))
    assert all(len(piece) == max_rows for piece in pieces[:-1])


def test_the_longest_header_fits_into_the_room_kept_for_it() -> None:
    header, _ = body.take_apart(HEADER + ROWS)
    long = msgspec.structs.replace(header, requires=header.requires * 64, scope="8" * 64, producer="x" * 64)
    assert isinstance(long, Header)
    assert len(body.compose(long, b"")) < body.HEADER_OCTETS_MAX
