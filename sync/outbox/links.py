"""report_links, report_access_points: how the way to the collector is, for everybody outside the reporting process."""

from collections.abc import Sequence
from datetime import datetime

from sync.access_points import AccessPoint
from sync.database import Connection, storable
from sync.link import LinkStanding


async def show(
    connection: Connection,
    reporter: str,
    *,
    transport: str,
    standing: LinkStanding,
    key_id: str | None,
    routes: Sequence[str],
    points: Sequence[AccessPoint],
    now: datetime,
) -> None:
    """Write how the link and the collector's addresses are, in the caller's transaction."""
    await connection.execute(
        "INSERT INTO report_links (reporter, transport, is_up, since, reason, next_probe_at, key_id, routes, shown_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (reporter) DO UPDATE SET "
        "transport = excluded.transport, is_up = excluded.is_up, since = excluded.since, reason = excluded.reason, "
        "next_probe_at = excluded.next_probe_at, key_id = excluded.key_id, shown_at = excluded.shown_at, "
        # Before the collector was asked nothing is known of its tables: what it said last still counts.
        "routes = CASE WHEN cardinality(excluded.routes) = 0 THEN report_links.routes ELSE excluded.routes END",
        reporter,
        transport,
        standing.is_up,
        standing.since,
        None if standing.reason is None else storable(standing.reason),
        standing.next_probe_at,
        key_id,
        list(routes),
        now,
    )
    await connection.execute(
        "DELETE FROM report_access_points WHERE reporter = $1 AND url <> ALL($2::text[])",
        reporter,
        [point.url for point in points],
    )
    await connection.executemany(
        "INSERT INTO report_access_points (reporter, url, place, state, failing_share, answer_s, last_error, "
        "last_error_at, last_success_at, tried_again_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
        "ON CONFLICT (reporter, url) DO UPDATE SET place = excluded.place, state = excluded.state, "
        "failing_share = excluded.failing_share, answer_s = excluded.answer_s, last_error = excluded.last_error, "
        "last_error_at = excluded.last_error_at, last_success_at = excluded.last_success_at, "
        "tried_again_at = excluded.tried_again_at",
        [
            (
                reporter,
                point.url,
                place,
                point.breaker.state,
                point.share_failing(now),
                point.answer_s,
                None if point.last_error is None else storable(point.last_error),
                point.last_error_at,
                point.last_success_at,
                point.breaker.tried_again_at,
            )
            for place, point in enumerate(points)
        ],
    )


async def note_new_key(connection: Connection, reporter: str, key_id: str | None) -> None:
    """Close the collector's wishes for another key, if another one is used than before."""
    await connection.execute(
        "UPDATE report_directives SET progress = 1 WHERE reporter = $1 AND kind = 'rotate_key' AND progress = 0 "
        "AND EXISTS (SELECT FROM report_links WHERE reporter = $1 AND key_id IS DISTINCT FROM $2)",
        reporter,
        key_id,
    )


async def ask_retry(connection: Connection, reporter: str, now: datetime) -> None:
    """Ask the reporting process to try the link and all waiting streams now."""
    await connection.execute("UPDATE report_links SET retry_asked_at = $2 WHERE reporter = $1", reporter, now)
    await connection.execute(
        "UPDATE report_streams SET next_attempt_at = '-infinity' WHERE reporter = $1 AND halted_reason IS NULL",
        reporter,
    )


async def take_retry(connection: Connection, reporter: str) -> bool:
    """Whether a retry was asked for since the last call."""
    tag = await connection.execute(
        "UPDATE report_links SET retry_asked_at = NULL WHERE reporter = $1 AND retry_asked_at IS NOT NULL", reporter
    )
    return bool(tag != "UPDATE 0")


async def without_route(connection: Connection, reporter: str, routes: Sequence[str]) -> list[str]:
    """Return the tables with batches queued that this way does not take."""
    rows = await connection.fetch(
        "SELECT DISTINCT s.table_id FROM report_streams s WHERE s.reporter = $1 AND s.table_id <> ALL($2::text[]) "
        "AND EXISTS (SELECT FROM report_batches b WHERE b.stream_id = s.stream_id AND b.state <> 'acknowledged') "
        "ORDER BY 1",
        reporter,
        list(routes),
    )
    return [row["table_id"] for row in rows]
