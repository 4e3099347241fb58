"""What is not in order with reporting: since when, and what to do. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sync import dead_letters, dependencies, link_status, open_items, reminders
from sync.database import Connection
from sync.link_status import LinkStatus
from sync.tables import tables

SHOWN_EVERY_MAX: Final = timedelta(minutes=1)
"""The reporting process writes four times a minute; when it has not for so long, it does not run."""
WAITS_MAX: Final = timedelta(minutes=5)
HALTED_MAX: Final = 100
GROUPS_MAX: Final = 100

# Rows alike are one finding: a thousand identifiers without a template have one cause.
_OPEN = """
SELECT s.table_id, r.code, r.field, r.batch_id IS NULL AS withheld, count(*) AS rows, min(r.noted_at) AS since,
       min(r.key COLLATE "C") AS example, min(r.message) AS message
FROM report_rejections r JOIN report_streams s USING (stream_id)
WHERE s.reporter = $1 AND r.resend_row IS NULL
GROUP BY 1, 2, 3, 4
ORDER BY rows DESC, 1, 2, 3
LIMIT $2"""
_ROTATION = """
SELECT directive_id, received_at, result_text FROM report_directives
WHERE reporter = $1 AND kind = 'rotate_key' AND result = 'accepted' AND progress = 0
ORDER BY number DESC LIMIT 1"""
_DIFFERENT = """
SELECT s.table_id, s.scope, count(*) AS rows, min(d.found_at) AS since
FROM report_differences d JOIN report_streams s USING (stream_id)
WHERE s.reporter = $1 AND d.queued_at IS NULL
GROUP BY 1, 2 ORDER BY 1, 2 LIMIT $2"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not in order. `what` is a short name of its kind."""

    what: str
    since: datetime | None
    detail: str
    remedy: str


def is_old(link: LinkStatus, now: datetime) -> bool:
    """Whether the reporting process has not written for so long that it does not run."""
    return now - link.shown_at > SHOWN_EVERY_MAX


async def find(connection: Connection, reporter: str, now: datetime) -> list[Finding]:
    """Return what is not in order, what stops most first."""
    link = await link_status.link_status(connection, reporter)
    return [
        *_of_link(link, now),
        *[
            Finding("halted stream", one.since, f"{one.table}/{one.scope}: {one.reason}", one.remedy)
            for one in await dead_letters.dead_letters(connection, reporter, HALTED_MAX)
            if one.what == "stream"
        ],
        *await _open_rows(connection, reporter),
        *await _needed(connection, reporter, now),
        *await _held_back(connection, reporter, link),
        *await _differences(connection, reporter),
        *await _rotation(connection, reporter),
        *[Finding(*one) for one in await reminders.find(connection, reporter, now)],
    ]


def _of_link(link: LinkStatus | None, now: datetime) -> Sequence[Finding]:
    if link is None:
        return [Finding("process", None, "the reporting process has never run", "start the node")]
    found: list[Finding] = []
    if is_old(link, now):
        found.append(Finding("process", link.shown_at, "the reporting process does not run", "see the node's log"))
    if not link.is_up:
        remedy = "remove the cause; it is tried again by itself, at once with `idnode sync retry`"
        found.append(Finding("link down", link.since, link.reason or "", remedy))
    found += [
        Finding("access point", one.last_error_at, f"{one.url}: {one.last_error}", "others are asked meanwhile")
        for one in link.access_points
        if one.state != "closed"
    ]
    found += [
        Finding("paused", one.since, f"{one.table} by {one.ordered_by}: {one.reason}", "`idnode sync unpause`")
        for one in link.pauses
    ]
    remedy = "agree with the collector that it takes the table, or choose another transport; the rows are kept"
    found += [Finding("no route", None, f"the collector does not take {table}", remedy) for table in link.without_route]
    return found


async def _open_rows(connection: Connection, reporter: str) -> list[Finding]:
    rows = await connection.fetch(_OPEN, reporter, GROUPS_MAX)
    found: list[Finding] = []
    for row in rows:
        what = "missing or wrong data" if row["withheld"] else "rejected rows"
        field = "" if row["field"] is None else f" {row['field']}"
        detail = f"{row['table_id']}{field}: {row['rows']} rows, such as {row['example']}: {row['message']}"
        remedy = "correct the data" if row["withheld"] else "see `idnode sync dead-letters`"
        found.append(Finding(what, row["since"], detail, remedy))
    return found


async def _needed(connection: Connection, reporter: str, now: datetime) -> list[Finding]:
    """Return what tables need and nobody entered; what was withheld or refused already stands among the open rows."""
    found: list[Finding] = []
    for item in await open_items.check(connection, reporter, now):
        if item.since is None and len(found) < GROUPS_MAX:
            due = "" if item.due is None else f", due {item.due:%Y-%m-%d}"
            field = "" if item.field is None else f" {item.field}"
            found.append(Finding("data needed", None, f"{item.table}{field}: {item.message}{due}", item.remedy))
    return found


async def _held_back(connection: Connection, reporter: str, link: LinkStatus | None) -> list[Finding]:
    """Return what waits longer than it takes to report what goes before it."""
    without = () if link is None else link.without_route
    taken = [table for table in tables(reporter) if table not in without]
    return [
        Finding(
            "waits",
            one.since,
            f"{one.table}: {one.streams} streams, such as {one.example}, wait for {one.waits_for} to be accepted",
            "see what is open of these tables; it goes by itself then",
        )
        for one in await dependencies.held_back(connection, reporter, taken)
        if link is None or link.shown_at - one.since > WAITS_MAX
    ]


async def _differences(connection: Connection, reporter: str) -> list[Finding]:
    return [
        Finding(
            "differences",
            row["since"],
            f"{row['table_id']}/{row['scope']}: {row['rows']} rows are not as the collector holds them",
            f"`idnode sync reconcile {row['table_id']} {row['scope']} --repair`",
        )
        for row in await connection.fetch(_DIFFERENT, reporter, GROUPS_MAX)
    ]


async def _rotation(connection: Connection, reporter: str) -> list[Finding]:
    row = await connection.fetchrow(_ROTATION, reporter)
    if row is None:
        return []
    remedy = "make a key (`idnode sync key new`), give its public half to the top-level node, set it, restart"
    return [Finding("key", row["received_at"], row["result_text"], remedy)]
