"""Commands that act on what waits: go on, try now, send again, close, pause."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer

from sync import dead_letters
from sync.commands.asking import (
    EXIT_NOT_ALL,
    EXIT_USAGE,
    OPERATOR,
    AsJson,
    Database,
    Scope,
    TableName,
    ask,
    failure,
    show,
)
from sync.database import Connection
from sync.dead_letters import Resent
from sync.directives import store
from sync.outbox import links, pauses, streams
from sync.tables import PLAIN

T = TypeVar("T")

Keys = Annotated[list[str] | None, typer.Argument(metavar="KEY", help="Row keys; none: all rows of the stream.")]
SomeKeys = Annotated[list[str], typer.Argument(metavar="KEY", help="Row keys, such as identifiers.")]
Tables = Annotated[list[str] | None, typer.Argument(metavar="TABLE", help="Such as T9; none: all tables.")]
StartOver = Annotated[bool, typer.Option("--start-over", help="First go on behind the collector's last sequence.")]
Reason = Annotated[str, typer.Option(help="Kept and shown with the pause.")]


def resume(table: TableName, scope: Scope, *, database: Database) -> None:
    """Let a halted stream go on, once its cause is removed; both sides are compared first.

    Exit codes: 0 it goes on; 1 there is no such halted stream; 4 the database cannot be reached.
    """
    resumed = ask(database, _one(lambda connection, reporter: streams.resume(connection, reporter, table, scope)))
    if not any(resumed):
        message = f"there is no halted stream {table}/{scope}; `idnode sync status` lists them"
        raise failure(message, EXIT_NOT_ALL)
    typer.echo(f"{table}/{scope} goes on")


def retry(*, database: Database) -> None:
    """Try the link, each address of the collector and every waiting stream now; halted streams stay halted.

    The reporting process looks for this every 15 seconds.
    """
    now = datetime.now(UTC)
    ask(database, _one(lambda connection, reporter: links.ask_retry(connection, reporter, now)))
    typer.echo("ordered: everything that waits is tried within 15 seconds; `idnode sync status` tells the outcome")


def resend(table: TableName, scope: Scope, keys: Keys = None, *, database: Database, as_json: AsJson = False) -> None:
    """Send rejected rows of a stream again as they were sent, once what the collector missed is there.

    Exit codes: 0 all are queued; 1 some are not stored any more or never were sent, or there is no such stream; 4 no
    database.
    """
    found = ask(
        database,
        _one(lambda connection, reporter: dead_letters.resend(connection, reporter, table, scope, keys or None)),
    )
    resent = [one for one in found if one is not None]
    if not resent:
        raise failure(f"there is no stream {table}/{scope}; `idnode sync status` lists them", EXIT_NOT_ALL)
    show(_outcomes(resent), ("key", "outcome"), as_json=as_json)
    if any(one.not_stored or one.never_sent for one in resent):
        raise typer.Exit(EXIT_NOT_ALL)


def dismiss(table: TableName, scope: Scope, keys: SomeKeys, *, database: Database) -> None:
    """Close rows that were rejected or withheld, without sending them: there is nothing left to do about them.

    Exit codes: 0 they are closed; 1 none of them was open; 4 the database cannot be reached.
    """
    closed = sum(
        ask(database, _one(lambda connection, reporter: dead_letters.dismiss(connection, reporter, table, scope, keys)))
    )
    if not closed:
        raise failure(f"none of these rows of {table}/{scope} is open", EXIT_NOT_ALL)
    typer.echo(f"{closed} rows closed")


def pause(tables: Tables = None, *, database: Database, reason: Reason = "") -> None:
    """Send nothing of some tables, or of all; what happens meanwhile is queued and sent afterwards.

    Exit codes: 0 they rest; 2 there is no such table; 4 the database cannot be reached.
    """
    names, now = _names(tables), datetime.now(UTC)
    ask(
        database,
        _one(
            lambda connection, reporter: pauses.begin(
                connection, reporter, names, now, ordered_by=OPERATOR, reason=reason
            )
        ),
    )
    typer.echo(f"paused: {' '.join(tables or ['all tables'])}")


def unpause(tables: Tables = None, *, database: Database) -> None:
    """Send some tables again, or all: also what the collector has paused.

    Exit codes: 0 they go on; 1 none of them was paused; 2 there is no such table; 4 no database.
    """
    names = _names(tables)
    if not sum(ask(database, _one(lambda connection, reporter: pauses.end(connection, reporter, names)))):
        raise failure("nothing of this was paused; `idnode sync link` lists what is", EXIT_NOT_ALL)
    typer.echo(f"goes on: {' '.join(tables or ['all tables'])}")


def send_full(table: TableName, scope: Scope, *, database: Database, start_over: StartOver = False) -> None:
    """Send the complete set of a stream's rows; the collector then drops what is in none of its parts.

    Exit codes: 0 the reporting process does it within a minute (`idnode sync directives` tells the outcome); 2 there
    is no such table; 4 the database cannot be reached.
    """
    _names([table])
    now, kind = datetime.now(UTC), "start_over" if start_over else "send_full"
    body = {"table": table, "scope": scope}
    ask(database, _one(lambda connection, reporter: store.order(connection, reporter, kind, body, now)))
    typer.echo(f"ordered: the full set of {table}/{scope}; `idnode sync directives` tells the outcome")


def _names(tables: Sequence[str] | None) -> list[str]:
    unknown = [table for table in tables or () if table not in ("T9", *PLAIN)]
    if unknown:
        raise failure(f"there is no table {unknown[0]}; there are T9, {', '.join(PLAIN)}", EXIT_USAGE)
    return list(tables or [pauses.ALL])


def _outcomes(resent: Sequence[Resent]) -> list[dict[str, object]]:
    gone = "not stored any more; correct the data, or send a full set: `idnode sync send-full`"
    unfit = "was never sent, as it is not fit for it; correct the data, and it goes by itself"
    told = [(key, "queued") for one in resent for key in one.queued]
    told += [(key, unfit) for one in resent for key in one.never_sent]
    told += [(key, gone) for one in resent for key in one.not_stored]
    return [{"key": key, "outcome": outcome} for key, outcome in told]


def _one(work: Callable[[Connection, str], Awaitable[T]]) -> Callable[[Connection, str], Awaitable[list[T]]]:
    async def as_list(connection: Connection, reporter: str) -> list[T]:
        return [await work(connection, reporter)]

    return as_list
