"""The records of a file in chunks, each small enough to be one request and to be done again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from identifiers.handle import fold
from node.client.readers.record import Reject, Row

CHUNK_OCTETS_MAX = 8 * 1024 * 1024
"""A chunk is closed at this size even if it has few rows: it bounds the memory of an import and the node's request."""


@dataclass(slots=True)
class Chunk:
    """Consecutive records of a file: rows to send, and rejects that the reader found between them."""

    rows: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    """The identifiers of the rows as they compare at most coarsely, to keep chunks that share one in their order."""

    @property
    def records(self) -> int:
        """How many of the file's records the chunk holds."""
        return len(self.rows) + len(self.rejects)

    def shares_a_key_with(self, other: "Chunk") -> bool:
        """Tell whether both chunks may name the same identifier."""
        return not self.keys.isdisjoint(other.keys)


def in_chunks(records: Iterable[Row | Reject], rows_max: int) -> Iterator[Chunk]:
    """Yield all records in chunks of at most `rows_max`; the last one may be small, none is empty."""
    chunk = Chunk()
    octets = 0
    for record in records:
        if isinstance(record, Row):
            chunk.rows.append(record)
            chunk.keys.add(fold(record.identifier))
            octets += len(record.body)
        else:
            chunk.rejects.append(record)
            octets += sum(map(len, record.cells))
        if chunk.records >= rows_max or octets >= CHUNK_OCTETS_MAX:
            yield chunk
            chunk, octets = Chunk(), 0
    if chunk.records:
        yield chunk
