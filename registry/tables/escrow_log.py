"""The table `escrow_record_log`, read for people: one row for each run that made a deposit."""

from collections.abc import Sequence
from typing import Any, Final

from registry.database import Connection

_NEWEST: Final = """
SELECT id, prefix, watermark, rev, data_type, start_time, end_time, status, remark, deposit_id, bytes, files, verdict,
       verdict_at, verdict_text
FROM escrow_record_log ORDER BY id DESC LIMIT $1"""


async def newest(connection: Connection, limit: int) -> Sequence[dict[str, Any]]:
    """Return the newest runs."""
    return [dict(row) for row in await connection.fetch(_NEWEST, limit)]
