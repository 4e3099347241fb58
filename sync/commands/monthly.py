"""The command for monthly reports."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from registry.tables import prefix_allocation
from sync.commands.asking import EXIT_NOT_ALL, EXIT_USAGE, AsJson, Database, connected, failure, show
from sync.database import Connection
from sync.monthly.figures import CannotReport
from sync.monthly.store import ReportDocument, Stored

Month = Annotated[str | None, typer.Option("--month", metavar="YYYY-MM", help="The month; without it they are listed.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the documents into this directory.")]
Revise = Annotated[bool, typer.Option("--revise", help="Make the next revision, which is then sent by itself.")]
LISTED_MAX = 24


def report(
    *, database: Database, month: Month = None, out: Out = None, revise: Revise = False, as_json: AsJson = False
) -> None:
    """Show the monthly operation report of a month, made now if there is none; or list the reports.

    Exit codes: 0 it is shown; 1 something is missing for it; 2 the command is wrong; 4 the database cannot be reached.
    """
    if month is None:
        found, _ = connected(database, _listed)
        show([_row(one) for one in found], _COLUMNS, as_json=as_json)
        return
    try:
        datetime.strptime(month, "%Y-%m")  # noqa: DTZ007 - only its form is looked at
    except ValueError:
        raise failure(f"{month!r} is no month, such as 2031-04", EXIT_USAGE) from None
    made, documents = _made(database, month, revise=revise)
    if out is not None:
        _write(out, documents)
    show([made.report] if as_json else [_row(made)], _COLUMNS, as_json=as_json)


_COLUMNS = ("month", "revision", "sla_percent", "made_at", "sent_at", "in_time", "last_error")


def _made(database: str, month: str, *, revise: bool) -> tuple[Stored, list[ReportDocument]]:
    from sync.monthly import making, store  # noqa: PLC0415 - the libraries for documents take a second to load

    async def work(connection: Connection) -> tuple[Stored, list[ReportDocument]]:
        reporter = await _reporter(connection)
        stored = await store.newest(connection, reporter, month)
        if stored is None or revise or (stored.sent_at is None and not stored.figures.is_whole):
            stored = await making.make(connection, reporter, month, datetime.now(UTC), revise=revise)
        return stored, await store.documents(connection, reporter, month, stored.revision)

    try:
        return connected(database, work)
    except CannotReport as error:
        raise failure(f"there is no report of {month}: {error}", EXIT_NOT_ALL) from error


async def _listed(connection: Connection) -> tuple[list[Stored], str]:
    from sync.monthly import store  # noqa: PLC0415 - as above

    try:
        reporter = await _reporter(connection)
    except CannotReport:
        return [], ""
    return await store.months(connection, reporter, LISTED_MAX), reporter


async def _reporter(connection: Connection) -> str:
    allocation = await prefix_allocation.find(connection)
    if allocation is None:
        raise CannotReport("the node's own prefix is not entered: PUT /api/v1/operator")
    return allocation.node_prefix


def _row(stored: Stored) -> dict[str, object]:
    return {
        "month": stored.month,
        "revision": stored.revision,
        "sla_percent": f"{stored.report['sla_percent']:.3f}",
        "made_at": stored.made_at,
        "sent_at": stored.sent_at,
        "in_time": None if stored.answer is None else stored.answer.get("in_time"),
        "last_error": stored.last_error,
    }


def _write(directory: Path, documents: list[ReportDocument]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for one in documents:
            (directory / one.name).write_bytes(one.content)
            typer.echo(f"{directory / one.name}", err=True)
    except OSError as error:
        raise failure(f"{directory} cannot be written: {error.strerror}", EXIT_USAGE) from error
