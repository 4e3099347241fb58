"""Which reader a file needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from node.client.readers.csv_file import CsvFile
from node.client.readers.ndjson_file import open_ndjson
from node.client.readers.record import ReadError, Source
from node.client.readers.table import Mould

FileFormat = Literal["csv", "ndjson", "xlsx"]

_FORMATS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}


@dataclass(frozen=True, slots=True)
class FileForm:
    """How a file is to be read; None means: found out from the file itself."""

    format: FileFormat | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None


def open_source(path: Path, form: FileForm, mould: Mould) -> Source:
    """Open a file of records; raises ReadError with what to do."""
    match form.format or _format_of(path):
        case "csv":
            return CsvFile(path, mould, form.encoding, form.delimiter)
        case "ndjson":
            return open_ndjson(path, mould, form.encoding)
        case "xlsx":
            # Only this format needs openpyxl, which takes a fifth of a second to import.
            from node.client.readers.xlsx_file import XlsxFile  # noqa: PLC0415

            return XlsxFile(path, mould, form.sheet)


def _format_of(path: Path) -> FileFormat:
    found = _FORMATS.get(path.suffix.lower())
    if found is None:
        raise ReadError(f"its name does not tell its format; give --format {'|'.join(sorted(set(_FORMATS.values())))}")
    return found
