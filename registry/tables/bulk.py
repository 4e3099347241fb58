"""Adding thousands of rows at once: PostgreSQL's binary COPY format, encoded here row by row.

The driver's own `copy_records_to_table` encodes each value by its type and takes four times as long; these rows have
the same columns each time, so all but three of them are encoded once. Measured by the bulk import of `make bench`.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from struct import Struct
from typing import Final

from registry import origin
from registry.database import Connection

_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_length = Struct(">i").pack
_count = Struct(">h").pack
_PARTS_PER_MESSAGE: Final = 512
"""About 50 kB a message: memory that stays in the cache; in one piece a chunk took twice as long to send."""
_bigint = Struct(">q").pack
_MICROSECONDS_PER_DAY: Final = 86_400_000_000

_IDENTIFIER_COLUMNS: Final = ("key", "spelling", "values", "prefix_id", "template_id", "created_at", "updated_at")
_JOURNAL_COLUMNS: Final = ("key", "after", "op", "actor", "kind")
_AUDIT_AND_POSITION: Final = """
WITH audited AS (
    INSERT INTO audit_log (kind, actor, address, action, object, result, request_id, count)
    VALUES ('change', $1, $2, $3, $4, 'ok', $5, $6)
)
SELECT pg_current_xact_id() AS xid, currval('journal_seq') AS seq"""


class IdentifierRows:
    """New rows of `identifiers`, all of one prefix, template and instant; every other column has its default."""

    def __init__(self, prefix_id: int, template_id: int | None, created_at: datetime) -> None:
        instant = _field(_timestamp(created_at))
        template = _NULL if template_id is None else _field(_bigint(template_id))
        self._tail = _field(_bigint(prefix_id)) + template + instant + instant
        self._parts: list[bytes] = []

    def add(self, key: bytes, spelling: bytes, values: bytes) -> None:
        """Add one row."""
        self._parts += (
            _IDENTIFIER_FIELDS,
            _length(len(key)),
            key,
            _length(len(spelling)),
            spelling,
            _length(len(values)),
            values,
            self._tail,
        )

    async def write(self, connection: Connection) -> None:
        """Send the rows. Raises asyncpg's UniqueViolationError if one of them exists, and then none is added."""
        await _copy(connection, "identifiers", _IDENTIFIER_COLUMNS, self._parts)


class JournalRows:
    """New rows of `journal`, all by one actor and of one kind; in the audit log one entry, with their count."""

    def __init__(self, actor: str, kind: str) -> None:
        self._actor, self._kind = actor, kind
        self._first: bytes | None = None
        self._count = 0
        self._tail = _field(actor.encode()) + _field(kind.encode())
        self._parts: list[bytes] = []

    def add(self, op: bytes, key: bytes, after: bytes) -> None:
        """Add one row."""
        if self._first is None:
            self._first = key
        self._count += 1
        self._parts += (
            _JOURNAL_FIELDS,
            _length(len(key)),
            key,
            _length(len(after)),
            after,
            _length(len(op)),
            op,
            self._tail,
        )

    async def write(self, connection: Connection) -> tuple[int, int]:
        """Send the rows and return the (xid, seq) of the last one."""
        await _copy(connection, "journal", _JOURNAL_COLUMNS, self._parts)
        here = origin.current()
        here.recorded += 1
        first = f"{self._kind} {(self._first or b'').decode()}"
        position = await connection.fetchrow(
            _AUDIT_AND_POSITION, self._actor, here.address, here.action, first, here.request_id, self._count
        )
        assert position is not None  # noqa: S101 - a SELECT without FROM has one row
        return position["xid"], position["seq"]


async def _copy(connection: Connection, table: str, columns: Sequence[str], parts: list[bytes]) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield _HEADER
        for start in range(0, len(parts), _PARTS_PER_MESSAGE):
            yield b"".join(parts[start : start + _PARTS_PER_MESSAGE])
        yield _TRAILER

    await connection.copy_to_table(table, source=source(), columns=columns, format="binary")


def _field(content: bytes) -> bytes:
    return _length(len(content)) + content


def _timestamp(at: datetime) -> bytes:
    since = at - _EPOCH
    return _bigint(since.days * _MICROSECONDS_PER_DAY + since.seconds * 1_000_000 + since.microseconds)


_IDENTIFIER_FIELDS: Final = _count(len(_IDENTIFIER_COLUMNS))
_JOURNAL_FIELDS: Final = _count(len(_JOURNAL_COLUMNS))
