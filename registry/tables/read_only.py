"""The table `read_only`: whether the registry takes changes, or another body serves for this node (take-over)."""

from dataclasses import dataclass
from datetime import datetime

from registry.database import Connection

_BEGIN = """
INSERT INTO read_only (since, reason, ordered_by) VALUES ($1, $2, $3)
ON CONFLICT (only_row) DO UPDATE SET reason = $2, ordered_by = $3"""
_END = "DELETE FROM read_only"
_FIND = "SELECT since, reason, ordered_by FROM read_only"


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """Since when, why and by whose order nothing may be changed."""

    since: datetime
    reason: str
    ordered_by: str


async def begin(connection: Connection, now: datetime, *, reason: str, ordered_by: str) -> None:
    """Refuse changes from the end of this transaction on."""
    await connection.execute(_BEGIN, now, reason, ordered_by)


async def end(connection: Connection) -> bool:
    """Take changes again; False if they were taken all along."""
    return bool(await connection.execute(_END) != "DELETE 0")


async def find(connection: Connection) -> ReadOnly | None:
    """Return why nothing may be changed; None while changes are taken."""
    row = await connection.fetchrow(_FIND)
    return None if row is None else ReadOnly(row["since"], row["reason"], row["ordered_by"])
