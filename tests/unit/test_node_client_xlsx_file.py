"""Reading workbooks: cells become the text a person sees, row numbers are the sheet's own."""

import datetime as dt
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from node.client.readers.record import ReadError, Reject, Row
from node.client.readers.table import Mould
from node.client.readers.xlsx_file import XlsxFile, cell_text

MOULD = Mould("88.118.8")


def read(path: Path, rows: list[list[Any]], sheet: str | None = None) -> list[Row | Reject]:
    book = Workbook()
    assert book.active is not None
    book.active.title = "Products"
    for row in rows:
        book.active.append(row)
    book.create_sheet("Other").append(["id"])
    book.save(path)
    book.close()
    source = XlsxFile(path, MOULD, sheet)
    try:
        return list(source)
    finally:
        source.close()


def change_sheet(path: Path, change: Callable[[bytes], bytes]) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = change(parts["xl/worksheets/sheet1.xml"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "products.xlsx"


def test_rows_become_records_with_the_row_number_of_the_sheet(file: Path) -> None:
    first, second = read(file, [["id", "name", "size"], ["SN1", '离心泵,\n"A"', 12], [], ["SN2", None, 1.5]])
    assert isinstance(first, Row)
    assert (first.line, first.identifier) == (2, "88.118.8/SN1")
    assert orjson.loads(first.body)["values"] == [
        {"index": 2000, "type": "id", "data": "SN1"},
        {"index": 2001, "type": "name", "data": '离心泵,\n"A"'},
        {"index": 2002, "type": "size", "data": "12"},
    ]
    assert isinstance(second, Row)
    assert (second.line, list(second.cells)) == (4, ["SN2", "", "1.5"])


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        ("#tag", "#tag"),
        (9521234000006, "9521234000006"),
        (9521234000006.0, "9521234000006"),
        (0.1, "0.1"),
        (True, "TRUE"),
        (dt.datetime.fromisoformat("2030-01-02"), "2030-01-02"),
        (dt.datetime.fromisoformat("2030-01-02T03:04:05"), "2030-01-02T03:04:05"),
        (dt.time(3, 4), "03:04:00"),
    ],
)
def test_a_cell_becomes_the_text_that_a_person_sees(cell: object, text: str) -> None:
    assert cell_text(cell) == text


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_whole_numbers_have_no_decimal_point_whatever_the_program_stored(number: int) -> None:
    assert cell_text(float(number)) == cell_text(number) == str(number)


def test_a_cell_with_an_error_is_refused_instead_of_registered(file: Path) -> None:
    (reject,) = read(file, [["id", "name"], ["SN1", "#N/A"]])
    assert isinstance(reject, Reject)
    assert (reject.line, reject.column, reject.code) == (2, "name", "bad_cell")


def test_the_first_sheet_is_read_unless_another_is_named(file: Path) -> None:
    assert len(read(file, [["id"], ["SN1"]])) == 1
    assert read(file, [["id"], ["SN1"]], sheet="Other") == []


def test_a_sheet_that_is_not_there_is_told_with_those_that_are(file: Path) -> None:
    with pytest.raises(ReadError, match="no sheet 'Third'; its sheets are: Products, Other"):
        read(file, [["id"]], sheet="Third")


def test_a_sheet_whose_size_is_told_wrongly_is_read_to_its_end(file: Path) -> None:
    read(file, [["id"], *([f"SN{n}"] for n in range(20))])
    change_sheet(file, lambda sheet: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:A3"', sheet))
    source = XlsxFile(file, MOULD)
    assert len(list(source)) == 20
    source.close()


@pytest.mark.parametrize("content", [b"", b"id,name\nSN1,a\n", b"PK\x03\x04 but nothing else"])
def test_what_is_no_workbook_is_refused_with_what_to_do(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ReadError, match=r"saved as \.xlsx or CSV"):
        XlsxFile(file, MOULD)


def test_a_sheet_that_breaks_off_is_an_error_and_not_a_short_import(file: Path) -> None:
    read(file, [["id"], *([f"SN{n}"] for n in range(20))])
    change_sheet(file, lambda sheet: sheet[: len(sheet) * 2 // 3])
    source = XlsxFile(file, MOULD)
    with pytest.raises(ReadError, match="the sheet is damaged after row"):
        list(source)
    source.close()


def test_an_empty_sheet_lacks_its_header(file: Path) -> None:
    with pytest.raises(ReadError, match="must name the columns"):
        read(file, [])
