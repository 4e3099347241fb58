"""The tables that are reported: T9 follows the journal change by change, the others are told by ready rows."""

from collections.abc import Mapping

from sync.tables.plain import PlainTable
from sync.tables.t9 import T9
from sync.tables.table import Table

PLAIN = ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T10", "T11", "M1", "M2", "E1", "E2")


def tables(reporter: str, default_template: str | None = None) -> Mapping[str, Table]:
    """Return every table of the contract by its name."""
    reported: tuple[Table, ...] = (T9(reporter, default_template), *map(PlainTable, PLAIN))
    return {table.name: table for table in reported}


def journal_table(tables: Mapping[str, Table]) -> T9:
    """Return the one table whose rows are the journal's changes."""
    table = tables["T9"]
    assert isinstance(table, T9)  # noqa: S101 - `tables` made it so
    return table
