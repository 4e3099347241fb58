"""What any way of reporting to the national node must offer (docking contract 8.1), whatever its wire looks like."""

from typing import Literal, Protocol
from uuid import UUID

from sync.batch import Batch, Limits, Pending, Receipt, Rejection, StreamState, Unknown

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
    ) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.code = code
        self.retry_after_s = retry_after_s
        self.max_rows = max_rows
        self.max_bytes = max_bytes


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
        """Hand a batch over; again with the same batch, the same answer."""
        ...

    async def receipt(self, batch_id: UUID) -> Receipt | Pending | Unknown:
        """Ask for the verdict on a batch handed over earlier."""
        ...

    async def rejections(self, batch_id: UUID, after_n: int) -> tuple[Rejection, ...]:
        """Return the next page of a batch's rejections behind row `after_n`; empty when there are no more."""
        ...

    async def last_sequence(self, table: str, scope: str) -> StreamState | Unknown:
        """Ask how far a stream has come at the collector."""
        ...

    async def aclose(self) -> None:
        """Give up the connections."""
        ...
