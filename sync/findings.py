"""What is not in order with reporting: since when, and what to do. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sync import dead_letters, dependencies, link_status, open_items, overdue, reminders
from sync.database import Connection
from sync.link_status import AccessPointStatus, LinkStatus
from sync.open_items import OpenItem
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
WHERE s.reporter = $1 AND r.resend_row IS NULL AND (r.batch_id IS NOT NULL OR s.table_id <> ALL($3::text[]))
GROUP BY 1, 2, 3, 4
ORDER BY rows DESC, 1, 2, 3
LIMIT $2"""
_UNTOLD = """
SELECT table_id, stat_date, count(*) AS prefixes, min(prefix) AS example, min(noted_at) AS since
FROM report_missing_facts WHERE reporter = $1 AND came_at IS NULL
GROUP BY 1, 2 ORDER BY 2, 1 LIMIT $2"""
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
        *of_link(link, now),
        *[
            Finding("halted stream", one.since, f"{one.table}/{one.scope}: {one.reason}", one.remedy)
            for one in await dead_letters.dead_letters(connection, reporter, HALTED_MAX)
            if one.what == "stream"
        ],
        *[Finding(*one) for one in await overdue.find(connection, reporter, now)],
        *await _open_rows(connection, reporter),
        *await _needed(connection, reporter, now),
        *await _untold(connection, reporter),
        *await _held_back(connection, reporter, link),
        *await _differences(connection, reporter),
        *await _rotation(connection, reporter),
        *[Finding(*one) for one in await reminders.find(connection, reporter, now)],
    ]


def of_link(link: LinkStatus | None, now: datetime) -> Sequence[Finding]:
    """Return what is wrong with the way to the collector, and what is paused."""
    if link is None:
        return [Finding("process", None, "the reporting process has never run", "start the node")]
    found: list[Finding] = []
    if is_old(link, now):
        found.append(Finding("process", link.shown_at, "the reporting process does not run", "see the node's log"))
    if not link.is_up:
        remedy = "remove the cause; it is tried again by itself, at once with `idnode sync retry`"
        found.append(Finding("link down", link.since, link.reason or "", remedy))
    found += [
        Finding("access point", one.last_error_at, f"{one.url}: {one.last_error}", _asked_again(link, one))
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


def _asked_again(link: LinkStatus, point: AccessPointStatus) -> str:
    others = any(one.state == "closed" for one in link.access_points)
    meanwhile = "others are asked meanwhile" if others else "there is no other that works; see to the collector"
    at = "" if point.tried_again_at is None else f" at {point.tried_again_at:%H:%M:%S} UTC"
    return f"it is asked again{at}, at once with `idnode sync retry`; {meanwhile}"


async def _open_rows(connection: Connection, reporter: str) -> list[Finding]:
    rows = await connection.fetch(_OPEN, reporter, GROUPS_MAX, list(open_items.MADE_ANEW))
    found: list[Finding] = []
    for row in rows:
        what = "missing or wrong data" if row["withheld"] else "rejected rows"
        field = "" if row["field"] is None else f" {row['field']}"
        detail = f"{row['table_id']}{field}: {row['rows']} rows, such as {row['example']}: {row['message']}"
        remedy = "correct the data" if row["withheld"] else "see `idnode sync dead-letters`"
        found.append(Finding(what, row["since"], detail, remedy))
    return found


async def _needed(connection: Connection, reporter: str, now: datetime) -> list[Finding]:
    """Return what tables need and nobody entered, or what is wrong with it; things alike are one finding."""
    of_thing: dict[tuple[str, str, str], list[OpenItem]] = {}
    for item in await open_items.needed(connection, reporter, now):
        of_thing.setdefault((item.table, item.thing, item.message), []).append(item)
    alike: dict[tuple[str, str, tuple[str | None, ...]], list[OpenItem]] = {}
    for (table, _, message), items in of_thing.items():
        alike.setdefault((table, message, tuple(item.field for item in items)), []).append(items[0])
    return [
        _lacking(table, [one for one in fields if one is not None], message, items)
        for (table, message, fields), items in list(alike.items())[:GROUPS_MAX]
    ]


def _lacking(table: str, fields: Sequence[str], message: str, items: Sequence[OpenItem]) -> Finding:
    first = items[0]
    where = first.thing if len(items) == 1 else f"{len(items)} of them, such as {first.thing}"
    due = "" if first.due is None else f", due {first.due:%Y-%m-%d}"
    said = f"{' '.join((table, ', '.join(fields))).rstrip()}: {message} ({where}){due}"
    since = min((item.since for item in items if item.since is not None), default=None)
    return Finding("data needed", since, said, first.remedy)


async def _untold(connection: Connection, reporter: str) -> list[Finding]:
    """Return the days that enterprises' own nodes have not told of."""
    return [
        Finding(
            "data needed",
            row["since"],
            f"{row['table_id']}: of {row['stat_date']} {row['prefixes']} enterprises' own nodes have not told, such as "
            f"{row['example']}",
            "let them report it: nothing is made up for them, it goes as soon as it comes",
        )
        for row in await connection.fetch(_UNTOLD, reporter, GROUPS_MAX)
    ]


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
