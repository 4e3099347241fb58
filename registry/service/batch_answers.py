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
    """Answers to some lines, by line number, with their counts and the journal position reached.

    `shown`: the identifiers of those that are not rejected, as JSON.
    """

    def __init__(self) -> None:
        self.statuses: dict[int, Status] = {}
        self.rejections: dict[int, Rejection] = {}
        self.cursor = START
        self.shown: dict[int, bytes] = {}

    @property
    def counts(self) -> Counter[str]:
        """How many lines have each status."""
        return Counter(self.statuses.values())

    def give(self, line: int, shown: bytes, status: Status) -> None:
        """Answer a line; `shown` is its identifier as JSON."""
        self.shown[line] = shown
        self.statuses[line] = status

    def reject(self, rejection: Rejection) -> None:
        """Answer a line that is not stored."""
        self.rejections[rejection.line] = rejection
        self.statuses[rejection.line] = "rejected"

    def add(self, others: "Answers") -> None:
        """Take over the answers to other lines."""
        self.shown |= others.shown
        self.rejections |= others.rejections
        self.statuses |= others.statuses
        self.cursor = max(self.cursor, others.cursor)

    def lines(self) -> bytes:
        """Return the answers in the order of their lines, as NDJSON of `RowAnswer`; long texts are cut."""
        return b"".join([self._line(line, self.statuses[line]) for line in sorted(self.statuses)])

    def _line(self, line: int, status: Status) -> bytes:
        if status != "rejected":
            # The same octets as encoding a `RowAnswer`.
            return b'{"line":%d,"identifier":%b,"status":"%b"}\n' % (line, self.shown[line], status.encode())
        rejection = self.rejections[line]
        name = rejection.identifier
        answer = RowAnswer(
            line,
            name[:IDENTIFIER_CHARACTERS_MAX] if name is not None else None,
            status,
            rejection.code,
            rejection.field,
            rejection.message[:MESSAGE_CHARACTERS_MAX],
        )
        return msgspec.json.encode(answer) + b"\n"
