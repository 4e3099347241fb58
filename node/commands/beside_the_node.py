"""What commands share that work on a node's database and keys directly: settings, keys, and how they end."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import asyncpg
import typer

from identifiers import sm2
from node.config import load
from node.errors import NodeError
from node.paths import DataPaths
from node.settings import Settings
from registry.database import Connection, connect
from sync.escrow import keys
from sync.escrow.errors import ConfigurationUnusable, DatabaseFailed, EscrowError

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


def settings_of(config: Path | None, data_dir: Path | None, database: str | None) -> Settings:
    """Read the node's settings, with what the command line names."""
    flags = {"data_dir": None if data_dir is None else str(data_dir), "database.dsn": database}
    return load(flags=flags, environment=os.environ, file=config).settings


def dsn_of(settings: Settings) -> str:
    """Return the address of the node's database, the embedded one if none is named."""
    from node.postgres import EmbeddedPostgres  # noqa: PLC0415 - a node with a database of its own needs no wheel

    if settings.database.dsn:
        return settings.database.dsn
    paths = DataPaths(settings.data_dir)
    return EmbeddedPostgres(paths.postgres, paths.postgres_socket).dsn


def keys_for(settings: Settings, key: Path | None, signer: Path | None) -> tuple[sm2.PrivateKey, sm2.PublicKey]:
    """Return the key that opens deposits, and that of who signed them. Raises ConfigurationUnusable."""
    own = Path(settings.escrow.private_key_file) if settings.escrow.private_key_file else None
    if key is None and own is None:
        raise ConfigurationUnusable("no key is known: set escrow.private_key_file, or give --key")
    if signer is None and own is None:
        raise ConfigurationUnusable("who signed is not known: set escrow.private_key_file, or give --signer")
    opener = keys.read_private(key) if key else keys.own_key(own)
    return opener, keys.read_public(signer) if signer else keys.own_key(own).public


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    """Lend a connection; whatever the database does not do becomes DatabaseFailed."""
    try:
        connection = await connect(dsn)
        try:
            yield connection
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise DatabaseFailed(f"the database cannot be read: {error or type(error).__name__}") from error


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run something to its end, as `ending` does."""
    return ending(lambda: asyncio.run(work))


def ending(work: Callable[[], T]) -> T:
    """Do something, and leave the program with a clear line and the exit code of what failed."""
    try:
        return work()
    except EscrowError as error:
        raise failure(error) from error
    except (NodeError, typer.Exit):
        raise
    except Exception as error:  # the last resort: exit code 1 would say something else
        if sys.flags.dev_mode:
            raise
        text = f"unexpected {type(error).__name__}: {error}; set PYTHONDEVMODE=1 to see where"
        raise failure(EscrowError(text)) from error


def failure(error: EscrowError) -> typer.Exit:
    """Say what failed on standard error, and return how the program is left."""
    typer.echo(f"idnode: {error}", err=True)
    return typer.Exit(error.exit_code)
