"""Export: the active identifiers of a prefix as NDJSON, which import takes back, or as CSV, for spreadsheets.

The columns of a CSV are known only when every record has been seen. So the records are spooled to a temporary file
first, and memory holds the columns alone, of which there may be COLUMNS_MAX.
"""

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, BinaryIO, Literal

import msgspec
import orjson

from identifiers.handle import fold
from node.client.errors import UsageError
from node.client.listing import pages
from node.client.session import NodeSession
from node.client.value_data import data_text

COLUMNS_MAX = 2_048
SPOOL_IN_MEMORY_OCTETS = 16 * 1024 * 1024
ExportFormat = Literal["ndjson", "csv"]
IDENTIFIERS_PATH = "/api/v1/identifiers"
_PREFIX_RECORDS = "0.NA/"


class ListedIdentifier(msgspec.Struct, frozen=True):
    """One identifier of a list; `values` is its Handle JSON, unread, `template` the code of the one it follows."""

    identifier: str
    values: msgspec.Raw
    state: str = "active"
    template: str | None = None

    @property
    def is_exported(self) -> bool:
        """Whether it belongs into a file: it is active, and not the record of the prefix itself."""
        return self.state == "active" and not fold(self.identifier).startswith(_PREFIX_RECORDS)


Pages = AsyncIterator[Sequence[ListedIdentifier]]

_Column = tuple[int, str]
"""Index and type of a value: records made by import have the same type at the same index throughout."""


def identifier_pages(session: NodeSession, prefix: str) -> Pages:
    """Yield all identifiers below a prefix, withdrawn ones too; raises RefusedError, UnavailableError."""
    return pages(session, IDENTIFIERS_PATH, {"prefix": prefix}, ListedIdentifier)


async def export_ndjson(listed: Pages, output: BinaryIO) -> int:
    """Write `{"identifier":…,"values":[…],"template":…}` lines, values exactly as the node shows them; return how many.

    A record that follows no template has no such member.
    """
    count = 0
    async for page in listed:
        lines = [_line(item) for item in page if item.is_exported]
        await asyncio.to_thread(output.writelines, lines)
        count += len(lines)
    return count


async def export_csv(listed: Pages, output: BinaryIO) -> int:
    """Write a table: the identifier, then one column for each (index, type) that occurs, by index; return the rows.

    A column is headed by its type, followed by [index] if the type occurs at several indexes. Text is as it is,
    other data is its Handle JSON. Raises UsageError beyond COLUMNS_MAX columns.
    """
    with tempfile.SpooledTemporaryFile(SPOOL_IN_MEMORY_OCTETS) as spool:
        columns: set[_Column] = set()
        count = 0
        async for page in listed:
            items = [item for item in page if item.is_exported]
            await asyncio.to_thread(spool.writelines, map(_line, items))
            columns.update(column for item in items for column in _cells(item.values))
            if len(columns) > COLUMNS_MAX:
                raise UsageError(f"the records have more than {COLUMNS_MAX} different values; use --format ndjson")
            count += len(items)
        spool.seek(0)
        await asyncio.to_thread(_write_table, spool, sorted(columns), output)
    return count


def _line(item: ListedIdentifier) -> bytes:
    template = b',"template":%s' % orjson.dumps(item.template) if item.template is not None else b""
    return b'{"identifier":%s,"values":%s%s}\n' % (orjson.dumps(item.identifier), bytes(item.values), template)


def _write_table(spool: Iterable[bytes], columns: Sequence[_Column], output: BinaryIO) -> None:
    text = io.TextIOWrapper(output, "utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(["identifier", *_headings(columns)])
    for line in spool:
        item = _ITEM.decode(line)
        cells = _cells(item.values)
        writer.writerow([item.identifier, *(cells.get(column, "") for column in columns)])
    text.detach()


def _headings(columns: Sequence[_Column]) -> list[str]:
    types = [kind for _, kind in columns]
    return [kind if types.count(kind) == 1 else f"{kind}[{index}]" for index, kind in columns]


def _cells(values: msgspec.Raw) -> dict[_Column, str]:
    return {(value.index, value.type): data_text(value.data) for value in _VALUES.decode(values)}


class _Value(msgspec.Struct):
    index: int
    type: str
    data: Any


_VALUES = msgspec.json.Decoder(list[_Value])
_ITEM = msgspec.json.Decoder(ListedIdentifier)
