"""Folding look-ups per second into each day's busiest second, once nobody adds to them any more.

Workers tell of the same second at different times, so a second is quiet when nothing was added to it for two minutes.
Hosts that were cut off for longer tell of it later still: until two days after a day, every second of the node is kept
for them, and of each prefix the busiest `SECONDS_KEPT`.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Final

from registry.database import Connection
from registry.statistics import BEIJING, beijing_day

FOLD_AFTER: Final = timedelta(minutes=2)
DAYS_OPEN: Final = timedelta(days=2)
SECONDS_KEPT: Final = 60

_FOLD = """
WITH {kept}quiet AS (
    DELETE FROM {seconds} AS s WHERE s.added_at <= $1 AND {is_over} RETURNING s.{of}, s.second, s.count
), peaks AS (
    SELECT DISTINCT ON (day, {of})
           (second AT TIME ZONE 'UTC' + interval '8 hours')::date AS day, {of}, count, second
    FROM quiet
    ORDER BY day, {of}, count DESC, second
)
INSERT INTO {peaks} AS kept (day, {of}, peak_qps, peak_at)
SELECT day, {of}, count, second FROM peaks
ON CONFLICT (day, {of}) DO UPDATE SET peak_qps = excluded.peak_qps, peak_at = excluded.peak_at
WHERE (-excluded.peak_qps, excluded.peak_at) < (-kept.peak_qps, kept.peak_at)"""
_BUSIEST = f"""busiest AS (
    SELECT prefix, second FROM (
        SELECT prefix, second, row_number() OVER (
            PARTITION BY prefix, (second AT TIME ZONE 'UTC' + interval '8 hours')::date ORDER BY count DESC, second
        ) AS place FROM lookup_seconds WHERE second >= $2
    ) AS ranked WHERE place <= {SECONDS_KEPT}
), """  # noqa: S608 - a constant
_FOLDS = (
    _FOLD.format(
        seconds="lookup_seconds",
        of="prefix",
        peaks="lookup_peaks",
        kept=_BUSIEST,
        is_over="NOT EXISTS (SELECT FROM busiest AS b WHERE (b.prefix, b.second) = (s.prefix, s.second))",
    ),
    _FOLD.format(seconds="lookup_node_seconds", of="node", peaks="lookup_node_peaks", kept="", is_over="s.second < $2"),
)


async def fold_seconds(connection: Connection, now: datetime) -> None:
    """Fold the seconds nobody has added to for a while into the days' peaks; of equal seconds the first counts."""
    today = datetime.combine(beijing_day(int(now.timestamp())), time(), UTC) - BEIJING
    for fold in _FOLDS:
        await connection.execute(fold, now - FOLD_AFTER, today - DAYS_OPEN)
