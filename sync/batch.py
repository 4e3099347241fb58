"""What is handed over to the national node and what comes back: rows, batches, receipts (docking contract 9)."""

from collections.abc import Sequence
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

PROFILE: Final = "idn-report/1"

RowOp = Literal["upsert", "delete"]
Verdict = Literal["accepted", "partial", "rejected"]
Mode = Literal["delta", "full", "revision"]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a batch after the header. `n` counts from 1; `ver` grows with every report of the same key."""

    n: int
    key: str
    op: RowOp
    ver: int
    at: str
    data: msgspec.Raw | UnsetType = UNSET


class Period(msgspec.Struct, frozen=True):
    """The time a batch tells of, half-open; instants in UTC, whole seconds."""

    kind: Literal["instant", "hour", "day", "month"]
    start: str
    end: str


class Requirement(msgspec.Struct, frozen=True):
    """A sequence of another stream that must be acknowledged before this batch may be sent (9.6)."""

    table: str
    scope: str
    sequence: int


class FullSet(msgspec.Struct, frozen=True):
    """Which part of a complete set a batch is; behind the `last` the collector drops rows that were in none (9.8)."""

    id: UUID
    part: int
    last: bool


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line of a batch body. The members are written in this order."""

    profile: Literal["idn-report/1"]
    batch_id: UUID
    reporter: str
    table: str
    schema: int
    scope: str
    sequence: int
    mode: Mode
    full: FullSet | UnsetType = UNSET
    period: Period
    requires: tuple[Requirement, ...]
    row_count: int
    rows_sha256: str
    created_at: str
    producer: str | UnsetType = UNSET
    x_covers: Literal["unchanged"] | UnsetType = UNSET


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One batch ready to be handed over: `body` is the whole content of 9.3, gzip-compressed, and never changes."""

    batch_id: UUID
    reporter: str
    table: str
    scope: str
    sequence: int
    row_count: int
    rows_sha256: str
    body: bytes
    resend_of: str | None = None
    """The directive that asks for a batch acknowledged long ago again (9.10)."""


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """Why one row of a batch was not taken (codes: 9.5)."""

    n: int
    key: str
    code: str
    message: str = ""
    field: str | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The collector's final word on a batch. The sequence is consumed, whatever the status."""

    batch_id: UUID
    receipt_id: str
    status: Verdict
    table: str
    scope: str
    sequence: int
    next_sequence: int
    received_at: str
    rows_sha256: str
    rows_accepted: int
    rows_rejected: int
    rejections: Sequence[Rejection] = ()
    rejections_more: bool = False


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A signed answer as it came, so that its signature can be verified later (9.11); `headers` in lower case."""

    method: str
    target_uri: str
    status: int
    headers: dict[str, str]
    content: bytes


class ProvedReceipt(Receipt, frozen=True, kw_only=True):
    """A receipt with the collector's signature."""

    proof: Proof


class Untold(msgspec.Struct, frozen=True):
    """The collector does not tell how far its streams are: this way of reporting has no such question."""


class Pending(msgspec.Struct, frozen=True):
    """The collector has stored the batch and judges it later; ask for the receipt after `retry_after_s`."""

    retry_after_s: float


class Unknown(msgspec.Struct, frozen=True):
    """The collector has never heard of the batch or the stream."""


class StreamState(msgspec.Struct, frozen=True):
    """How far a stream has come at the collector."""

    table: str
    scope: str
    last_sequence: int
    last_batch_id: UUID | None = None
    last_received_at: str | None = None


class Limits(msgspec.Struct, frozen=True):
    """How much may be handed over at once (9.13); octets are counted before compression."""

    max_rows: int = 2_000
    max_bytes: int = 8 * 1024 * 1024
    max_line_bytes: int = 256 * 1024
    max_parallel: int = 16

    def within(self, other: "Limits") -> "Limits":
        """Return the smaller of both sides' limits, each at least 1: a strange answer must not stop the reports."""
        return Limits(
            max_rows=max(1, min(self.max_rows, other.max_rows)),
            max_bytes=max(1, min(self.max_bytes, other.max_bytes)),
            max_line_bytes=max(1, min(self.max_line_bytes, other.max_line_bytes)),
            max_parallel=max(1, min(self.max_parallel, other.max_parallel)),
        )
