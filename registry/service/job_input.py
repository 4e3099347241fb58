"""The upload of a job: a stream cut anywhere becomes chunks of whole lines, and CSV becomes NDJSON on the way.

Only what belongs to the form of the file is looked at here, and refuses the whole upload with the line's number. What
the rows say is judged when they are carried out, each for itself.
"""

import asyncio
import csv
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from identifiers.values import INDEX_MAX
from registry.errors import InvalidRequest, TooLarge
from registry.service.batch_rows import LINE_OCTETS_MAX
from registry.tables.templates import Template

CHUNK_OCTETS_MAX: Final = 2**20
COLUMNS_MAX: Final = 2_048
SILENCE_MAX_S: Final = 60.0

_NEWLINE: Final = ord("\n")
_VALUE_COLUMN = re.compile(r"(?P<index>[1-9][0-9]{0,9}):(?P<type>[^\x00-\x1f]{1,255})")
_WHOLE: Final = "repair the file and upload it again: nothing of it was kept"


@dataclass(frozen=True, slots=True)
class InputChunk:
    """Whole lines, and the number of the first one in the file; lines count from 1. `rows` leaves out empty ones."""

    first_line: int
    rows: int
    content: bytes


@dataclass(frozen=True, slots=True)
class InputLimits:
    """How much is taken: octets and rows of an upload, and rows of one chunk."""

    octets_max: int
    rows_max: int
    chunk_rows_max: int


async def cut(
    pieces: AsyncIterator[bytes], limits: InputLimits, table: "CsvTable | None" = None
) -> AsyncIterator[InputChunk]:
    """Cut an upload into chunks; `table` reads one in CSV. Raises `InvalidRequest` and `TooLarge`."""
    cutter = _Cutter(limits)
    async for lines in _lines(_patiently(pieces), limits):
        for line in lines if table is None else table.rows(lines):
            if (chunk := cutter.add(line)) is not None:
                yield chunk
    if table is not None:
        table.check_ended()
    if (chunk := cutter.end()) is not None:
        yield chunk


class _Cutter:
    def __init__(self, limits: InputLimits) -> None:
        self._limits = limits
        self._first_line = 1
        self._lines: list[bytes] = []
        self._rows = 0
        self._octets = 0
        self._rows_before = 0

    def add(self, line: bytes) -> InputChunk | None:
        """Add a line; give the chunk it completes."""
        self._lines.append(line)
        self._octets += len(line) + 1
        if line and not line.isspace():
            self._rows += 1
            if self._rows_before + self._rows > self._limits.rows_max:
                raise TooLarge(
                    "too_many_rows",
                    f"a job of yours has at most {self._limits.rows_max:,} rows",
                    remedy="upload the file in several parts, each as a job",
                )
        full = self._rows >= self._limits.chunk_rows_max or self._octets >= CHUNK_OCTETS_MAX
        return self.end() if full else None

    def end(self) -> InputChunk | None:
        """Give what is left, if there are rows in it."""
        chunk = InputChunk(self._first_line, self._rows, b"\n".join(self._lines)) if self._rows else None
        self._first_line += len(self._lines)
        self._rows_before += self._rows
        self._lines, self._rows, self._octets = [], 0, 0
        return chunk


class CsvTable:
    """Reads CSV (RFC 4180, UTF-8) as rows of a job: a header line, then one row a record.

    The column `identifier` is needed. With `values` every other column is a value: `INDEX:TYPE` or, with a template,
    the type or the name of one of its items. Without, there may be a column `successor`. An empty cell is nothing. A
    record of several lines becomes one line and empty ones, so that lines keep their numbers.
    """

    def __init__(self, template: Template | None = None, *, values: bool = True) -> None:
        self._template = template
        self._values = values
        self._columns: list[str | tuple[int, str]] = []
        self._line = 0
        self._open: list[bytes] = []
        self._open_octets = 0
        self._quotes = 0

    def rows(self, lines: Sequence[bytes]) -> list[bytes]:
        """Return a JSON line for each record that ends in these lines, and empty ones for their other lines."""
        found: list[bytes] = []
        for line in lines:
            self._open.append(line)
            self._quotes += line.count(b'"')
            self._open_octets += len(line) + 1
            if self._open_octets > LINE_OCTETS_MAX:
                raise _too_long(self._line + 1)
            if self._quotes % 2 == 0:
                found += self._record(b"\n".join(self._open))
                self._line += len(self._open)
                self._open, self._open_octets, self._quotes = [], 0, 0
        return found

    def check_ended(self) -> None:
        """Refuse a file that ends within a record, or has not even a header."""
        if self._open:
            raise self._bad("a quotation mark is opened and never closed")
        if not self._columns:
            raise InvalidRequest("bad_csv", "the file has no header line", remedy=_WHOLE)

    def _record(self, record: bytes) -> list[bytes]:
        empty = [b""] * len(self._open)
        if not record.strip():
            return empty
        cells = self._cells(record)
        if not self._columns:
            self._columns = self._header(cells)
            return empty
        if len(cells) != len(self._columns):
            raise self._bad(f"this record has {len(cells)} cells, the header {len(self._columns)}")
        empty[0] = orjson.dumps(self._row(cells))
        return empty

    def _cells(self, record: bytes) -> list[str]:
        try:
            text = record.decode("utf-8-sig" if self._line == 0 else "utf-8")
            (cells,) = csv.reader([text.removesuffix("\r")], strict=True)
        except UnicodeDecodeError as error:
            raise self._bad("this is not UTF-8") from error
        except (csv.Error, ValueError) as error:
            raise self._bad(f"this is no record of CSV: {error}") from error
        return cells

    def _header(self, cells: Sequence[str]) -> list[str | tuple[int, str]]:
        if len(cells) > COLUMNS_MAX:
            raise self._bad(f"there are more than {COLUMNS_MAX:,} columns")
        columns = [self._column(cell.strip()) for cell in cells]
        if "identifier" not in columns:
            raise self._bad("there is no column identifier")
        if len(set(columns)) < len(columns):
            raise self._bad("two columns are the same value")
        return columns

    def _column(self, name: str) -> str | tuple[int, str]:
        if name == "identifier":
            return name
        if not self._values:
            if name == "successor":
                return name
            raise self._bad(f"the column {name[:64]!r} is neither identifier nor successor")
        if (found := _VALUE_COLUMN.fullmatch(name)) is not None and int(found["index"]) <= INDEX_MAX:
            return int(found["index"]), found["type"]
        for item in self._template.items if self._template is not None else ():
            if name in (item.type, item.name):
                return item.index, item.type
        known = "INDEX:TYPE" if self._template is None else "INDEX:TYPE, nor an item of the template"
        raise self._bad(f"the column {name[:64]!r} is neither identifier nor {known}")

    def _row(self, cells: Sequence[str]) -> Mapping[str, Any]:
        row: dict[str, Any] = {"values": []} if self._values else {}
        for column, cell in zip(self._columns, cells, strict=True):
            if not cell:
                continue
            if isinstance(column, tuple):
                row["values"].append({"index": column[0], "type": column[1], "data": cell})
            else:
                row[column] = cell
        return row

    def _bad(self, message: str) -> InvalidRequest:
        return InvalidRequest("bad_csv", f"line {self._line + 1}: {message}", remedy=_WHOLE)


async def _lines(pieces: AsyncIterator[bytes], limits: InputLimits) -> AsyncIterator[list[bytes]]:
    """Cut a stream into whole lines."""
    unread = b""
    octets = line = 0
    async for piece in pieces:
        octets += len(piece)
        if octets > limits.octets_max:
            raise TooLarge(
                "upload_too_large",
                f"an upload has at most {limits.octets_max:,} octets",
                remedy="upload the file in several parts, each as a job",
            )
        if _NEWLINE not in piece:
            unread += piece
            found = []
        else:
            *found, unread = (unread + piece).split(b"\n")
        if len(unread) > LINE_OCTETS_MAX or any(len(one) > LINE_OCTETS_MAX for one in found):
            raise _too_long(line + 1)
        line += len(found)
        if found:
            yield found
    if unread:
        yield [unread]


async def _patiently(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(SILENCE_MAX_S):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise InvalidRequest("upload_stalled", f"nothing came for {SILENCE_MAX_S:.0f} s", remedy=_WHOLE) from error
        if piece is None:
            return
        yield piece


def _too_long(line: int) -> TooLarge:
    return TooLarge(
        "line_too_long", f"line {line} or one soon after it has more than {LINE_OCTETS_MAX:,} octets", remedy=_WHOLE
    )
