"""What any way of reporting to the national node must offer (docking contract 8.1), whatever its wire looks like."""

from collections.abc import Sequence
from typing import Literal, Protocol
from uuid import UUID

from sync.access_points import AccessPoint
from sync.batch import Batch, Limits, Pending, Receipt, Rejection, Requirement, StreamState, Unknown, Untold
from sync.digests import DigestAnswer, KeyRange
from sync.directives.shapes import Directive, Outcome

ErrorKind = Literal[
    "retry",  # wait and hand over the very same batch again
    "dependency",  # as retry; what is missing at the collector must be reported first
    "pause_link",  # nothing can be handed over until the link itself is in order
    "halt_stream",  # this batch can never be taken; somebody has to look
    "split",  # the batch is too large
    "reconcile",  # the two sides disagree on how far the stream is
    "rebuild",  # the collector read another body than the one we stored
]


class TransportError(Exception):
    """A batch was not acknowledged. `kind` says what follows; the other members are the collector's advice, if any."""

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind,
        code: str = "",
        retry_after_s: float | None = None,
        max_rows: int | None = None,
        max_bytes: int | None = None,
        missing: Sequence[Requirement] = (),
    ) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.code = code
        self.retry_after_s = retry_after_s
        self.max_rows = max_rows
        self.max_bytes = max_bytes
        self.missing = missing


class Transport(Protocol):
    """One way to the national node.

    Rules for every implementation: it never reorders rows; it never acknowledges a row that it did not see
    acknowledged; `submit` is idempotent by `batch.batch_id`. Every method raises TransportError and nothing else
    for what the collector or the network does.
    """

    @property
    def name(self) -> str:
        """What this way is called, such as idn-report/1."""
        ...

    def supports(self, table: str) -> bool:
        """Whether the collector takes this table by this way."""
        ...

    async def limits(self) -> Limits:
        """Ask for the collector's limits and tables."""
        ...

    async def submit(self, batch: Batch) -> Receipt | Pending:
        """Hand a batch over; again with the same batch, the same answer.

        With `resend_of` the batch is one acknowledged long ago that a directive asks for anew (9.10).
        """
        ...

    async def receipt(self, batch_id: UUID) -> Receipt | Pending | Unknown:
        """Ask for the verdict on a batch handed over earlier."""
        ...

    async def rejections(self, batch_id: UUID, after_n: int) -> tuple[Rejection, ...]:
        """Return the next page of a batch's rejections behind row `after_n`; empty when there are no more."""
        ...

    async def last_sequence(self, table: str, scope: str) -> StreamState | Unknown | Untold:
        """Ask how far a stream has come at the collector."""
        ...

    async def put_file(self, sha256: str, media_type: str, content: bytes) -> None:
        """Hand a file over that rows refer to (9.9), unless it is there; at most 20 MiB."""
        ...

    async def put_monthly_report(self, month: str, content: bytes) -> bytes:
        """Hand the monthly report of `YYYY-MM` over; returns the answer's JSON. `stale`: this revision is there."""
        ...

    async def directives(self, after: str) -> tuple[Directive, ...]:
        """Return the next page of what the collector asks, behind the directive `after`; "" for the first."""
        ...

    async def acknowledge_directive(self, directive_id: str, outcome: Outcome) -> None:
        """Tell what became of a directive."""
        ...

    async def digests(self, table: str, scope: str, keys: KeyRange, *, depth: int, rows: bool) -> DigestAnswer:
        """Ask what the collector holds of a stream within these keys, divided 2^depth times."""
        ...

    def access_points(self) -> Sequence[AccessPoint]:
        """Return the collector's access points as far as they are known; none where there is no such thing."""
        ...

    async def aclose(self) -> None:
        """Give up the connections."""
        ...
