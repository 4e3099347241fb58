"""Files that rows and monthly reports refer to (docking contract 9.9): kept under their digests beside the book."""

import os
from datetime import datetime
from pathlib import Path

from sync.calendar_time import instant
from sync.collecting.files import HandedIn
from sync.top_node.book import Book


class Attachments:
    """The files, and who brought them."""

    def __init__(self, book: Book, directory: Path) -> None:
        self._book = book
        self._directory = directory

    def has(self, sha256: str) -> bool:
        """Whether the file is here."""
        return self._book.one("SELECT 1 FROM attachments WHERE sha256 = ?", sha256) is not None

    def missing(self, digests: list[str]) -> list[dict[str, str]]:
        """Return those of the files that are not here, as a 424 names them."""
        return [{"attachment": sha256} for sha256 in digests if not self.has(sha256)]

    def put(self, reporter: str, file: HandedIn, now: datetime) -> bool:
        """Keep a file; False if it was here already."""
        if self.has(file.sha256):
            return False
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / file.sha256
        part = path.with_suffix(".part")
        with part.open("wb") as kept:
            kept.write(file.content)
            kept.flush()
            os.fsync(kept.fileno())
        part.rename(path)
        with self._book.transaction():
            self._book.db.execute(
                "INSERT INTO attachments VALUES (?, ?, ?, ?, ?)",
                (file.sha256, reporter, file.media_type, len(file.content), instant(now)),
            )
        return True
