"""Rows of T9 that an enterprise's own node has told of, as they stand: for full sets, and for readers of the feed."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sync.batch import Row
from sync.database import Connection
from sync.tables.table import Operation

_ANY: Final = "SELECT EXISTS (SELECT FROM intake_rows WHERE table_id = 'T9' AND reporter = $1)"
_PAGE: Final = """
SELECT key, told_ver, deleted, at, data FROM intake_rows
WHERE table_id = 'T9' AND reporter = $1 AND key > $2 AND NOT deleted ORDER BY key LIMIT $3"""
_OF_BATCH: Final = """
SELECT key, told_ver, deleted, at, data FROM intake_rows WHERE batch_id = $1 AND table_id = 'T9' ORDER BY key"""
_REPORTERS: Final = "SELECT DISTINCT reporter FROM intake_rows WHERE table_id = 'T9' ORDER BY reporter"


async def any_of(connection: Connection, prefix: str) -> bool:
    """Whether an enterprise's own node has told of identifiers below a prefix."""
    return bool(await connection.fetchval(_ANY, prefix))


async def reporters(connection: Connection) -> Sequence[str]:
    """Return the prefixes whose own nodes have told of identifiers."""
    return [row["reporter"] for row in await connection.fetch(_REPORTERS)]


async def page(connection: Connection, prefix: str, after: str, limit: int) -> list[Row]:
    """Return rows in the order of their keys, each as an addition."""
    return [_row(row) for row in await connection.fetch(_PAGE, prefix, after, limit)]


async def of_batch(connection: Connection, batch_id: str) -> list[Row]:
    """Return the rows that a batch was the last to tell, deletions too."""
    return [_row(row) for row in await connection.fetch(_OF_BATCH, batch_id)]


def _row(row: Any) -> Row:
    data: dict[str, Any] = msgspec.json.decode(row["data"])[0]
    data["operation_type"] = int(Operation.DELETE if row["deleted"] else Operation.ADD)
    return Row(
        n=0,
        key=row["key"],
        op="delete" if row["deleted"] else "upsert",
        ver=row["told_ver"],
        at=row["at"],
        data=msgspec.Raw(msgspec.json.encode(data)),
    )
