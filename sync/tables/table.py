"""What a report table is to the rest of the package: how its rows come from the journal, and how they are checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum
from typing import Any, NamedTuple, Protocol

from identifiers.changes import Change
from sync.batch import Period, Row
from sync.database import Connection
from sync.templates import Templates


class Operation(IntEnum):
    """`operation_type` 操作类型 (docking contract 3.2)."""

    ADD = 1
    DELETE = 2
    MODIFY = 3


class Standing(Enum):
    """Whether the collector will hold a key once everything queued so far is acknowledged."""

    ABSENT = "absent"
    PRESENT = "present"
    UNSURE = "unsure"


class Problem(NamedTuple):
    """Why a row is not fit to be reported; codes as in a rejection (9.5). `message` tells the owner what to do."""

    code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Reported:
    """One journal change as a table sees it. `data` lacks only the operation; with a `problem` it is not sent."""

    scope: str
    key: str
    ver: int
    at: datetime
    op: str
    data: Mapping[str, Any]
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A row to be sent: what happened to the key, and the state it is told with."""

    operation: Operation
    change: Reported


class Table(Protocol):
    """One table of the contract, T1 to E2. All of them: `sync.tables.tables`."""

    @property
    def name(self) -> str:
        """The table's name in the contract, such as T9."""
        ...

    @property
    def schema(self) -> int:
        """The version of its row schema."""
        ...

    def operation(self, row: Row) -> Operation:
        """Return what a row of this table tells of."""
        ...

    def as_addition(self, row: Row) -> Row:
        """Return a row that told of a modification, telling of an addition instead."""
        ...


class JournalTable(Table, Protocol):
    """A table whose rows are the changes of the journal themselves, collapsed by period."""

    def period(self, at: datetime) -> Period:
        """Return the period that a change committed at this moment belongs to."""
        ...

    async def read(self, changes: Sequence[Change], templates: Templates, connection: Connection) -> list[Reported]:
        """Return what this table tells of these journal rows, in their order; rows of other kinds give nothing."""
        ...

    def collapse(self, changes: Sequence[Reported], standing: Standing) -> tuple[Draft, ...]:
        """Return the rows that tell of one key's changes in one period, given oldest first."""
        ...

    def row(self, draft: Draft) -> Row:
        """Return the draft as a row, its number still 0."""
        ...
