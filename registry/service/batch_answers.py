"""What a batch says about each of its lines, and the sum of it."""

from collections import Counter
from typing import Final, Literal

import msgspec

from identifiers.changes import START

Status = Literal["created", "replaced", "unchanged", "skipped", "withdrawn", "rejected"]

MESSAGE_CHARACTERS_MAX: Final = 300
IDENTIFIER_CHARACTERS_MAX: Final = 255


class RowAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one line. `code`, `field` and `message` say why it was rejected."""

    line: int
    identifier: str | None
    status: Status
    code: str = ""
    field: str = ""
    message: str = ""


class Rejection(msgspec.Struct, frozen=True):
    """Why a line is not stored. `identifier` is None if the line does not even tell."""

    line: int
    identifier: str | None
    code: str
    field: str
    message: str


class Answers:
    """Answers to some lines, by line number and already encoded, with their counts and the journal position reached."""

    def __init__(self) -> None:
        self.lines: dict[int, bytes] = {}
        self.statuses: dict[int, Status] = {}
        self.cursor = START

    @property
    def counts(self) -> Counter[str]:
        """How many lines have each status."""
        return Counter(self.statuses.values())

    def give(self, line: int, shown: bytes, status: Status) -> None:
        """Answer a line; `shown` is its identifier as JSON. The same octets as encoding a `RowAnswer`."""
        self.lines[line] = b'{"line":%d,"identifier":%b,"status":"%b"}\n' % (line, shown, status.encode())
        self.statuses[line] = status

    def reject(self, rejection: Rejection) -> None:
        """Answer a line that is not stored. Long texts of the client's are cut."""
        name = rejection.identifier
        answer = RowAnswer(
            rejection.line,
            name[:IDENTIFIER_CHARACTERS_MAX] if name is not None else None,
            "rejected",
            rejection.code,
            rejection.field,
            rejection.message[:MESSAGE_CHARACTERS_MAX],
        )
        self.lines[rejection.line] = msgspec.json.encode(answer) + b"\n"
        self.statuses[rejection.line] = "rejected"

    def add(self, others: "Answers") -> None:
        """Take over the answers to other lines."""
        self.lines |= others.lines
        self.statuses |= others.statuses
        self.cursor = max(self.cursor, others.cursor)
