"""Commands that only look: streams, the link, what is open, what is wrong."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

import orjson
import typer

from sync import dead_letters as letters
from sync import findings, link_status
from sync import status as reading
from sync.commands.asking import EXIT_NOT_ALL, AsJson, Database, Limit, ask, cell, show
from sync.database import Connection
from sync.link_status import LinkStatus

STREAM_COLUMNS: Final = (
    "table",
    "scope",
    "acknowledged_sequence",
    "queue_batches",
    "queue_rows",
    "oldest_unacknowledged_s",
    "open_rejections",
    "failures",
    "halted_reason",
    "last_error",
    "last_error_at",
    "next_attempt_at",
)


def status(*, database: Database, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show each stream: what is acknowledged, what waits, the last error; halted streams come first.

    When the link is down, or its process does not run, standard error says so: no stream moves then.

    Exit codes: 0 nothing is halted; 1 a stream is halted; 2 the command is wrong; 4 the database cannot be reached.
    """
    found = ask(database, lambda connection, reporter: _statuses(connection, reporter, limit))
    show([asdict(one) for one in found], STREAM_COLUMNS, as_json=as_json)
    now = datetime.now(UTC)
    for one in ask(database, _links):
        for finding in findings.of_link(one, now):
            if finding.what in ("process", "link down", "paused"):
                typer.echo(f"{finding.what} since {cell(finding.since)}: {finding.detail}; {finding.remedy}", err=True)
    if any(one.halted_reason for one in found):
        raise typer.Exit(EXIT_NOT_ALL)


def link(*, database: Database, as_json: AsJson = False) -> None:
    """Show the way to the collector: up or down since when and why, its addresses, what is paused or has no route.

    Exit codes: 0 the link is up; 1 it is down, or its process has not written for a minute; 4 no database.
    """
    found = ask(database, _links)
    if as_json:
        typer.echo(orjson.dumps([asdict(one) for one in found]).decode())
    else:
        for one in found:
            _show_link(one)
    now = datetime.now(UTC)
    if not found or any(not one.is_up or findings.is_old(one, now) for one in found):
        raise typer.Exit(EXIT_NOT_ALL)


def check(*, database: Database, as_json: AsJson = False) -> None:
    """List what is not in order, since when, and what to do: the link, halted streams, missing data, keys.

    Exit codes: 0 everything is in order; 1 something is listed; 4 the database cannot be reached.
    """
    now = datetime.now(UTC)
    found = ask(database, lambda connection, reporter: findings.find(connection, reporter, now))
    show([asdict(one) for one in found], ("what", "since", "detail", "remedy"), as_json=as_json)
    if found:
        raise typer.Exit(EXIT_NOT_ALL)


def rejections(*, database: Database, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show rows that were rejected, or withheld as unfit to be sent, with the reason; newest first.

    A row disappears from here when a later report of the same identifier is accepted.
    """
    found = ask(database, lambda connection, reporter: reading.rejected_rows(connection, reporter, limit))
    columns = ("table", "scope", "key", "ver", "code", "field", "message", "withheld", "sent_again", "noted_at")
    show([asdict(one) for one in found], columns, as_json=as_json)


def dead_letters(*, database: Database, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show what is not sent unless somebody acts: halted streams and rows refused for good, with what to do.

    Exit codes: 0 there is nothing; 1 something is listed; 4 the database cannot be reached.
    """
    found = ask(database, lambda connection, reporter: letters.dead_letters(connection, reporter, limit))
    columns = ("what", "table", "scope", "key", "ver", "code", "field", "reason", "since", "rows", "remedy")
    show([asdict(one) for one in found], columns, as_json=as_json)
    if found:
        raise typer.Exit(EXIT_NOT_ALL)


def directives(*, database: Database, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show what the collector asked of this node and what became of it; newest first."""
    found = ask(database, lambda connection, reporter: link_status.directives(connection, reporter, limit))
    columns = ("directive_id", "kind", "body", "reason", "received_at", "result", "result_text", "acknowledged_at")
    show([asdict(one) for one in found], columns, as_json=as_json)


async def _statuses(connection: Connection, reporter: str, limit: int) -> list[reading.StreamStatus]:
    return await reading.stream_status(connection, reporter, datetime.now(UTC), limit)


async def _links(connection: Connection, reporter: str) -> Sequence[LinkStatus]:
    found = await link_status.link_status(connection, reporter)
    return [] if found is None else [found]


def _show_link(one: LinkStatus) -> None:
    state = "up" if one.is_up else f"down: {cell(one.reason)}"
    typer.echo(f"{one.reporter} by {one.transport}, {state}, since {cell(one.since)}, as of {cell(one.shown_at)}")
    if one.access_points:
        columns = ("url", "state", "failing_share", "answer_s", "last_error", "last_error_at", "tried_again_at")
        show([asdict(point) for point in one.access_points], columns, as_json=False)
    for pause in one.pauses:
        tables = "all tables" if pause.table == "*" else pause.table
        typer.echo(f"paused: {tables}, since {cell(pause.since)}, by {cell(pause.ordered_by)}: {cell(pause.reason)}")
    if one.without_route:
        typer.echo(f"no route: the collector does not take {', '.join(one.without_route)}; these are kept")
