"""Batches of events sent past PostgreSQL while it is away: a file, written whole and synced before the first attempt.

Pending: its entries. An entry goes when the database knows of it too (`sync.direct_events`), so a batch that the
collector may hold is never forgotten, whichever process dies when.
"""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from registry.tables.node_events import Event
from sync.batch import Batch, Period, Proof, ProvedReceipt, Receipt, Rejection
from sync.durable_file import replace_durably


class Sent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A batch with its events; without a receipt nobody knows whether the collector took it."""

    batch: Batch
    period: Period
    events: list[Event]
    receipt: Receipt | None = None
    proof: Proof | None = None
    rejections: list[Rejection] = []

    def answered(self, receipt: Receipt, rejections: Sequence[Rejection]) -> "Sent":
        """Return the same with the collector's word on it."""
        proof = receipt.proof if isinstance(receipt, ProvedReceipt) else None
        members = {name: getattr(receipt, name) for name in Receipt.__struct_fields__}
        return msgspec.structs.replace(self, receipt=Receipt(**members), proof=proof, rejections=list(rejections))

    @property
    def proved_receipt(self) -> Receipt | None:
        """The receipt with the collector's signature, if it signed."""
        if self.receipt is None or self.proof is None:
            return self.receipt
        return ProvedReceipt(**msgspec.structs.asdict(self.receipt), proof=self.proof)


_decode = msgspec.json.Decoder(list[Sent]).decode


class EventOutbox:
    """The entries in the order in which they were made. For one process.

    Methods raise OSError where the disk does not take what is written; a file that cannot be read raises ValueError
    when it is opened, because what it holds may be at the collector.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: list[Sent] = []
        try:
            octets = path.read_bytes()
        except FileNotFoundError:
            return
        try:
            self._entries = _decode(octets)
        except msgspec.DecodeError as error:
            raise ValueError(f"{path} is no outbox of events: {error}; move it away to go on without it") from error

    @property
    def entries(self) -> tuple[Sent, ...]:
        """What is under way or waits for the database."""
        return tuple(self._entries)

    def holds(self, event_no: str) -> bool:
        """Whether an event is in an entry."""
        return any(event.event_no == event_no for entry in self._entries for event in entry.events)

    def put(self, entry: Sent) -> None:
        """Keep an entry, in the place of the one with the same batch."""
        kept = [one if one.batch.batch_id != entry.batch.batch_id else entry for one in self._entries]
        self._write(kept if entry in kept else [*kept, entry])

    def drop(self, batch_id: UUID) -> None:
        """Forget an entry."""
        self._write([one for one in self._entries if one.batch.batch_id != batch_id])

    def _write(self, entries: list[Sent]) -> None:
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace_durably(self._path, msgspec.json.encode(entries), mode=0o600)
        self._entries = entries
