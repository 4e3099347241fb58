"""What a deposit is made of: its head, its entries, and the interface behind which its form can be exchanged."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

Kind = Literal["FULL", "DIFF"]

NAMESPACE: Final = "urn:idnode:escrow:1"
REPORT_TABLES: Final = ("T1", "T2", "T6", "T7", "T4", "T11", "T9")
"""The report tables of a deposit, in its order."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a deposit says of itself. `watermark` is the instant of its snapshot; a FULL one has no `prev_id`."""

    id: str
    kind: Kind
    prefix: str
    watermark: datetime
    prev_id: str | None = None
    resend: int = 0
    objects: tuple[str, ...] = REPORT_TABLES


class Entry(NamedTuple):
    """A row of a table as of the watermark, JSON in UTF-8; without data: the row is gone."""

    table: str
    key: str
    ver: int
    data: bytes | None


class PackedFile(msgspec.Struct, frozen=True):
    """One file of a deposit: its octets, and hashes in hex."""

    name: str
    bytes: int
    sha256: str
    sm3: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to a deposit. `rows` counts entries of contents by table, `deletes` those that are gone.

    `own` is true for the copy that the node's own key opens. `document_bytes` is the length of the XML; deposits of
    earlier releases do not tell it.
    """

    format: str
    id: str
    type: Kind
    prefix: str
    watermark: str
    prev_id: str | None
    resend: int
    files: tuple[PackedFile, ...]
    rows: dict[str, int]
    deletes: dict[str, int]
    own: bool = False
    document_bytes: int | None = None


class Counts:
    """How many entries went by, by table."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.deletes: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        """Count one entry."""
        (self.deletes if entry.data is None else self.rows)[entry.table] += 1

    @property
    def total(self) -> int:
        """How many went by in all."""
        return self.rows.total() + self.deletes.total()


class Package(NamedTuple):
    """The finished files of a deposit in the order in which they are handed in: volumes, signatures, manifest."""

    directory: Path
    files: tuple[Path, ...]
    manifest: Manifest

    @property
    def octets(self) -> int:
        """The length of all files together."""
        return sum(file.stat().st_size for file in self.files)


class EscrowFormat(Protocol):
    """The form of deposits. The prescribed one can take the place of ours without a change elsewhere."""

    def build(self, head: Head, entries: AsyncIterator[Entry], counts: Counts, work: Path) -> AsyncIterator[bytes]:
        """Yield the document; what has to stand before its time goes through files in `work`."""
        ...

    async def package(self, head: Head, document: AsyncIterator[bytes], counts: Counts, work: Path) -> Package:
        """Make the files of the deposit in `work`. Raises PackagingFailed and CryptographyFailed."""
        ...


class Forms(NamedTuple):
    """Names of a deposit's files (docking contract 7.4). `stem` is the id, with `.own` for the node's own copy."""

    stem: str

    def volume(self, number: int) -> str:
        """Return the name of a volume, from 1."""
        return f"{self.stem}.zip.sm2.{number:03d}"

    @property
    def manifest(self) -> str:
        """The name of the manifest."""
        return f"{self.stem}.manifest.json"
