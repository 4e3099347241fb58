"""The JSON bodies about reporting to the national node, as types."""

import msgspec

from registry.api.shapes import Instant


class AccessPointRow(msgspec.Struct, frozen=True):
    """One address of the collector; `state` is that of its circuit breaker: closed, open, half_open."""

    reporter: str
    url: str
    state: str
    failing_share: float
    answer_s: float | None
    last_error: str | None
    last_error_at: Instant | None
    last_success_at: Instant | None
    tried_again_at: Instant | None


class PauseRow(msgspec.Struct, frozen=True):
    """A table of which nothing is sent; `*` for all."""

    reporter: str
    table: str
    since: Instant
    ordered_by: str
    reason: str


class LinkRow(msgspec.Struct, frozen=True):
    """The way to the collector. `shown_at` is old when the reporting process does not run."""

    reporter: str
    transport: str
    is_up: bool
    since: Instant
    reason: str | None
    next_probe_at: Instant | None
    key_id: str | None
    routes: list[str]
    shown_at: Instant
    queue_rows: int
    oldest_queued_at: Instant | None
    acknowledged_at: Instant | None
    halted_streams: int
    open_rows: int


class ReadOnlyState(msgspec.Struct, frozen=True):
    """Since when, why and by whose order the registry takes no changes."""

    since: Instant
    reason: str
    ordered_by: str


class SyncStatus(msgspec.Struct, frozen=True):
    """How reporting stands; everything is empty where the node does not report."""

    links: list[LinkRow]
    access_points: list[AccessPointRow]
    pauses: list[PauseRow]
    read_only: ReadOnlyState | None


class StreamRow(msgspec.Struct, frozen=True):
    """One stream: what is acknowledged, what waits, what is wrong."""

    reporter: str
    table: str
    scope: str
    acknowledged_sequence: int
    acknowledged_at: Instant | None
    queue_batches: int
    queue_rows: int
    oldest_queued_at: Instant | None
    failures: int
    halted_reason: str | None
    last_error: str | None
    last_error_at: Instant | None
    next_attempt_at: Instant | None
    compared_at: Instant | None
    differences: int
    open_rows: int


class SentBatch(msgspec.Struct, frozen=True):
    """One batch; `state` is queued, in_flight, processing or acknowledged, `status` that of its receipt."""

    batch_id: str
    reporter: str
    table: str
    scope: str
    sequence: int | None
    state: str
    mode: str
    row_count: int
    attempts: int
    created_at: Instant
    first_attempt_at: Instant | None
    acknowledged_at: Instant | None
    receipt_id: str | None
    status: str | None
    rows_rejected: int | None
    is_signed: bool


class OpenRowRow(msgspec.Struct, frozen=True):
    """One row that was refused, or withheld as not fit to be sent; `sent_again`: it goes again by itself."""

    reporter: str
    table: str
    scope: str
    key: str
    ver: int
    code: str
    field: str | None
    message: str
    noted_at: Instant
    withheld: bool
    sent_again: bool


class DirectiveRow(msgspec.Struct, frozen=True):
    """What the collector (or the operator, `origin`) asked for; without `result` it is under way."""

    reporter: str
    directive_id: str
    origin: str
    kind: str
    reason: str
    received_at: Instant
    result: str | None
    result_text: str
    finished_at: Instant | None
    acknowledged_at: Instant | None


class StreamList(msgspec.Struct, frozen=True):
    """Streams, halted ones first, then the longest queues."""

    items: list[StreamRow]


class SentBatchList(msgspec.Struct, frozen=True):
    """Batches, the newest first."""

    items: list[SentBatch]


class OpenRowList(msgspec.Struct, frozen=True):
    """Open rows, those that wait for somebody first."""

    items: list[OpenRowRow]


class DirectiveList(msgspec.Struct, frozen=True):
    """Directives, the newest first."""

    items: list[DirectiveRow]
