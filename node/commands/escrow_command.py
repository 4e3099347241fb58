"""`idnode escrow …`: deposits with the disaster-recovery node, and a node rebuilt from them."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import asyncpg
import orjson
import typer
from rich.console import Console
from rich.table import Table

from identifiers import sm2
from node import log as log_lines
from node.config import load
from node.database import write_secret
from node.errors import NodeError
from node.escrow_settings import escrow_settings
from node.paths import DataPaths
from node.restored_cluster import running_cluster
from node.settings import Settings
from sync.escrow import keys, log, verifying
from sync.escrow.depositing import Depositor
from sync.escrow.errors import ConfigurationUnusable, DatabaseFailed, EscrowError, NoEntry
from sync.escrow.restoring import Restored
from sync.escrow.restoring import restore as restore_from

T = TypeVar("T")

EXIT_CODES: Final = """Exit codes:

0 done ·
1 the prefix has no escrow entry ·
2 a setting, key or argument is wrong ·
3 the database ·
4 the XML or the files ·
5 a signature or a key ·
6 the SFTP server cannot be reached or does not let us in ·
7 not every file arrived ·
8 files do not agree with what they should hold ·
255 anything else"""
CONNECT_TIMEOUT_S: Final = 10.0

app = typer.Typer(
    no_args_is_help=True, help="Deposits with the disaster-recovery node: make, check, and rebuild a node from them."
)


class DepositKind(Enum):
    """What a deposit holds."""

    full = "FULL"
    diff = "DIFF"


class Judgement(Enum):
    """What the platform says of a deposit."""

    accepted = "accepted"
    rejected = "rejected"


Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Files of deposits, or directories with them, such as a backup.")
]
Key = Annotated[
    Path | None,
    typer.Option(help="The private key that opens them. Default: the node's own, for the copies of its backup."),
]
Signer = Annotated[
    Path | None, typer.Option(help="The public key of who signed them. Default: that of the node's own key.")
]
Config = Annotated[Path | None, typer.Option(help="Configuration file; default: DATA_DIR/idnode.toml.")]
DataDir = Annotated[Path | None, typer.Option(help="Directory of the node's data; default: ./idnode-data.")]
Database = Annotated[
    str | None, typer.Option(help="Address (DSN) of the database; default: database.dsn, else the embedded one.")
]


@app.command(epilog=EXIT_CODES)
def keygen(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes; it must be new.")],
) -> None:
    """Make the SM2 key that signs deposits; its public half goes beside it, to FILE.pub, and to the platform."""
    key = sm2.generate()
    public = _ending(lambda: keys.write_pair(file, key))
    typer.echo(f"{file}: keep it secret, and a copy of it elsewhere\n{public}: give it to the escrow platform")


@app.command(epilog=EXIT_CODES)
def deposit(
    prefix: Annotated[
        list[str] | None, typer.Argument(metavar="PREFIX...", help="Only these; default: every one of escrow.prefixes.")
    ] = None,
    *,
    kind: Annotated[DepositKind | None, typer.Option(help="FULL or DIFF; default: the one that is due.")] = None,
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Make a deposit now and hand it in; goes on with one that did not arrive whole."""
    settings = _settings(config, data_dir, database)
    escrow = escrow_settings(settings, _dsn(settings))
    wanted = prefix or escrow.prefixes
    if not wanted:
        raise _failure(NoEntry("escrow.prefixes names no prefix to make a deposit for"))
    log_lines.set_up("escrow", level=settings.log.level, form=settings.log.format)
    depositor = Depositor(escrow, lambda: datetime.now(UTC))
    for one in wanted:
        handed = _run(depositor.deposit(one, kind.value if kind else None))
        manifest = handed.package.manifest
        rows = sum(manifest.rows.values()) + sum(manifest.deletes.values())
        typer.echo(
            f"{manifest.id}: {manifest.type}, {rows} rows, {len(handed.package.files)} files, handed in"
            + (", the rest of an earlier run" if handed.resumed else "")
        )


@app.command("log", epilog=EXIT_CODES)
def log_(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most this many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON on standard output.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Show the runs that made deposits, the newest first."""
    rows = _run(_newest(_dsn(_settings(config, data_dir, database)), limit))
    if as_json:
        typer.echo(orjson.dumps(rows).decode())
        return
    columns = ("deposit_id", "data_type", "status", "verdict", "start_time", "end_time", "files", "bytes", "remark")
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*("-" if row[name] is None else str(row[name]) for name in columns))
    Console(width=1_000, markup=False, highlight=False).print(table)


@app.command(epilog=EXIT_CODES)
def verify(
    files: Files,
    *,
    key: Key = None,
    signer: Signer = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare FULL deposits with the rows that the registry has now.")
    ] = False,
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Check signatures, digests and manifests of deposits; read those that the key opens, and count their rows."""
    settings = _settings(config, data_dir, database)
    opener, public = _ending(lambda: _keys(settings, key, signer))
    with tempfile.TemporaryDirectory() as work:
        verdicts = _run(verifying.verify(files, signer=public, key=opener, work=Path(work)))
    if compare:
        _run(verifying.compare(verdicts, _dsn(settings)))
    for manifest, read in verdicts:
        rows = sum(manifest.rows.values()) + sum(manifest.deletes.values())
        what = f"{rows} rows read and counted" if read else "not opened: it is for another key"
        own = ", own copy" if manifest.own else ""
        typer.echo(f"{manifest.id}: {manifest.type}{own}, {len(manifest.files)} volumes in order, {what}")


@app.command(epilog=EXIT_CODES)
def restore(
    files: Files,
    *,
    key: Key = None,
    signer: Signer = None,
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Rebuild the registry of a new node from a FULL deposit and the DIFFs after it; all of it, or nothing.

    Without --database it goes into the embedded database of a data directory whose node does not run. Passwords and
    tokens are in no deposit: a new administrator's token is written to DATA_DIR/admin-token, and users need new
    passwords.
    """
    settings = _settings(config, data_dir, database)
    opener, public = _ending(lambda: _keys(settings, key, signer))
    done = _run(_restore(settings, files, opener, public))
    typer.echo(f"{', '.join(done.deposits)}: {sum(done.rows.values())} rows restored")
    typer.echo(f"a new administrator's token is in {DataPaths(settings.data_dir).admin_token}")
    typer.echo("passwords and tokens are in no deposit: every user needs a new password, every application a new token")


@app.command(epilog=EXIT_CODES)
def verdict(
    deposit_id: Annotated[str, typer.Argument(metavar="ID", help="The deposit, as `idnode escrow log` shows it.")],
    judgement: Annotated[Judgement, typer.Argument(metavar="VERDICT", help="accepted or rejected.")],
    *,
    text: Annotated[str, typer.Option(help="What the platform says of it.")] = "",
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Note what the platform says of a deposit; after a rejected one the next is FULL."""
    settings = _settings(config, data_dir, database)
    _run(_judge(_dsn(settings), deposit_id, judgement.value, text))
    typer.echo(f"{deposit_id}: {judgement.value}")


async def _judge(dsn: str, deposit_id: str, judgement: str, text: str) -> None:
    async with _connected(dsn) as connection:
        if not await log.judge(connection, deposit_id, judgement, text):
            raise ConfigurationUnusable(f"no deposit {deposit_id} was handed in here: `idnode escrow log` shows them")


async def _restore(settings: Settings, files: list[Path], key: sm2.PrivateKey, signer: sm2.PublicKey) -> Restored:
    paths = DataPaths(settings.data_dir)
    try:
        paths.create()
        async with running_cluster(settings, paths) as dsn:
            with tempfile.TemporaryDirectory(dir=settings.data_dir) as work:
                return await restore_from(
                    files,
                    dsn,
                    key=key,
                    signer=signer,
                    work=Path(work),
                    keep_token=lambda token: write_secret(paths.admin_token, token),
                )
    except NodeError as error:
        raise DatabaseFailed(str(error)) from error


async def _newest(dsn: str, limit: int) -> list[dict[str, Any]]:
    async with _connected(dsn) as connection:
        return list(await log.newest(connection, limit))


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        try:
            yield connection
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseFailed(f"the database cannot be read: {error or type(error).__name__}") from error


def _keys(settings: Settings, key: Path | None, signer: Path | None) -> tuple[sm2.PrivateKey, sm2.PublicKey]:
    own = Path(settings.escrow.private_key_file) if settings.escrow.private_key_file else None
    if key is None and own is None:
        raise ConfigurationUnusable("no key is known: set escrow.private_key_file, or give --key")
    if signer is None and own is None:
        raise ConfigurationUnusable("who signed is not known: set escrow.private_key_file, or give --signer")
    opener = keys.read_private(key) if key else keys.own_key(own)
    return opener, keys.read_public(signer) if signer else keys.own_key(own).public


def _settings(config: Path | None, data_dir: Path | None, database: str | None) -> Settings:
    flags = {"data_dir": None if data_dir is None else str(data_dir), "database.dsn": database}
    return load(flags=flags, environment=os.environ, file=config).settings


def _dsn(settings: Settings) -> str:
    from node.postgres import EmbeddedPostgres  # noqa: PLC0415 - a node with a database of its own needs no wheel

    if settings.database.dsn:
        return settings.database.dsn
    paths = DataPaths(settings.data_dir)
    return EmbeddedPostgres(paths.postgres, paths.postgres_socket).dsn


def _run(work: Coroutine[Any, Any, T]) -> T:
    return _ending(lambda: asyncio.run(work))


def _ending(work: Callable[[], T]) -> T:
    """Do something, and leave the program with a clear line and the exit code of what failed."""
    try:
        return work()
    except EscrowError as error:
        raise _failure(error) from error
    except (NodeError, typer.Exit):
        raise
    except Exception as error:  # the last resort: exit code 1 would say something else
        if sys.flags.dev_mode:
            raise
        text = f"unexpected {type(error).__name__}: {error}; set PYTHONDEVMODE=1 to see where"
        raise _failure(EscrowError(text)) from error


def _failure(error: EscrowError) -> typer.Exit:
    typer.echo(f"idnode: {error}", err=True)
    return typer.Exit(error.exit_code)
