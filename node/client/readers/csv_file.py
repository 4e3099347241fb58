"""Delimited text (RFC 4180 and its relatives): records with the physical line on which each starts.

A record whose quoting is damaged costs its first physical line only: reading starts again on the next one, so that
one missing quotation mark does not swallow the good rows behind it. What then follows is trusted again once a record
has the header's number of cells and all its quotation marks in pairs; so the torn rest of a damaged record is
rejected too, and not registered as a record that nobody wrote.
"""

import contextlib
import csv
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from node.client.readers.record import RECORD_CHARS_MAX, ReadError, Reject, Row
from node.client.readers.table import Mould, Table
from node.client.readers.text_lines import TextLines

DELIMITERS = (",", ";", "\t")
SNIFFED_LINES = 50
_QUOTE_RULE = "a quotation mark inside a quoted field must be doubled"


class _TooLongError(Exception):
    """The record has more characters than any record may have."""


class CsvFile:
    """A CSV file with a header; see `record.Source`."""

    def __init__(self, path: Path, mould: Mould, encoding: str | None = None, delimiter: str | None = None) -> None:
        """Open the file and read its header; raises ReadError."""
        # The module's own limit counts one field and is global; ours counts the whole record, in _feed.
        csv.field_size_limit(RECORD_CHARS_MAX)
        self._lines = TextLines(path, encoding)
        self._again: deque[str] = deque()
        self._number = 0
        self._record: list[str] = []
        self._record_chars = 0
        try:
            self._delimiter = delimiter or self._sniffed()
            self._table = Table(self._header(), mould)
        except ReadError:
            self.close()
            raise

    @property
    def columns(self) -> Sequence[str]:
        """The header's names."""
        return self._table.columns

    @property
    def id_column(self) -> str:
        """The column that holds the identifier."""
        return self._table.id_column

    def position(self) -> tuple[int, int | None]:
        """Octets read, octets in all."""
        return self._lines.position()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def __iter__(self) -> Iterator[Row | Reject]:
        table = self._table
        suspect = False
        for line, cells in self._records():
            if isinstance(cells, Reject):
                suspect = True
                yield cells
            elif suspect and not self._trusted(cells):
                reason = f"this follows a record with damaged quoting and is no whole record itself ({_QUOTE_RULE})"
                yield Reject(line, "", reason, "bad_quoting", cells)
            else:
                suspect = False
                yield table.cast(line, cells)

    def _trusted(self, cells: Sequence[str]) -> bool:
        return self._table.fits(cells) and sum(text.count('"') for text in self._record) % 2 == 0

    def _records(self) -> Iterator[tuple[int, list[str] | Reject]]:
        reader = self._reader()
        while True:
            self._record.clear()
            self._record_chars = 0
            line = self._number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _TooLongError) as error:
                yield line, self._damaged(line, error)
                reader = self._reader()
                continue
            if cells:  # a blank line is no record
                yield line, cells

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), delimiter=self._delimiter, strict=True)

    def _feed(self) -> Iterator[str]:
        """Physical lines, counted, and kept for as long as their record lasts."""
        while text := self._again.popleft() if self._again else self._lines.read():
            self._number += 1
            self._record.append(text)
            self._record_chars += len(text)
            if self._record_chars > RECORD_CHARS_MAX:
                raise _TooLongError
            yield text

    def _damaged(self, line: int, error: Exception) -> Reject:
        """Give up the record's first line and put the others back."""
        first, others = self._record[0], self._record[1:]
        self._again.extendleft(reversed(others))
        self._number = line
        if len(first) > RECORD_CHARS_MAX:
            reason, code = f"the line is longer than {RECORD_CHARS_MAX} characters", "too_long"
            first = first[:1_000] + "…"
        elif others or isinstance(error, _TooLongError) or "unexpected end" in str(error):
            reason, code = f"a quoted field that begins here is never properly closed; {_QUOTE_RULE}", "bad_quoting"
        else:
            reason, code = f"text follows a closing quotation mark; {_QUOTE_RULE}", "bad_quoting"
        return Reject(line, "", reason, code, [first.rstrip("\r\n")])

    def _header(self) -> list[str]:
        for _, cells in self._records():
            if isinstance(cells, Reject):
                raise ReadError(f"the first row must name the columns, but {cells.reason}")
            return cells
        raise ReadError("the file is empty; its first row must name the columns")

    def _sniffed(self) -> str:
        """Choose the delimiter from the file's beginning, which is put back to be read as usual."""
        chars = 0
        while len(self._again) < SNIFFED_LINES and chars < RECORD_CHARS_MAX and (line := self._lines.read()):
            self._again.append(line)
            chars += len(line)
        return sniff_delimiter(list(self._again))


def sniff_delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter under which these first lines of a file look most like a table.

    Conservative: of comma, semicolon and tab, one that gives every complete record the header's number of cells
    beats one that does not; then the one with most header cells wins; and the comma wins a draw.
    """
    return max(DELIMITERS, key=lambda delimiter: _likeness(lines, delimiter))


def _likeness(lines: Sequence[str], delimiter: str) -> tuple[bool, int]:
    widths: list[int] = []
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
    # The sample may end inside a record, or hold a damaged one: what came before it counts.
    with contextlib.suppress(csv.Error):
        widths.extend(len(cells) for cells in reader if cells)
    header = widths[0] if widths else 0
    return (all(width == header for width in widths), header) if header > 1 else (False, 0)
