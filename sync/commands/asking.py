"""What all commands of `idnode sync` share: the database, the answer as text or JSON, and the exit codes."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import asyncpg
import orjson
import typer
from rich.console import Console
from rich.table import Table as TextTable

from sync import status
from sync.database import Connection

T = TypeVar("T")

EXIT_NOT_ALL: Final = 1
EXIT_USAGE: Final = 2
EXIT_AWAY: Final = 4
CONNECT_TIMEOUT_S: Final = 5.0
OPERATOR: Final = "operator"

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
TableName = Annotated[str, typer.Argument(metavar="TABLE", help="Such as T9.")]
Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="The prefix the stream reports for.")]


def ask(dsn: str, question: Callable[[Connection, str], Awaitable[Sequence[T]]]) -> list[T]:
    """Ask for every reporter of the database; leaves the program with a clear line if that cannot be done."""

    async def each(connection: Connection) -> list[T]:
        reporters = await status.reporters(connection)
        return [one for reporter in reporters for one in await question(connection, reporter)]

    return connected(dsn, each)


def connected(dsn: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` on a connection of its own, in one transaction; leaves the program if that cannot be done."""

    async def run() -> T:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        try:
            async with connection.transaction():
                return await work(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(run())
    except asyncpg.UndefinedTableError as error:
        raise failure("this database has never reported: start a node with sync.upstream_url set", EXIT_AWAY) from error
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise failure(f"the database cannot be read: {error or type(error).__name__}", EXIT_AWAY) from error


def show(rows: Sequence[dict[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    """Write rows as JSON with all their members, or as a table of these columns."""
    if as_json:
        typer.echo(orjson.dumps(list(rows)).decode())
        return
    table = TextTable(*columns, box=None)
    for row in rows:
        table.add_row(*(cell(row[name]) for name in columns))
    console = Console(width=None if sys.stdout.isatty() else 1_000, markup=False, highlight=False)
    console.print(table)


def cell(value: object) -> str:
    """Return a value as people read it, without characters that a terminal would act on."""
    match value:
        case None:
            return "-"
        case float():
            return f"{value:.1f}"
        case datetime():
            return value.isoformat(timespec="seconds")
        case _:
            return "".join(character if character.isprintable() else "\ufffd" for character in str(value))


def failure(message: str, code: int) -> typer.Exit:
    """Say on standard error why the program ends, and return what ends it."""
    typer.echo(f"idnode: {message}", err=True)
    return typer.Exit(code)
