"""The tables that are reported, one module each; a further table is one more module and one more line here."""

from collections.abc import Mapping

from sync.tables.t9 import T9
from sync.tables.table import Table


def tables(reporter: str, default_template: str | None = None) -> Mapping[str, Table]:
    """Return every table this release reports, by name."""
    reported: tuple[Table, ...] = (T9(reporter, default_template),)
    return {table.name: table for table in reported}
