"""`idnode takeover …`: an emergency take-over declared and ended, and what was registered meanwhile entered here."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
import orjson
import typer
from rich.console import Console
from rich.table import Table

from identifiers.changes import KIND_ALIAS, KIND_IDENTIFIER, AliasState, Change, IdentifierState, SourceUnavailable
from node.commands.beside_the_node import (
    EXIT_CODES,
    Config,
    Database,
    DataDir,
    Key,
    Signer,
    connected,
    dsn_of,
    ending,
    keys_for,
    run,
    settings_of,
)
from registry import origin
from registry.authority import Principal
from registry.database import Connection
from registry.errors import ChangedMeanwhile, RegistryError
from registry.origin import Origin
from registry.service import takeovers as service
from registry.service.takeovers import Content, Decision, Outcome, Taken
from registry.tables import read_only, takeovers
from resolver.feed_source import FeedSource
from sync.escrow.errors import ConfigurationUnusable, DatabaseFailed
from sync.escrow.taken_over import taken_over

T = TypeVar("T")

OPERATOR: Final = Principal("operator", "administrator")
AT_ONCE: Final = 500
"""Names entered in one transaction."""
ATTEMPTS_MAX: Final = 5
PAGE: Final = 1_000

app = typer.Typer(
    no_args_is_help=True,
    help="Emergency take-over: another body serves for this node, and gives back what it registered.",
)


class Side(Enum):
    """Whose content counts."""

    ours = "ours"
    theirs = "theirs"


@app.command(epilog=EXIT_CODES)
def start(
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept and shown.")],
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Declare a take-over: from now on nothing is registered or changed here; look-ups go on."""
    settings = settings_of(config, data_dir, database)
    _change(dsn_of(settings), lambda connection: service.begin(connection, datetime.now(UTC), reason, "operator"))
    typer.echo("the registry takes no changes; look-ups go on")


@app.command(epilog=EXIT_CODES)
def end(*, config: Config = None, data_dir: DataDir = None, database: Database = None) -> None:
    """End it: changes are taken again, a FULL deposit is made, and T2 and T7 are told in full."""
    settings = settings_of(config, data_dir, database)
    ended = _change(dsn_of(settings), lambda connection: service.end(connection, datetime.now(UTC), "operator"))
    typer.echo("the registry takes changes again" if ended else "the registry took changes all along")


@app.command(epilog=EXIT_CODES)
def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON on standard output.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Show whether one is under way, earlier ones, and how many conflicts wait for a decision."""

    async def read(connection: Connection) -> dict[str, Any]:
        return {
            "read_only": await read_only.find(connection) is not None,
            "takeovers": await takeovers.newest(connection, 20),
            "conflicts_open": await takeovers.count_open(connection),
        }

    found = _change(dsn_of(settings_of(config, data_dir, database)), read)
    if as_json:
        typer.echo(orjson.dumps(found).decode())
        return
    typer.echo("TAKE-OVER: the registry takes no changes" if found["read_only"] else "no take-over is under way")
    for one in found["takeovers"]:
        typer.echo(f"{one.started_at:%Y-%m-%d %H:%M:%SZ} to {one.ended_at or 'now'}: {one.reason} ({one.started_by})")
    typer.echo(f"{found['conflicts_open']} conflicts wait for a decision")


@app.command("import", epilog=EXIT_CODES)
def import_(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE...", help="Deposits of that body, or directories with them.")
    ] = None,
    *,
    feed: Annotated[
        str | None, typer.Option(help="In place of files: address of its node, whose feed is read.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="With --feed: the token, of an account that reads everything there.")
    ] = None,
    key: Key = None,
    signer: Signer = None,
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Enter what the body that took over registered; it may be run again, and goes on where it was interrupted.

    What is not here is registered, the same is left alone, different content waits for `idnode takeover decide`.
    """
    settings = settings_of(config, data_dir, database)
    if (feed is None) == (not files):
        ending(lambda: _refuse("name the files of its deposits, or its node with --feed"))
    with tempfile.TemporaryDirectory() as work:
        if feed is not None:
            token = ending(lambda: _token(token_file))
            done = run(_enter_all(dsn_of(settings), _of_feed(feed, token)))
        else:
            opener, public = ending(lambda: keys_for(settings, key, signer))
            names = taken_over(files or [], opener, public, Path(work))
            done = run(_enter_all(dsn_of(settings), _of_files(names)))
    typer.echo(f"{done['registered']} registered, {done['same']} the same, {done['conflict']} in conflict")
    if done["conflict"]:
        typer.echo("`idnode takeover conflicts` lists them, `idnode takeover decide` settles them")


@app.command(epilog=EXIT_CODES)
def conflicts(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were decided.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON on standard output.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """List identifiers of which that body holds something else, with both contents."""
    dsn = dsn_of(settings_of(config, data_dir, database))
    rows = _change(dsn, lambda connection: _all_conflicts(connection, decided=everything))
    if as_json:
        typer.echo(orjson.dumps(rows).decode())
        return
    table = Table("identifier", "reason", "ours", "theirs", "decision", box=None)
    for one in rows:
        table.add_row(one.identifier, one.reason, one.ours or "-", one.theirs, one.decision or "-")
    Console(width=1_000, markup=False, highlight=False).print(table)


@app.command(epilog=EXIT_CODES)
def decide(
    side: Annotated[
        Side, typer.Argument(metavar="SIDE", help="ours: leave what is here; theirs: take what they hold.")
    ],
    identifiers: Annotated[
        list[str] | None, typer.Argument(metavar="IDENTIFIER...", help="These; or --all that are open.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every conflict that is open.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Settle conflicts; each by itself, and one that is refused stays open."""
    if everything == bool(identifiers):
        ending(lambda: _refuse("name identifiers, or --all"))
    dsn = dsn_of(settings_of(config, data_dir, database))
    wanted = identifiers or [
        one.identifier for one in _change(dsn, lambda connection: _all_conflicts(connection, decided=False))
    ]
    refused = run(_decide_all(dsn, wanted, side.value))
    for line in refused:
        typer.echo(f"idnode: {line}", err=True)
    typer.echo(f"{len(wanted) - len(refused)} settled, {len(refused)} refused")
    if refused:
        raise typer.Exit(ConfigurationUnusable.exit_code)


def _change(dsn: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do something in one transaction."""

    async def within() -> T:
        async with connected(dsn) as connection, connection.transaction():
            return await work(connection)

    return run(within())


async def _enter_all(dsn: str, names: AsyncIterator[list[Taken]]) -> Counter[Outcome]:
    done: Counter[Outcome] = Counter()
    with origin.acting(Origin(address="local", action="idnode takeover import")):
        async with connected(dsn) as connection:
            async for page in names:
                done += await _retried(connection, lambda page=page: service.merge(connection, datetime.now(UTC), page))  # type: ignore[misc] # mypy does not infer a default's type
    return done


async def _decide_all(dsn: str, identifiers: list[str], side: Decision) -> list[str]:
    refused: list[str] = []
    with origin.acting(Origin(address="local", action="idnode takeover decide")):
        async with connected(dsn) as connection:
            for one in identifiers:

                async def settle(one: str = one) -> None:
                    await service.decide(connection, OPERATOR, datetime.now(UTC), one, side)

                try:
                    await _retried(connection, settle)
                except RegistryError as error:
                    refused.append(f"{one}: {error.message}; {error.remedy}")
    return refused


async def _retried(connection: Connection, work: Callable[[], Awaitable[T]]) -> T:
    """Do something in a transaction of its own, again when another writer was faster."""
    for _ in range(ATTEMPTS_MAX):
        try:
            async with connection.transaction():
                return await work()
        except ChangedMeanwhile:
            continue
    raise DatabaseFailed("other writers were faster every time: declare the take-over first, and try again")


async def _all_conflicts(connection: Connection, *, decided: bool) -> list[takeovers.Disagreement]:
    rows: list[takeovers.Disagreement] = []
    while page := await takeovers.page(connection, rows[-1].key if rows else "", PAGE, decided=decided):
        rows += page
    return rows


async def _of_files(names: Iterator[Taken]) -> AsyncIterator[list[Taken]]:
    while page := await asyncio.to_thread(lambda: list(islice(names, AT_ONCE))):
        yield page


async def _of_feed(url: str, token: str) -> AsyncIterator[list[Taken]]:
    """Give what a node's feed holds, other names of records last."""
    others: list[Taken] = []
    try:
        async with aclosing(FeedSource(url, token)) as source, source.snapshot() as snapshot:
            async for states in snapshot.states():
                yield [_record(change) for change in states if change.kind == KIND_IDENTIFIER]
                others += [_alias(change) for change in states if change.kind == KIND_ALIAS]
    except SourceUnavailable as error:
        raise ConfigurationUnusable(f"the feed cannot be read: {error}") from error
    for at in range(0, len(others), AT_ONCE):
        yield others[at : at + AT_ONCE]


def _record(change: Change) -> Taken:
    state = msgspec.json.decode(change.after, type=IdentifierState)
    content = Content(
        state=state.state,
        values=state.values,
        template=state.template,
        successor=state.successor,
        created_at=state.created_at,
    )
    return Taken(state.identifier, content)


def _alias(change: Change) -> Taken:
    state = msgspec.json.decode(change.after, type=AliasState)
    if state.state == "withdrawn":
        return Taken(state.alias, Content("withdrawn", successor=state.target, created_at=state.created_at))
    content = Content("alias", successor=state.target, alias_kind=state.kind, created_at=state.created_at)
    return Taken(state.alias, content)


def _token(file: Path | None) -> str:
    if file is None:
        raise ConfigurationUnusable("--feed needs --token-file: an account of that node that reads everything")
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationUnusable(f"the token file {file} cannot be read: {error}") from error


def _refuse(text: str) -> None:
    raise ConfigurationUnusable(text)
