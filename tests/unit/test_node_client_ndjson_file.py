"""Reading NDJSON: exported records keep their values to the octet, flat objects become values."""

from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identifiers.gtin import parse_gtin
from node.client.readers.ndjson_file import NdjsonFile, open_ndjson
from node.client.readers.record import RECORD_CHARS_MAX, ReadError, Reject, Row
from node.client.readers.table import Mould, TemplateItem

MOULD = Mould("88.118.8")
one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "products.ndjson"


def read(path: Path, content: bytes | str, mould: Mould = MOULD) -> list[Row | Reject]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = NdjsonFile(path, mould)
    try:
        return list(source)
    finally:
        source.close()


def only_row(records: list[Row | Reject]) -> Row:
    (row,) = records
    assert isinstance(row, Row)
    return row


def only_reject(records: list[Row | Reject]) -> Reject:
    (reject,) = records
    assert isinstance(reject, Reject)
    return reject


def test_an_exported_record_keeps_its_name_and_its_values_to_the_octet(file: Path) -> None:
    values = '[ {"index":1,"type":"URL","data":{"format":"string","value":"https://x\\u002f"},"ttl":60} ]'
    row = only_row(read(file, f'{{"values":{values}, "identifier":"88.118.8/a","version":3}}\n'))
    assert row.identifier == "88.118.8/a"
    assert row.body == f'{{"identifier":"88.118.8/a","values":{values}}}'.encode()


@pytest.mark.parametrize(
    ("more", "template"), [("", None), (',"template":"t1"', "t1"), (',"template":null', None), (',"template":""', None)]
)
def test_an_exported_record_keeps_its_template(file: Path, more: str, template: str | None) -> None:
    assert only_row(read(file, f'{{"identifier":"88.118.8/a","values":[]{more}}}\n')).template == template
    assert only_reject(read(file, '{"identifier":"88.118.8/a","values":[],"template":1}\n')).code == "bad_json"


def test_a_member_that_occurs_twice_is_refused_and_its_name_in_a_text_is_not(file: Path) -> None:
    reject = only_reject(read(file, '{"id":"a","name":"x","id":"b"}\n'))
    assert (reject.code, "'id' occurs twice" in reject.reason) == ("bad_json", True)
    assert only_row(read(file, '{"id":"a","name":"id","text":"\\"id\\""}\n')).identifier == "88.118.8/a"


def test_an_exported_record_of_another_prefix_is_refused(file: Path) -> None:
    reject = only_reject(read(file, '{"identifier":"88.118.80/a","values":[]}\n'))
    assert (reject.column, reject.code) == ("identifier", "bad_prefix")


@one_file
@given(
    st.lists(st.tuples(st.text(max_size=5), st.integers(-(2**63), 2**64 - 1) | st.booleans() | st.none()), max_size=5),
)
def test_members_of_flat_objects_become_values(file: Path, cells: list[tuple[str, int | bool | None]]) -> None:
    lines = [{"id": f"SN{n}", "name": name, "size": size} for n, (name, size) in enumerate(cells)]
    records = read(file, b"\n\n".join(map(orjson.dumps, lines)))
    assert [record.line for record in records] == [1 + 2 * n for n in range(len(lines))]
    for record, members in zip(records, lines, strict=True):
        assert isinstance(record, Row)
        texts = [("id", members["id"]), ("name", members["name"]), ("size", _spelt(members["size"]))]
        assert orjson.loads(record.body) == {
            "identifier": f"88.118.8/{members['id']}",
            "values": [{"index": 2000 + n, "type": t, "data": d} for n, (t, d) in enumerate(texts) if d],
        }


def _spelt(value: object) -> str:
    return "" if value is None else orjson.dumps(value).decode()


def test_numbers_stay_as_they_are_spelt(file: Path) -> None:
    row = only_row(read(file, '{"id":9521234000006,"ratio":1.10,"big":123456789012345678901234567890}\n'))
    assert row.identifier == "88.118.8/9521234000006"
    assert [value["data"] for value in orjson.loads(row.body)["values"]] == [
        "9521234000006",
        "1.10",
        "123456789012345678901234567890",
    ]


def test_indexes_follow_the_order_in_which_the_file_first_names_its_members(file: Path) -> None:
    records = read(file, '{"id":"a","x":"1"}\n{"y":"2","id":"b"}\n{"id":"c","x":"1","y":"2"}\n')
    values = [orjson.loads(record.body)["values"] for record in records if isinstance(record, Row)]
    assert [[(v["index"], v["type"]) for v in record] for record in values] == [
        [(2000, "id"), (2001, "x")],
        [(2002, "y"), (2000, "id")],
        [(2000, "id"), (2001, "x"), (2002, "y")],
    ]


@pytest.mark.parametrize(
    ("line", "column", "code"),
    [
        (b"not json", "", "bad_json"),
        (b"[1]", "", "bad_json"),
        (b'{"id":"a"} {}', "", "bad_json"),
        (b'{"id":"\xff"}', "", "bad_encoding"),
        (b'{"id":"a","x":{"y":1}}', "x", "not_flat"),
        (b'{"id":""}', "id", "empty"),
        (b'{"id":null,"x":"1"}', "id", "empty"),
        (b"{}", "id", "empty"),
        (b'{"id":"a","":"1"}', "", "bad_type"),
        (b"[" * 100_000, "", "bad_json"),
        (b'{"identifier":7,"values":[]}', "", "bad_json"),
    ],
)
def test_a_line_that_is_no_record_is_refused_with_its_reason(file: Path, line: bytes, column: str, code: str) -> None:
    good, bad, other = read(file, b'{"id":"first"}\n' + line + b'\n{"id":"last"}\n')
    assert isinstance(good, Row)
    assert isinstance(other, Row)
    assert isinstance(bad, Reject)
    assert (bad.line, bad.column, bad.code) == (2, column, code)
    assert bad.cells[0].encode("utf-8", "surrogateescape") == line


@one_file
@given(st.binary(max_size=100))
def test_no_content_makes_the_reader_fail(file: Path, content: bytes) -> None:
    lines = [record.line for record in read(file, content)]
    assert lines == sorted(set(lines))


def test_a_line_beyond_all_bounds_is_refused_and_the_next_is_read(file: Path) -> None:
    long, short = read(file, b'{"id":"' + b"x" * (2 * RECORD_CHARS_MAX) + b'"}\n{"id":"a"}\n')
    assert isinstance(long, Reject)
    assert (long.line, long.code) == (1, "too_long")
    assert isinstance(short, Row)
    assert short.line == 2


def test_a_byte_order_mark_is_dropped(file: Path) -> None:
    assert only_row(read(file, '\ufeff{"id":"a"}\n')).identifier == "88.118.8/a"


def test_the_identifier_is_checked_by_its_scheme_in_both_forms(file: Path) -> None:
    mould = Mould("88.118.8", id_column="gtin", check=parse_gtin)
    records = read(file, '{"name":"a","gtin":"95212340"}\n{"gtin":"95212341"}\n', mould)
    assert isinstance(records[0], Row)
    assert isinstance(records[1], Reject)
    assert (records[1].column, records[1].code) == ("gtin", "bad_check_digit")
    reject = only_reject(read(file, '{"identifier":"88.118.8/95212341","values":[]}\n', mould))
    assert reject.code == "bad_check_digit"


def test_a_template_gives_the_indexes_and_types_and_refuses_what_it_does_not_know(file: Path) -> None:
    mould = Mould("88.118.8", items={"name": TemplateItem(2100, "product_name")})
    row, reject = read(file, '{"id":"a","name":"Pump"}\n{"id":"b","colour":"red"}\n', mould)
    assert isinstance(row, Row)
    assert orjson.loads(row.body)["values"] == [{"index": 2100, "type": "product_name", "data": "Pump"}]
    assert isinstance(reject, Reject)
    assert (reject.column, reject.code) == ("colour", "unknown_item")


def test_another_encoding_than_utf_8_is_refused_at_once(file: Path) -> None:
    file.write_bytes(b"{}")
    with pytest.raises(ReadError, match="always UTF-8"):
        open_ndjson(file, MOULD, "gb18030")
