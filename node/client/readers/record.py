"""What a reader yields: rows ready to be sent, and rejects that say what was wrong where."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from identifiers.identifier import Identifier, Invalid

RECORD_CHARS_MAX = 1_048_576
"""The longest record read from a file. A registered record has at most 262,000 octets; JSON escapes make it longer."""

COLUMNS_MAX = 2_048
"""The values that one record may have."""

TYPE_OCTETS_MAX = 255
FIRST_INDEX = 2_000
"""Without a template, the n-th column becomes the value with index FIRST_INDEX + n."""

IdentifierCheck = Callable[[str], Identifier | Invalid]
"""A scheme's own check of the text in the identifier column."""


class ReadError(Exception):
    """The file as a whole cannot be read; the message says why and what to do."""


class Row(NamedTuple):
    """A record ready to be sent.

    `line` is where it starts in the file (from 1), `body` its JSON without a line end, `cells` the record as it
    stood in the file, for the rejects file in case the node refuses it. `template` is the code of the one the record
    says it follows, which the one given for the whole import overrides.
    """

    line: int
    identifier: str
    body: bytes
    cells: Sequence[str]
    template: str | None = None


class Reject(NamedTuple):
    """A record that is not registered: where, why (for people and for programs), and the record as it stood."""

    line: int
    column: str
    reason: str
    code: str
    cells: Sequence[str]


class Source(Protocol):
    """An open file of records, read once from its beginning, in constant memory."""

    @property
    def columns(self) -> Sequence[str]:
        """The names over the cells of rows and rejects."""

    @property
    def id_column(self) -> str:
        """The column that holds the identifier."""

    def __iter__(self) -> Iterator[Row | Reject]: ...

    def position(self) -> tuple[int, int | None]:
        """How far the reading is, and how far it goes if that is known; in units of the source's own (for a bar)."""

    def close(self) -> None:
        """Close the file."""


def refused(line: int, column: str, invalid: Invalid, cells: Sequence[str]) -> Reject:
    """Return the reject of a record whose identifier its scheme does not accept."""
    return Reject(line, column, invalid.message, invalid.code, cells)
