"""Rows of cells under a header become records: one value for each cell that is not empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from identifiers.identifier import Invalid
from node.client.readers.record import (
    COLUMNS_MAX,
    FIRST_INDEX,
    TYPE_OCTETS_MAX,
    IdentifierCheck,
    ReadError,
    Reject,
    Row,
    refused,
)


@dataclass(frozen=True, slots=True)
class TemplateItem:
    """The index and type of the value that a column becomes."""

    index: int
    type: str


@dataclass(frozen=True, slots=True)
class Mould:
    """What turns cells into a record, the same for every row of a file.

    `items` are a template's, by column name; without a template the columns are numbered in their order.
    """

    prefix: str
    id_column: str | None = None
    check: IdentifierCheck | None = None
    items: Mapping[str, TemplateItem] | None = None


class Table:
    """A header and its mould: casts rows of cells into records."""

    def __init__(self, header: Sequence[str], mould: Mould) -> None:
        """Take a header; raises ReadError if it cannot name the values, or lacks the identifier column."""
        self.columns = _named(header)
        self._width = len(self.columns)
        self._id_at = _identifier_position(self.columns, mould.id_column)
        self.id_column = self.columns[self._id_at]
        self._place_of = _places(self.columns, self.id_column, mould.items)
        self._check = mould.check
        self._stem = mould.prefix + "/"

    def fits(self, cells: Sequence[str]) -> bool:
        """Tell whether a row has exactly the header's cells; more are allowed if they are empty."""
        return len(cells) == self._width or (len(cells) > self._width and not any(cells[self._width :]))

    def cast(self, line: int, cells: Sequence[str]) -> Row | Reject:
        """Return the record of a row, or why it is none."""
        if len(cells) != self._width and not self.fits(cells):
            reason = f"the row has {len(cells)} cells, the header {self._width}"
            return Reject(line, "", reason, "bad_cell_count", cells)
        suffix = cells[self._id_at].strip()
        if not suffix:
            return self._id_reject(line, "the identifier is empty", "empty", cells)
        if self._check is not None and isinstance(invalid := self._check(suffix), Invalid):
            return refused(line, self.id_column, invalid, cells)
        identifier = self._stem + suffix
        # The measured hot path of an import: one dict per value and one call into orjson per record.
        values = [
            {"index": place.index, "type": place.type, "data": cell}
            for place, cell in zip(self._place_of, cells, strict=False)
            if cell and place
        ]
        try:
            body = orjson.dumps({"identifier": identifier, "values": values})
        except orjson.JSONEncodeError:
            return self._undecodable(line, cells)
        return Row(line, identifier, body, cells)

    def _id_reject(self, line: int, reason: str, code: str, cells: Sequence[str]) -> Reject:
        return Reject(line, self.id_column, reason, code, cells)

    def _undecodable(self, line: int, cells: Sequence[str]) -> Reject:
        # The reader lets octets of another encoding through as lone surrogates, which no JSON can hold.
        column = next((name for name, cell in zip(self.columns, cells, strict=False) if not _is_text(cell)), "")
        reason = "the text is not in the file's encoding; give the right one with --encoding"
        return Reject(line, column, reason, "bad_encoding", cells)


def _named(header: Sequence[str]) -> tuple[str, ...]:
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()  # spreadsheets like to add empty columns at the right
    if not names:
        raise ReadError("the first row must name the columns, but it is empty")
    if len(names) > COLUMNS_MAX:
        raise ReadError(f"the header has {len(names)} columns; at most {COLUMNS_MAX} become values")
    for number, name in enumerate(names, start=1):
        _check_name(number, name)
    return tuple(names)


def _check_name(number: int, name: str) -> None:
    if not name:
        raise ReadError(f"column {number} has no name; give it one in the first row, or remove it")
    if not _is_text(name):
        raise ReadError(f"the name of column {number} is not in the file's encoding; give it with --encoding")
    if len(name.encode()) > TYPE_OCTETS_MAX:
        raise ReadError(f"the name of column {number} is longer than {TYPE_OCTETS_MAX} octets")


def _identifier_position(columns: Sequence[str], id_column: str | None) -> int:
    if id_column is None:
        return 0
    found = [at for at, name in enumerate(columns) if name == id_column.strip()]
    if len(found) != 1:
        count = "no" if not found else "more than one"
        raise ReadError(f"the file has {count} column {id_column!r}; its columns are: {', '.join(columns)}")
    return found[0]


def _places(
    columns: Sequence[str], id_column: str, items: Mapping[str, TemplateItem] | None
) -> tuple[TemplateItem | None, ...]:
    """Return the value each column becomes; None for an identifier column that the template does not know."""
    if items is None:
        return tuple(TemplateItem(FIRST_INDEX + at, name) for at, name in enumerate(columns))
    unknown = [name for name in columns if name not in items and name != id_column]
    if unknown:
        raise ReadError(f"the template has no item {', '.join(unknown)}; its items are: {', '.join(items)}")
    return tuple(items.get(name) for name in columns)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
