"""How far an import has come, kept on disk so that a second run goes on where a first one ended."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from node.client.errors import UsageError

FORM = 1
"""The version of the file's form; a file of another form is not continued."""

HEAD_OCTETS = 65_536
PROGRESS_OCTETS_MAX = 1_048_576


class Fingerprint(msgspec.Struct, frozen=True):
    """What tells a file from a changed one without reading all of it."""

    path: str
    octets: int
    modified_ns: int
    head_sha256: str


class Counts(msgspec.Struct):
    """What became of the records so far."""

    created: int = 0
    replaced: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejected: int = 0

    def add(self, statuses: Mapping[str, int], rejected_here: int) -> None:
        """Add how often the node gave each status, and what was rejected before it reached the node."""
        self.created += statuses.get("created", 0)
        self.replaced += statuses.get("replaced", 0)
        self.unchanged += statuses.get("unchanged", 0)
        self.skipped += statuses.get("skipped", 0)
        self.rejected += statuses.get("rejected", 0) + rejected_here

    @property
    def records(self) -> int:
        """All records that something became of."""
        return self.created + self.replaced + self.unchanged + self.skipped + self.rejected


class Progress(msgspec.Struct):
    """The durable state of an import: everything before record `counts.records` is settled, nothing after it.

    `witness` is an identifier that the node took; a node that does not know it has lost the import's work.
    """

    fingerprint: Fingerprint
    terms: dict[str, str | None]
    counts: Counts = msgspec.field(default_factory=Counts)
    rejects_octets: int = 0
    witness: str | None = None
    form: int = FORM


def fingerprint(path: Path) -> Fingerprint:
    """Return the fingerprint of a file; raises OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD_OCTETS)
        stat = os.fstat(file.fileno())
    return Fingerprint(str(path.resolve()), stat.st_size, stat.st_mtime_ns, hashlib.sha256(head).hexdigest())


class ProgressFile:
    """Where an import's progress is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Progress | None:
        """Return the progress of an earlier run; None if there is none, or none that this program understands."""
        try:
            with self.path.open("rb") as file:
                progress = msgspec.json.decode(file.read(PROGRESS_OCTETS_MAX), type=Progress)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        except OSError as error:
            raise UsageError(f"cannot read the progress file {self.path}: {error.strerror}") from error
        return progress if progress.form == FORM else None

    def save(self, progress: Progress) -> None:
        """Replace the file as a whole; it is on disk when this returns."""
        partial = self.path.with_name(self.path.name + ".partial")
        with self._reported():
            with partial.open("wb") as file:
                file.write(msgspec.json.encode(progress))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
            _sync_directory(self.path.parent)

    def remove(self) -> None:
        """Forget the import: it is finished, or starts over."""
        with self._reported():
            self.path.unlink(missing_ok=True)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(f"cannot write the progress file {self.path}: {error.strerror}") from error


def beside(file: Path, ending: str) -> Path:
    """Return FILE's name with `ending`, in FILE's directory, or here when that directory cannot be written."""
    directory = file.parent if os.access(file.parent, os.W_OK) else Path()
    return directory / (file.name + ending)


def _sync_directory(directory: Path) -> None:
    """Make a rename durable: it is when its directory is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
