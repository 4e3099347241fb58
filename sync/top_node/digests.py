"""Digests of what is held of a stream, for reconciliation: counts and SHA-256 over keys and versions in a range."""

from typing import Any, Final

from sync.collecting.digests import Asked, RangeDigest
from sync.top_node.book import Book

_HELD: Final = (
    "FROM held_rows WHERE table_id = ? AND reporter = ? AND scope = ? AND part = 1 AND NOT deleted "
    "AND (? IS NULL OR key >= ?) AND (? IS NULL OR key < ?)"
)


def digest(book: Book, reporter: str, table: str, scope: str, asked: Asked) -> dict[str, Any]:
    """Return the digest of one half-open range of keys, and of up to 2^depth ranges of equal counts inside it."""
    where = (table, reporter, scope, asked.lower, asked.lower, asked.upper, asked.upper)
    found = book.one(f"SELECT count(*) AS held {_HELD}", *where)
    made = RangeDigest(asked, 0 if found is None else found["held"])
    for row in book.db.execute(f"SELECT key, ver {_HELD} ORDER BY key", where):
        made.add(row["key"], row["ver"])
    return made.answer(table, scope)
