"""Reading the journal by whole Beijing days, so that a day's changes of an identifier collapse into its rows of T9.

Changes stay in the journal's order and memory holds a page of them: of an identifier that changed several times in a
day, only those changes are kept that collapsing looks at (docking contract 4.9), at the place of the last one.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

from identifiers.changes import KIND_IDENTIFIER, Change, Cursor
from registry import journal
from sync.calendar_time import beijing_day, day_period
from sync.database import Connection

# The first change says whether the identifier is new, the last one its state, and the last deletion and the last state
# before one tell a deletion and what was deleted: four at most.
_HISTORIES: Final = """
SELECT xid, seq, at, kind, key, op, after FROM (
    SELECT xid, seq, at, kind, key, op, after, count(*) OVER (PARTITION BY key) AS changes,
           row_number() OVER (PARTITION BY key ORDER BY xid, seq) AS place,
           row_number() OVER (PARTITION BY key, op = 'withdraw' ORDER BY xid DESC, seq DESC) AS from_end
    FROM journal
    WHERE kind = $1 AND key = ANY($2::text[]) AND at >= $3 AND at < $4
      AND xid < pg_snapshot_xmin(pg_current_snapshot())
) AS day
WHERE changes > 1 AND (place = 1 OR from_end = 1)
ORDER BY xid, seq"""


async def closed(connection: Connection, after: Cursor, limit: int, now: datetime) -> list[Change]:
    """Return the next changes of days that have ended in Beijing; none while the next one is of the day that runs."""
    today = beijing_day(now)
    first = await journal.read_changes(connection, after, 1)
    if not first or beijing_day(first[0].at) >= today:
        return []
    page = await journal.read_changes(connection, after, limit)
    ended = next((at for at, change in enumerate(page) if beijing_day(change.at) >= today), len(page))
    return page[:ended]


async def histories(connection: Connection, page: Sequence[Change]) -> list[Change]:
    """Return a page with each identifier's changes of a day together, at the place of the last of them."""
    together: dict[tuple[date, str], list[Change]] = {}
    for day, keys in _keys_by_day(page).items():
        period = day_period(day)
        bounds = (datetime.fromisoformat(period.start), datetime.fromisoformat(period.end))
        for row in await connection.fetch(_HISTORIES, KIND_IDENTIFIER, keys, *bounds):
            change = Change(
                row["xid"], row["seq"], row["at"], row["kind"], row["key"], row["op"], row["after"].encode()
            )
            together.setdefault((day, change.key), []).append(change)
    gathered: list[Change] = []
    for change in page:
        history = None if change.kind != KIND_IDENTIFIER else together.get((beijing_day(change.at), change.key))
        if history is None:
            gathered.append(change)
        elif history[-1].cursor == change.cursor:
            gathered += history
    return gathered


def _keys_by_day(page: Iterable[Change]) -> dict[date, list[str]]:
    keys: dict[date, dict[str, None]] = {}
    for change in page:
        if change.kind == KIND_IDENTIFIER:
            keys.setdefault(beijing_day(change.at), {})[change.key] = None
    return {day: list(found) for day, found in keys.items()}
