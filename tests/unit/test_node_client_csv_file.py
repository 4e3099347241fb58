"""Reading delimited text: what stands in the file is what becomes a record, or a reject that says why not."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identifiers.gtin import parse_gtin
from node.client.readers.csv_file import CsvFile, sniff_delimiter
from node.client.readers.record import RECORD_CHARS_MAX, ReadError, Reject, Row
from node.client.readers.table import Mould

MOULD = Mould("88.118.8")
SAMPLE = Path(__file__).parent.parent / "data" / "products-sample.csv"

nasty_text = st.text(st.sampled_from("a,;\t\"'\r\n 泵\u2028\x00\x1f\ufeff"), max_size=8) | st.text(max_size=8)
identifier_text = st.text(st.sampled_from('ab",\n泵 '), max_size=5).map(lambda text: "S" + text)
one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(
    path: Path, content: bytes | str, mould: Mould = MOULD, encoding: str | None = None, delimiter: str | None = None
) -> list[Row | Reject]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = CsvFile(path, mould, encoding, delimiter)
    try:
        return list(source)
    finally:
        source.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "products.csv"


def rows_and_rejects(records: Sequence[Row | Reject]) -> tuple[list[Row], list[Reject]]:
    return [r for r in records if isinstance(r, Row)], [r for r in records if isinstance(r, Reject)]


@one_file
@given(
    rows=st.lists(st.tuples(identifier_text, nasty_text, nasty_text), max_size=6),
    delimiter=st.sampled_from(",;\t"),
    form=st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_ALL)]),
)
def test_any_text_written_as_csv_is_read_back_with_the_line_on_which_its_record_starts(
    file: Path, rows: list[tuple[str, str, str]], delimiter: str, form: tuple[str, Literal[0, 1]]
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=form[0], quoting=form[1])
    writer.writerow(("id", "name", "note"))
    lines = []
    for row in rows:
        lines.append(1 + len(re.findall(r"\r\n|\r|\n", text.getvalue())))
        writer.writerow(row)

    records = read(file, text.getvalue(), delimiter=delimiter)

    assert [record.line for record in records] == lines
    for record, (suffix, name, note) in zip(records, rows, strict=True):
        assert isinstance(record, Row)
        assert record.cells == [suffix, name, note]
        expected = [(2000, "id", suffix), (2001, "name", name), (2002, "note", note)]
        assert orjson.loads(record.body) == {
            "identifier": f"88.118.8/{suffix.strip()}",
            "values": [{"index": i, "type": t, "data": data} for i, t, data in expected if data],
        }


@one_file
@given(content=st.binary(max_size=200) | st.text(st.sampled_from('a",\n\r;')).map(str.encode))
def test_no_content_makes_the_reader_fail_in_any_way_but_its_own(file: Path, content: bytes) -> None:
    try:
        records = read(file, b"id,name\n" + content)
    except ReadError:
        return
    lines = [record.line for record in records]
    assert lines == sorted(set(lines))


def test_a_byte_order_mark_and_semicolons_as_spreadsheets_write_them_are_understood(file: Path) -> None:
    (row,) = read(file, "\ufeffid;name\r\nSN1;Pump, small\r\n")
    assert isinstance(row, Row)
    assert orjson.loads(row.body)["values"] == [
        {"index": 2000, "type": "id", "data": "SN1"},
        {"index": 2001, "type": "name", "data": "Pump, small"},
    ]


@pytest.mark.parametrize("mark", [None, "utf-8"])
def test_the_mark_is_no_part_of_the_first_name(file: Path, mark: str | None) -> None:
    file.write_bytes("\ufeffid\nSN1\n".encode())
    source = CsvFile(file, MOULD, mark)
    assert source.columns == ("id",)
    source.close()


@pytest.mark.parametrize(("encoding", "asked"), [("gb18030", "gb18030"), ("utf-16", None), ("utf-16-le", "utf-16-le")])
def test_other_encodings_are_read(file: Path, encoding: str, asked: str | None) -> None:
    (row,) = read(file, "id,名称\nSN1,离心泵\n".encode(encoding), encoding=asked)
    assert isinstance(row, Row)
    assert orjson.loads(row.body)["values"][1] == {"index": 2001, "type": "名称", "data": "离心泵"}


def test_octets_of_another_encoding_cost_their_row_only_and_are_kept(file: Path) -> None:
    before, bad, after = read(file, b"id,name\nSN1,a\nSN2,\xb1\xc3\nSN3,c\n")
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert isinstance(bad, Reject)
    assert (bad.line, bad.column, bad.code) == (3, "name", "bad_encoding")
    assert bad.cells[1].encode("utf-8", "surrogateescape") == b"\xb1\xc3"


def test_a_missing_closing_quotation_mark_costs_its_line_and_not_the_rows_behind_it(file: Path) -> None:
    content = 'id,name\nSN1,a\nSN2,"b\n' + "".join(f"SN{n},c\n" for n in range(3, 2000))
    rows, rejects = rows_and_rejects(read(file, content))
    assert [(reject.line, reject.code, reject.cells) for reject in rejects] == [(3, "bad_quoting", ['SN2,"b'])]
    assert [row.line for row in rows] == [2, *range(4, 2001)]


def test_the_torn_rest_of_a_damaged_record_is_not_registered(file: Path) -> None:
    content = 'id,name\nSN1,"one "big" pump\nfor you, and me"\nSN2,b\n'
    rows, rejects = rows_and_rejects(read(file, content))
    assert [row.identifier for row in rows] == ["88.118.8/SN2"]
    assert [(reject.line, reject.code) for reject in rejects] == [(2, "bad_quoting"), (3, "bad_quoting")]


def test_text_after_a_closing_quotation_mark_is_refused_instead_of_guessed(file: Path) -> None:
    rows, rejects = rows_and_rejects(read(file, 'id,name\nSN1,"a "b"\nSN2,b\n'))
    assert [row.line for row in rows] == [3]
    assert "must be doubled" in rejects[0].reason


def test_a_line_beyond_all_bounds_is_refused_and_the_next_is_read(file: Path) -> None:
    rows, rejects = rows_and_rejects(read(file, "id,name\nSN1," + "x" * (3 * RECORD_CHARS_MAX) + "\nSN2,b\n"))
    assert [(reject.line, reject.code) for reject in rejects] == [(2, "too_long")]
    assert len(rejects[0].cells[0]) < 2000
    assert [row.line for row in rows] == [3]


def test_a_quoted_field_that_never_ends_is_given_up_within_bounds(file: Path) -> None:
    lines = RECORD_CHARS_MAX // 8 + 100
    rows, rejects = rows_and_rejects(read(file, 'id,name\nSN1,"a\n' + "SN2,bcd\n" * lines))
    assert [(reject.line, reject.code) for reject in rejects] == [(2, "bad_quoting")]
    assert len(rows) == lines
    assert rows[-1].line == lines + 2


@pytest.mark.parametrize(("row", "cells"), [("SN1", 1), ("SN1,a,b", 3)])
def test_a_row_with_another_number_of_cells_is_refused(file: Path, row: str, cells: int) -> None:
    (reject,) = read(file, f"id,name\n{row}\n")
    assert isinstance(reject, Reject)
    assert (reject.reason, reject.code) == (f"the row has {cells} cells, the header 2", "bad_cell_count")


def test_empty_cells_beyond_the_header_and_blank_lines_mean_nothing(file: Path) -> None:
    records = read(file, "id,name,,\n\nSN1,a,,\n\n\nSN2,b,,\n")
    assert [(record.line, isinstance(record, Row)) for record in records] == [(3, True), (6, True)]


def test_an_empty_identifier_is_refused(file: Path) -> None:
    (reject,) = read(file, "name,id\na, \n", Mould("88.118.8", id_column="id"))
    assert isinstance(reject, Reject)
    assert (reject.line, reject.column, reject.code) == (2, "id", "empty")


def test_the_identifier_is_the_stripped_cell_and_its_value_the_cell_as_it_is(file: Path) -> None:
    (row,) = read(file, "id,name\n SN1 ,a\n")
    assert isinstance(row, Row)
    assert row.identifier == "88.118.8/SN1"
    assert orjson.loads(row.body)["values"][0]["data"] == " SN1 "


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b",,\nSN1,a,b\n", "it is empty"),
        (b"id,,name\nSN1,a,b\n", "column 2 has no name"),
        (b"id," + b"n" * 256 + b"\n", "longer than 255 octets"),
        (b"id,\xff\n", "--encoding"),
        (b'id,"name\n', "never properly closed"),
        (b",".join(b"c%d" % n for n in range(2049)), "2049 columns"),
    ],
)
def test_a_header_that_cannot_name_the_values_stops_the_import(file: Path, header: bytes, complaint: str) -> None:
    with pytest.raises(ReadError, match=re.escape(complaint)):
        read(file, header)


@pytest.mark.parametrize(("id_column", "count"), [("sku", "no"), ("name", "more than one")])
def test_an_identifier_column_that_is_not_there_once_is_told_with_those_that_are(
    file: Path, id_column: str, count: str
) -> None:
    with pytest.raises(ReadError, match=f"{count} column '{id_column}'; its columns are: id, name, name"):
        read(file, "id,name,name\n", Mould("88.118.8", id_column=id_column))


@pytest.mark.parametrize("encoding", ["klingon", "base64"])
def test_a_name_that_is_no_encoding_is_refused(file: Path, encoding: str) -> None:
    with pytest.raises(ReadError, match="is no text encoding"):
        read(file, "id\n", encoding=encoding)


def test_a_file_that_cannot_be_decoded_at_all_says_so(file: Path) -> None:
    with pytest.raises(ReadError, match="is --encoding right"):
        read(file, b"id,name\nSN1,a", encoding="utf-16")


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["id,name\n", "1,a\n"], ","),
        (["id;name\n", "1;a, b\n"], ";"),
        (["id\tname\n", "1\ta, b; c\n"], "\t"),
        (["id\n", "1;2\n"], ","),
        (["id,name;size\n", "1,a;2\n"], ","),
        (["id;na,me;size\n", "1;a;2\n"], ";"),
        (['id;"a,b;c"\n', '1;"d\n', 'e"\n', "2;f\n"], ";"),
        (["id,name\n", "1,a\n", "2,a,b\n"], ","),
        ([], ","),
    ],
)
def test_the_delimiter_is_the_one_under_which_the_lines_make_a_table(lines: list[str], delimiter: str) -> None:
    assert sniff_delimiter(lines) == delimiter


def test_the_sample_gives_its_good_rows_and_refuses_its_two_bad_ones() -> None:
    source = CsvFile(SAMPLE, Mould("88.118.8", check=parse_gtin))
    rows, rejects = rows_and_rejects(list(source))
    source.close()
    assert len(rows) == 36
    assert [(reject.line, reject.column, reject.code) for reject in rejects] == [
        (17, "gtin", "bad_check_digit"),
        (31, "gtin", "bad_length"),
    ]
    assert rejects[0].reason == "the check digit is 2 if all other digits are right"
    assert {row.identifier for row in rows} >= {"88.118.8/95212999", "88.118.8/09521234333098"}
