"""A table of codes and names, read from a file of the package: one `code<TAB>name` a line, in the order of codes."""

from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One code with its name as the standard prints it."""

    code: str
    name: str


def read_table(file_name: str) -> dict[str, Entry]:
    """Read a table of this package. Lines that begin with `#` say where it comes from."""
    table: dict[str, Entry] = {}
    for line in Path(__file__).with_name(file_name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            code, name = line.split("\t")
            table[code] = Entry(code, name)
    return table
