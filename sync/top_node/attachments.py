"""Files that rows and monthly reports refer to (docking contract 9.9): kept under their digests beside the book."""

import hashlib
import os
from datetime import datetime
from pathlib import Path
from typing import Final

from sync.calendar_time import instant
from sync.collecting.problems import Problem
from sync.top_node.book import Book

OCTETS_MAX: Final = 20 * 1024 * 1024
"""The contract's limit for one file."""
MEDIA_TYPE_CHARACTERS_MAX: Final = 64


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

    def put(self, reporter: str, sha256: str, media_type: str, content: bytes, now: datetime) -> bool:
        """Keep a file; False if it was here already. Raises Problem if it has another digest."""
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Problem(422, "digest_mismatch", "the content has another digest than the path says")
        if self.has(sha256):
            return False
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / sha256
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        with self._book.transaction():
            self._book.db.execute(
                "INSERT INTO attachments VALUES (?, ?, ?, ?, ?)",
                (sha256, reporter, media_type, len(content), instant(now)),
            )
        return True
