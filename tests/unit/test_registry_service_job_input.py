"""The upload of a job: lines keep their numbers however the stream is cut, and CSV becomes the same rows."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.service import job_input
from registry.service.batch_rows import LINE_OCTETS_MAX
from registry.service.job_input import CsvTable, InputChunk, InputLimits, cut
from registry.tables.templates import Item, Template

LIMITS = InputLimits(octets_max=2**24, rows_max=1_000, chunk_rows_max=3)


def run(
    data: bytes, sizes: list[int] | None = None, limits: InputLimits = LIMITS, table: CsvTable | None = None
) -> list[InputChunk]:
    async def pieces() -> AsyncIterator[bytes]:
        start = 0
        for size in sizes or []:
            yield data[start : start + size]
            start += size
        yield data[start:]

    async def all_chunks() -> list[InputChunk]:
        return [chunk async for chunk in cut(pieces(), limits, table)]

    return asyncio.run(all_chunks())


def numbered(chunks: list[InputChunk]) -> list[tuple[int, bytes]]:
    return [
        (number, line)
        for chunk in chunks
        for number, line in enumerate(chunk.content.split(b"\n"), chunk.first_line)
        if line.strip()
    ]


def refusal(data: bytes, limits: InputLimits = LIMITS, table: CsvTable | None = None) -> RegistryError:
    with pytest.raises(RegistryError) as refused:
        run(data, limits=limits, table=table)
    return refused.value


def template(*items: Item) -> Template:
    now = datetime(2025, 11, 22, tzinfo=UTC)
    return Template(1, "t", "T", None, "published", now, now, items)


@given(
    st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=20),
    st.lists(st.integers(0, 9), max_size=20),
)
def test_every_line_keeps_its_number_however_the_stream_is_cut(lines: list[bytes], sizes: list[int]) -> None:
    found = run(b"\n".join(lines), sizes)
    assert numbered(found) == [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    assert all(0 < chunk.rows <= LIMITS.chunk_rows_max for chunk in found)
    assert sum(chunk.rows for chunk in found) == len([line for line in lines if line.strip()])


def test_a_chunk_ends_with_its_octets_before_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_input, "CHUNK_OCTETS_MAX", 100)
    found = run(b"\n".join([b"x" * 60] * 5), limits=InputLimits(10_000, 100, 100))
    assert [(chunk.first_line, chunk.rows) for chunk in found] == [(1, 2), (3, 2), (5, 1)]


@pytest.mark.parametrize(
    ("data", "limits", "code"),
    [
        (b"a\n" * 4, InputLimits(10_000, 3, 2), "too_many_rows"),
        (b"a\n" * 6, InputLimits(11, 100, 100), "upload_too_large"),
        (b"a\n" + b"x" * (LINE_OCTETS_MAX + 1), InputLimits(2**22, 100, 100), "line_too_long"),
    ],
)
def test_too_much_is_refused(data: bytes, limits: InputLimits, code: str) -> None:
    assert refusal(data, limits).code == code


def test_an_upload_on_which_nothing_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_input, "SILENCE_MAX_S", 0.01)

    async def never() -> AsyncIterator[bytes]:
        yield b"a\n"
        await asyncio.Event().wait()

    async def read() -> list[InputChunk]:
        return [chunk async for chunk in cut(never(), LIMITS)]

    with pytest.raises(RegistryError) as refused:
        asyncio.run(read())
    assert refused.value.code == "upload_stalled"


CELLS = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.lists(st.integers(0, 9), max_size=20))
def test_csv_says_what_was_written_whatever_its_cells_hold(records: list[tuple[str, str]], sizes: list[int]) -> None:
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerow(["identifier", "1:URL", "2000:name"])
    for number, (first, second) in enumerate(records):
        writer.writerow([f"88.118.8/{number}", first, second])
    found = [json.loads(line) for _, line in numbered(run(written.getvalue().encode(), sizes, table=CsvTable()))]
    assert found == [
        {
            "identifier": f"88.118.8/{number}",
            "values": [
                {"index": index, "type": type_, "data": cell}
                for index, type_, cell in ((1, "URL", first), (2000, "name", second))
                if cell
            ],
        }
        for number, (first, second) in enumerate(records)
    ]


def test_a_record_of_several_lines_leaves_the_numbers_of_the_others() -> None:
    data = b'\xef\xbb\xbfidentifier,1:URL\r\n88.118.8/A,"x\ny"\r\n\r\n88.118.8/B,z\r\n'
    assert [(number, json.loads(line)["identifier"]) for number, line in numbered(run(data, table=CsvTable()))] == [
        (2, "88.118.8/A"),
        (5, "88.118.8/B"),
    ]


def test_columns_are_named_by_the_items_of_the_template() -> None:
    table = CsvTable(template(Item(2000, "名称", "name"), Item(2001, "重量", "weight")))
    (row,) = numbered(run("identifier,名称,weight,1:URL\nA,泵,7,u\n".encode(), table=table))
    assert [(value["index"], value["type"]) for value in json.loads(row[1])["values"]] == [
        (2000, "name"),
        (2001, "weight"),
        (1, "URL"),
    ]


def test_withdrawals_have_a_successor_and_no_values() -> None:
    found = numbered(run(b"identifier,successor\nA,B\nC,\n", table=CsvTable(values=False)))
    assert [json.loads(line) for _, line in found] == [{"identifier": "A", "successor": "B"}, {"identifier": "C"}]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no header"),
        (b"name,1:URL\nA,B\n", "line 1: the column 'name'"),
        (b"1:URL\nA\n", "line 1: there is no column identifier"),
        (b"identifier,1:URL,1:URL\n", "line 1: two columns are the same"),
        (b"identifier,0:URL\n", "line 1: the column '0:URL'"),
        (b"identifier,2147483648:URL\n", "line 1: the column"),
        (b"identifier,1:URL\nA,B\nC\n", "line 3: this record has 1 cells, the header 2"),
        (b"identifier,1:URL\nA,\xff\n", "line 2: this is not UTF-8"),
        (b'identifier,1:URL\nA,"x"y"\n', "line 2: a quotation mark is opened"),
        (b'identifier,1:URL\nA,"x"y\n', "line 2: this is no record"),
        (b"identifier,1:URL\nA,B\rC,D\n", "line 2: this is no record"),
        (b"identifier," + b",".join(b"%d:t" % i for i in range(1, 2_049)), "line 1: there are more than"),
    ],
)
def test_a_malformed_table_is_refused_with_its_line(data: bytes, says: str) -> None:
    refused = refusal(data, table=CsvTable())
    assert refused.code == "bad_csv"
    assert says in refused.message


def test_a_record_that_never_ends_is_not_collected_without_end() -> None:
    data = b'identifier,1:URL\nA,"' + b"x\n" * (LINE_OCTETS_MAX // 2 + 10)
    assert refusal(data, InputLimits(2**24, 100, 100), CsvTable()).code == "line_too_long"


def test_withdrawals_refuse_columns_of_values() -> None:
    assert "neither identifier nor successor" in refusal(b"identifier,1:URL\n", table=CsvTable(values=False)).message
