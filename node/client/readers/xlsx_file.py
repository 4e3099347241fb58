"""Office Open XML workbooks: one sheet, row by row, its first row the header."""

import datetime as dt
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.cell.cell import ERROR_CODES
from openpyxl.utils.exceptions import InvalidFileException

from node.client.readers.record import ReadError, Reject, Row
from node.client.readers.table import Mould, Table
from node.client.readers.text_lines import open_binary

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

ROWS_MAX = 1_048_576
"""The rows of a sheet, by the format's own limit; a file that claims more is damaged or hostile."""

IN_MEMORY_OCTETS_MAX = 512 * 1024 * 1024
"""Everything but the sheets (mostly the texts that cells share) is kept in memory; this bounds it, and a zip bomb."""

_STREAMED = ("xl/worksheets/", "xl/media/")
_BROKEN = (InvalidFileException, zipfile.BadZipFile, ParseError, KeyError, ValueError, TypeError, EOFError, OSError)


class XlsxFile:
    """One sheet of a workbook; see `record.Source`. Positions are counted in rows."""

    def __init__(self, path: Path, mould: Mould, sheet: str | None = None) -> None:
        """Open the workbook and read the header; raises ReadError."""
        open_binary(path).close()
        self._book = _open(path)
        try:
            self._sheet: Any = _sheet(self._book, sheet)  # the stubs contradict themselves about read-only sheets
            self._rows_claimed = self._sheet.max_row
            self._sheet.reset_dimensions()  # programs write wrong ones; the rows themselves are the truth
            self._row = 0
            self._rows = self._texts()
            self._table = Table(next(self._rows, (0, []))[1], mould)
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
        """Rows read, rows that the sheet says it has."""
        return self._row, self._rows_claimed

    def close(self) -> None:
        """Close the workbook."""
        self._book.close()

    def __iter__(self) -> Iterator[Row | Reject]:
        width = len(self._table.columns)
        for number, cells in self._rows:
            cells.extend([""] * (width - len(cells)))  # a sheet does not store the empty cells at the end of a row
            error_at = next((at for at, cell in enumerate(cells) if cell in ERROR_CODES), None)
            if error_at is None:
                yield self._table.cast(number, cells)
            else:
                column = self.columns[error_at] if error_at < width else ""
                yield Reject(number, column, f"the cell holds the error {cells[error_at]}", "bad_cell", cells)

    def _texts(self) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not empty, with their numbers, every cell as text."""
        try:
            for number, row in enumerate(self._sheet.iter_rows(values_only=True), start=1):
                if number > ROWS_MAX:
                    raise ReadError(f"row {number}: a sheet has at most {ROWS_MAX} rows; the file is damaged")
                self._row = number
                cells = [cell_text(cell) for cell in row]
                if any(cells):
                    yield number, cells
        except _BROKEN as error:
            raise ReadError(f"the sheet is damaged after row {self._row}: {error}") from error


def cell_text(cell: Any) -> str:
    """Return a cell's value as the text that becomes a value's data.

    Whole numbers have no decimal point, dates and times are ISO 8601, booleans TRUE and FALSE as spreadsheets show
    them; an empty cell is "".
    """
    match cell:
        case None:
            return ""
        case str():
            return cell
        case bool():
            return "TRUE" if cell else "FALSE"
        case float() if cell.is_integer():
            return str(int(cell))
        case dt.datetime() if cell.time() == dt.time():
            return cell.date().isoformat()
        case dt.datetime() | dt.date() | dt.time():
            return cell.isoformat()
        case _:
            return str(cell)


def _open(path: Path) -> "Workbook":
    try:
        with zipfile.ZipFile(path) as archive:
            kept = sum(part.file_size for part in archive.infolist() if not part.filename.startswith(_STREAMED))
        if kept > IN_MEMORY_OCTETS_MAX:
            raise ReadError(f"its shared texts take {kept} octets, too many to hold in memory; save the sheet as CSV")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which hold no data
            return load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except _BROKEN as error:
        raise ReadError(f"is no readable XLSX workbook ({error}); an old .xls must be saved as .xlsx or CSV") from error


def _sheet(book: "Workbook", name: str | None) -> "ReadOnlyWorksheet":
    if name is not None and name not in book.sheetnames:
        raise ReadError(f"the workbook has no sheet {name!r}; its sheets are: {', '.join(book.sheetnames)}")
    if not book.worksheets:
        raise ReadError("the workbook has no sheet with cells")
    return book.worksheets[0] if name is None else book[name]
