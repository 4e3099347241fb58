"""The JSON bodies of the change feed, as types."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

TableName = Annotated[str, Meta(pattern=r"^(PFX|REC|T([1-9]|1[01])|[ME][12])$", description="a table of the feed")]
ScopeName = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=255)]


class SnapshotRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a snapshot is to hold: tables (without them PFX and REC), and a prefix with all below it."""

    tables: Annotated[list[TableName], Meta(max_length=17)] = []
    scope: ScopeName | None = None


class SnapshotPartAnswer(msgspec.Struct, frozen=True):
    """One file of a snapshot: gzip, one row of `table` a line."""

    n: int
    table: str
    rows: int
    bytes: int
    sha256: str
    path: str


class SnapshotAnswer(msgspec.Struct, frozen=True):
    """A snapshot; `cursor` is where its reader follows on. It has parts once it is `ready`."""

    snapshot_id: str
    status: Literal["building", "ready", "failed"]
    tables: list[str]
    scope: str | None
    asked_at: str
    expires_at: str
    cursor: str | None
    taken_at: str | None
    x_epoch: str
    parts: list[SnapshotPartAnswer]
