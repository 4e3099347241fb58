"""`idnode sync …` shows how reporting stands; `idnode top-node` runs the simulator of the national node."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

import asyncpg
import orjson
import typer
from rich.console import Console
from rich.table import Table as TextTable

from sync import status as reading
from sync.batch import Limits
from sync.database import Connection
from sync.outbox import streams
from sync.top_node.faults import FaultsError, parse_faults
from sync.top_node.serve import serve

T = TypeVar("T")

EXIT_NOT_ALL: Final = 1
EXIT_USAGE: Final = 2
EXIT_AWAY: Final = 4
PORT_MAX: Final = 65_535
CONNECT_TIMEOUT_S: Final = 5.0

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
)

app = typer.Typer(no_args_is_help=True, help="How reporting to the national top-level node stands.")

Database = Annotated[
    str,
    typer.Option(
        envvar="IDNODE_DATABASE_DSN",
        metavar="DSN",
        help="The node's database; the embedded one is postgresql://idnode@/idnode?host=DATA_DIR/run/postgres.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON on standard output.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Show at most this many.")]


@app.command()
def status(*, database: Database, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show each stream: what is acknowledged, what waits, the last error; halted streams come first.

    Exit codes: 0 nothing is halted; 1 a stream is halted; 2 the command is wrong; 4 the database cannot be reached.
    """
    found = _read(database, lambda connection, reporter: _statuses(connection, reporter, limit))
    _show(
        [asdict(one) for one in found],
        STREAM_COLUMNS,
        as_json=as_json,
    )
    if any(one.halted_reason for one in found):
        raise typer.Exit(EXIT_NOT_ALL)


@app.command()
def rejections(*, database: Database, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show rows that were rejected, or withheld as unfit to be sent, with the reason; newest first.

    A row disappears from here when a later report of the same identifier is accepted.
    """
    found = _read(database, lambda connection, reporter: reading.rejected_rows(connection, reporter, limit))
    _show(
        [asdict(one) for one in found],
        ("scope", "key", "ver", "code", "field", "message", "withheld", "sent_again", "noted_at"),
        as_json=as_json,
    )


@app.command()
def resume(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Such as T9.")],
    scope: Annotated[str, typer.Argument(metavar="SCOPE", help="The prefix the stream reports for.")],
    *,
    database: Database,
) -> None:
    """Let a halted stream go on, once its cause is removed; both sides are compared first.

    Exit codes: 0 it goes on; 1 there is no such halted stream; 4 the database cannot be reached.
    """
    resumed = _read(database, lambda connection, reporter: _resume(connection, reporter, table, scope))
    if not any(resumed):
        typer.echo(f"idnode: there is no halted stream {table}/{scope}; `idnode sync status` lists them", err=True)
        raise typer.Exit(EXIT_NOT_ALL)
    typer.echo(f"{table}/{scope} goes on")


def top_node(
    *,
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="Where it keeps what it acknowledged.")],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Port 0 takes any free one.")] = "127.0.0.1:9900",
    fault: Annotated[
        str,
        typer.Option(
            metavar="NAME=NUMBER,…",
            help="What to do wrong: lose-acks, unavailable, duplicate, pending, reject, refuse (0 to 1); "
            "slow-ms, retry-after-s.",
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Repeats the same faults for the same requests.")] = 0,
    max_rows: Annotated[int, typer.Option(min=1, help="Take at most this many rows in a batch.")] = Limits().max_rows,
    token: Annotated[
        str | None, typer.Option(envvar="TOP_NODE_TOKEN", help="Demand this bearer token; default: none.")
    ] = None,
) -> None:
    """Run a simulator of the national top-level node that takes reports (table T9) and shows them on a page.

    Example: idnode top-node --data-dir ./top-node --fault lose-acks=0.05,unavailable=0.05
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > PORT_MAX:
        raise _failure(f"{listen!r} is not HOST:PORT, such as 127.0.0.1:9900", EXIT_USAGE)
    try:
        faults, limits = parse_faults(fault), Limits(max_rows=max_rows)
        serving = serve(
            host.strip("[]"), int(port), data_dir, faults=faults, seed=seed, token=token, limits=limits, say=_say
        )
        asyncio.run(serving)
    except FaultsError as error:
        raise _failure(str(error), EXIT_USAGE) from error
    except OSError as error:
        raise _failure(f"cannot serve on {listen} with data in {data_dir}: {error}", EXIT_AWAY) from error


async def _statuses(connection: Connection, reporter: str, limit: int) -> list[reading.StreamStatus]:
    return await reading.stream_status(connection, reporter, datetime.now(UTC), limit)


async def _resume(connection: Connection, reporter: str, table: str, scope: str) -> list[bool]:
    return [await streams.resume(connection, reporter, table, scope)]


def _read(dsn: str, question: Callable[[Connection, str], Awaitable[list[T]]]) -> list[T]:
    """Ask for every reporter of the database; leaves the program with a clear line if that cannot be done."""

    async def ask() -> list[T]:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        try:
            reporters = await reading.reporters(connection)
            return [one for reporter in reporters for one in await question(connection, reporter)]
        finally:
            await connection.close()

    try:
        return asyncio.run(ask())
    except asyncpg.UndefinedTableError as error:
        raise _failure(
            "this database has never reported: start a node with sync.upstream_url set", EXIT_AWAY
        ) from error
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _failure(f"the database cannot be read: {error or type(error).__name__}", EXIT_AWAY) from error


def _show(rows: list[dict[str, object]], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(rows).decode())
        return
    table = TextTable(*columns, box=None)
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    console = Console(width=None if sys.stdout.isatty() else 1_000, markup=False, highlight=False)
    console.print(table)


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:.1f}"
        case datetime():
            return value.isoformat(timespec="seconds")
        case _:
            return "".join(character if character.isprintable() else "\ufffd" for character in str(value))


def _failure(message: str, code: int) -> typer.Exit:
    typer.echo(f"idnode: {message}", err=True)
    return typer.Exit(code)


def _say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()
