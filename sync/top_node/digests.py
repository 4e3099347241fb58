"""Digests of what is held of a stream, for reconciliation: counts and SHA-256 over keys and versions in a range."""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

from sync.top_node.book import Book

DEPTH_MAX: Final = 8
ROWS_MAX: Final = 2_000

_Bound = str | None
_HELD: Final = (
    "FROM held_rows WHERE table_id = ? AND reporter = ? AND scope = ? AND part = 1 AND NOT deleted "
    "AND (? IS NULL OR key >= ?) AND (? IS NULL OR key < ?)"
)


def digest(
    book: Book, reporter: str, table: str, scope: str, start: _Bound, end: _Bound, *, depth: int, rows: bool
) -> dict[str, Any]:
    """Return the digest of one half-open range of keys, and of up to 2^depth ranges of equal counts inside it."""
    where = (table, reporter, scope, start, start, end, end)
    found = book.one(f"SELECT count(*) AS held {_HELD}", *where)
    count = 0 if found is None else found["held"]
    ranges = min(2**depth, count) if depth else 0
    whole = hashlib.sha256()
    cuts = [position * count // ranges for position in range(1, ranges)] if ranges else []
    parts = _Parts(cuts)
    listed: list[dict[str, Any]] | None = [] if rows and count <= ROWS_MAX else None
    for key, ver in _rows(book, where):
        line = f"{key}\0{ver}\n".encode()
        whole.update(line)
        if ranges:
            parts.add(key, line)
        if listed is not None:
            listed.append({"key": key, "ver": ver})
    answer: dict[str, Any] = {
        "table": table,
        "scope": scope,
        **_told(start, end, count, whole.hexdigest()),
        "ranges": parts.told(start, end) if ranges else [],
    }
    return answer if listed is None else answer | {"rows": listed}


class _Parts:
    """Digests of consecutive ranges; `cuts` are the positions at which the second and later ones begin."""

    def __init__(self, cuts: list[int]) -> None:
        self._cuts = set(cuts)
        self._position = 0
        self._begun: list[str | None] = [None]
        self._counts = [0]
        self._digests = [hashlib.sha256()]

    def add(self, key: str, line: bytes) -> None:
        if self._position in self._cuts:
            self._begun.append(key)
            self._counts.append(0)
            self._digests.append(hashlib.sha256())
        self._position += 1
        self._counts[-1] += 1
        self._digests[-1].update(line)

    def told(self, start: _Bound, end: _Bound) -> list[dict[str, Any]]:
        bounds = [start, *self._begun[1:], end]
        return [
            _told(bounds[n], bounds[n + 1], count, one.hexdigest())
            for n, (count, one) in enumerate(zip(self._counts, self._digests, strict=True))
        ]


def _rows(book: Book, where: tuple[_Bound, ...]) -> Iterator[tuple[str, int]]:
    for row in book.db.execute(f"SELECT key, ver {_HELD} ORDER BY key", where):
        yield row["key"], row["ver"]


def _told(start: _Bound, end: _Bound, count: int, sha256: str) -> dict[str, Any]:
    return {"from": start, "to": end, "count": count, "sha256": sha256}
