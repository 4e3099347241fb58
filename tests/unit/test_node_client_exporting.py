"""Exports: NDJSON as the node shows it, CSV with a column for each place of a value."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import orjson
import pytest

from node.client.errors import UsageError
from node.client.exporting import ListedIdentifier, export_csv, export_ndjson

Listed = Sequence[ListedIdentifier]


def listed(name: str, values: list[Any], state: str = "active") -> ListedIdentifier:
    return ListedIdentifier(name, msgspec.Raw(orjson.dumps(values)), state)


def value(index: int, kind: str, data: Any) -> dict[str, Any]:
    return {"index": index, "type": kind, "data": data, "ttl": 86400}


async def in_pages(*pages: Listed) -> AsyncIterator[Listed]:
    for page in pages:
        yield page


async def test_ndjson_has_the_values_as_they_are_and_leaves_withdrawn_identifiers_out() -> None:
    output = io.BytesIO()
    values = [value(2000, "名称", {"format": "string", "value": "泵"})]
    pages = in_pages([listed("88.1/a", values)], [], [listed("88.1/b", [], "withdrawn"), listed('88.1/"c"', [])])
    assert await export_ndjson(pages, output) == 2
    lines = output.getvalue().splitlines()
    assert [orjson.loads(line) for line in lines] == [
        {"identifier": "88.1/a", "values": values},
        {"identifier": '88.1/"c"', "values": []},
    ]


async def test_ndjson_names_the_template_that_a_record_follows() -> None:
    output = io.BytesIO()
    await export_ndjson(in_pages([ListedIdentifier("88.1/a", msgspec.Raw(b"[]"), template='"t"')]), output)
    assert orjson.loads(output.getvalue()) == {"identifier": "88.1/a", "values": [], "template": '"t"'}


async def test_the_record_of_the_prefix_itself_is_left_out() -> None:
    pages = [listed("0.na/88.1", []), listed("88.1/a", [])]
    output = io.BytesIO()
    assert await export_ndjson(in_pages(pages), output) == 1
    assert await export_csv(in_pages(pages), io.BytesIO()) == 1


async def test_csv_has_the_columns_of_all_records_also_those_that_come_late() -> None:
    output = io.BytesIO()
    first = [value(2001, "name", {"format": "string", "value": 'a,\n"b"'}), value(1, "URL", "https://x")]
    late = [value(2000, "gtin", "95212340"), value(2, "URL", "https://y"), value(100, "HS_ADMIN", {"index": 300})]
    pages = in_pages([listed("88.1/a", first)], [listed("88.1/泵", late)])
    assert await export_csv(pages, output) == 2
    assert list(csv.reader(io.StringIO(output.getvalue().decode(), newline=""))) == [
        ["identifier", "URL[1]", "URL[2]", "HS_ADMIN", "gtin", "name"],
        ["88.1/a", "https://x", "", "", "", 'a,\n"b"'],
        ["88.1/泵", "", "https://y", '{"index":300}', "95212340", ""],
    ]
    output.write(b"still open")


async def test_csv_of_no_records_has_its_first_column() -> None:
    output = io.BytesIO()
    assert await export_csv(in_pages([]), output) == 0
    assert output.getvalue() == b"identifier\r\n"


async def test_csv_with_more_columns_than_anybody_could_use_is_refused() -> None:
    records = [listed(f"88.1/{n}", [value(n, "x", "y")]) for n in range(2049)]
    with pytest.raises(UsageError, match="use --format ndjson"):
        await export_csv(in_pages(records), io.BytesIO())
