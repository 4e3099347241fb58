"""A table whose rows are ready when they are queued: every table of the contract but T9."""

from typing import Final

from sync.batch import Row
from sync.tables.table import Operation


class PlainTable:
    """One of T1 to T8, T10, T11, M1, M2, E1 and E2. Its rows say by `op` alone what happened to their key."""

    schema: Final = 1

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The table's name in the contract."""
        return self._name

    def operation(self, row: Row) -> Operation:
        """Return what a row tells of: a row that is no deletion gives the whole state."""
        return Operation.DELETE if row.op == "delete" else Operation.MODIFY

    def as_addition(self, row: Row) -> Row:
        """Return the row as it is: it does not say whether the collector held the key before."""
        return row
