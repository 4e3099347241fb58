"""How the way to the collector stands, as the reporting process last wrote it. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from sync.database import Connection
from sync.outbox import links, pauses
from sync.outbox.pauses import Pause


@dataclass(frozen=True, slots=True)
class AccessPointStatus:
    """One address of the collector. `state` is that of its circuit breaker: closed, open or half_open."""

    url: str
    state: str
    failing_share: float
    answer_s: float | None
    last_error: str | None
    last_error_at: datetime | None
    last_success_at: datetime | None
    tried_again_at: datetime | None


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link of one reporter. `shown_at` is old when the reporting process does not run."""

    reporter: str
    transport: str
    is_up: bool
    since: datetime
    reason: str | None
    next_probe_at: datetime | None
    key_id: str | None
    shown_at: datetime
    without_route: list[str]
    access_points: list[AccessPointStatus]
    pauses: list[Pause]


@dataclass(frozen=True, slots=True)
class DirectiveStatus:
    """One directive and what became of it; `result` is None while it is under way."""

    directive_id: str
    kind: str
    body: str
    reason: str
    received_at: datetime
    result: str | None
    result_text: str
    finished_at: datetime | None
    acknowledged_at: datetime | None


async def link_status(connection: Connection, reporter: str) -> LinkStatus | None:
    """Return how the link is; None if the reporting process has not written it yet."""
    row = await connection.fetchrow(
        "SELECT transport, is_up, since, reason, next_probe_at, key_id, routes, shown_at FROM report_links "
        "WHERE reporter = $1",
        reporter,
    )
    if row is None:
        return None
    points = await connection.fetch(
        "SELECT url, state, failing_share, answer_s, last_error, last_error_at, last_success_at, tried_again_at "
        "FROM report_access_points WHERE reporter = $1 ORDER BY place",
        reporter,
    )
    routes = row["routes"]
    return LinkStatus(
        reporter=reporter,
        transport=row["transport"],
        is_up=row["is_up"],
        since=row["since"],
        reason=row["reason"],
        next_probe_at=row["next_probe_at"],
        key_id=row["key_id"],
        shown_at=row["shown_at"],
        # Before the collector was asked for the first time nothing is known of its tables.
        without_route=await links.without_route(connection, reporter, routes) if routes else [],
        access_points=[AccessPointStatus(**dict(point)) for point in points],
        pauses=await pauses.find(connection, reporter),
    )


async def directives(connection: Connection, reporter: str, limit: int) -> list[DirectiveStatus]:
    """Return what the collector asked for, newest first, at most `limit`."""
    rows = await connection.fetch(
        "SELECT directive_id, kind, body, reason, received_at, result, result_text, finished_at, acknowledged_at "
        "FROM report_directives WHERE reporter = $1 ORDER BY number DESC LIMIT $2",
        reporter,
        limit,
    )
    return [DirectiveStatus(**dict(row)) for row in rows]
