"""The rejects file: every record that did not go in, with line, column, reason, and the record as it stood."""

import csv
import fcntl
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from node.client.errors import UsageError
from node.client.readers.record import Reject

HEADER = ("line", "column", "reason", "code")


class RejectsFile:
    """A CSV file that grows by whole, durable groups of rejects, and can be cut back to an earlier length.

    `octets` is its durable length; an import remembers it, so that a crash neither loses nor doubles a reject.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.octets = 0
        self._columns = columns
        self._file: io.FileIO | None = None

    def open(self, octets: int = 0) -> bool:
        """Open the file cut back to `octets`; False if it does not have that many, so that the import must start over.

        Raises UsageError if it cannot be written.
        """
        with self._reported():
            file = self._locked()
            if file.seek(0, os.SEEK_END) < octets:
                file.close()
                return False
            file.truncate(octets)
        self._file, self.octets = file, octets
        return True

    def append(self, rejects: Iterable[Reject]) -> None:
        """Append rejects; they are on disk when this returns."""
        file = self._open_file()
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if self.octets == 0:
            writer.writerow((*HEADER, *self._columns))
        writer.writerows((reject.line, reject.column, reject.reason, reject.code, *reject.cells) for reject in rejects)
        # Octets that were no text come back exactly as they stood in the file that was read (PEP 383).
        octets = memoryview(text.getvalue().encode("utf-8", "surrogateescape"))
        self.octets += len(octets)
        with self._reported():
            while octets:
                octets = octets[file.write(octets) :]
            os.fsync(file.fileno())

    def close(self, *, keep: bool) -> None:
        """Close the file, and remove it unless it is to be kept."""
        if self._file is not None:
            self._file.close()
            if not keep:
                self.path.unlink(missing_ok=True)

    def _locked(self) -> io.FileIO:
        """Open the file for this import alone; unbuffered, so that what append has written is what the file has."""
        file = io.FileIO(self.path, "a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise UsageError(f"another import is writing {self.path}; wait for it, or give --rejects") from error
        return file

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(f"cannot write rejects to {self.path}: {error.strerror}; give --rejects") from error

    def _open_file(self) -> io.FileIO:
        if self._file is None:
            raise RuntimeError("the rejects file is used before it is opened")
        return self._file
