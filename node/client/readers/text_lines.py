"""The physical lines of a text file, one at a time and of bounded length."""

import codecs
import io
from pathlib import Path
from typing import BinaryIO

from node.client.readers.record import RECORD_CHARS_MAX, ReadError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class TextLines:
    """Reads a file line by line; line ends (LF, CR LF, CR) are kept as they are.

    Octets that the encoding cannot read come as lone surrogates (PEP 383), so that one bad cell spoils one row
    and not the file, and so that the rejects file can give back exactly what stood there.
    """

    def __init__(self, path: Path, encoding: str | None) -> None:
        """Open `path`; without `encoding` a byte order mark decides, else it is UTF-8. Raises ReadError."""
        self._raw = open_binary(path)
        try:
            self._text = io.TextIOWrapper(
                self._raw, _encoding(self._raw, encoding), errors="surrogateescape", newline=""
            )
        except LookupError as error:
            self._raw.close()
            raise ReadError(f"{encoding!r} is no text encoding; try utf-8, gb18030 or utf-16") from error
        self._size = path.stat().st_size

    def read(self) -> str:
        """Return the next line with its end, "" after the last; of a longer line than allowed only a first part.

        That part has RECORD_CHARS_MAX + 1 characters, which tells it from every allowed line.
        """
        try:
            line = self._text.readline(RECORD_CHARS_MAX + 1)
            if len(line) > RECORD_CHARS_MAX:
                self._skip_rest(line)
        except (UnicodeError, OSError) as error:
            raise ReadError(f"cannot read on: {error}; is --encoding right?") from error
        return line

    def position(self) -> tuple[int, int]:
        """Octets read ahead to, and octets of the file."""
        return self._raw.tell(), self._size

    def close(self) -> None:
        """Close the file."""
        self._text.close()

    def _skip_rest(self, piece: str) -> None:
        while piece and not piece.endswith(("\n", "\r")):
            piece = self._text.readline(RECORD_CHARS_MAX)


def open_binary(path: Path) -> BinaryIO:
    """Open a regular file for reading; raises ReadError."""
    try:
        if not path.is_file():
            raise ReadError("there is no such file" if not path.exists() else "this is not a regular file")
        return path.open("rb")
    except OSError as error:
        raise ReadError(f"cannot be opened: {error.strerror or error}") from error


def _encoding(raw: BinaryIO, asked: str | None) -> str:
    """Choose the encoding; LookupError for a name that is none. A mark is dropped also when UTF-8 was asked for."""
    if asked is not None and codecs.lookup(asked).name != "utf-8":
        return asked
    start = raw.read(4)
    raw.seek(0)
    return next((encoding for mark, encoding in _MARKS if start.startswith(mark)), "utf-8")
