"""`idnode escrow …`: deposits with the disaster-recovery node, and a node rebuilt from them."""

import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from identifiers import sm2
from node import log as log_lines
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
    failure,
    keys_for,
    run,
    settings_of,
)
from node.database import write_secret
from node.errors import NodeError
from node.escrow_settings import escrow_settings
from node.escrow_trial import SAMPLE, SAMPLE_MAX, try_deposits
from node.paths import DataPaths
from node.restored_cluster import running_cluster
from node.settings import Settings
from sync.escrow import keys, log, verifying
from sync.escrow.depositing import Depositor
from sync.escrow.errors import ConfigurationUnusable, DatabaseFailed, NoEntry
from sync.escrow.restoring import Restored
from sync.escrow.restoring import restore as restore_from
from sync.escrow.verifying import Verdict

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


@app.command(epilog=EXIT_CODES)
def keygen(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes; it must be new.")],
) -> None:
    """Make the SM2 key that signs deposits; its public half goes beside it, to FILE.pub, and to the platform."""
    key = sm2.generate()
    public = ending(lambda: keys.write_pair(file, key))
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
    settings = settings_of(config, data_dir, database)
    escrow = escrow_settings(settings, dsn_of(settings))
    wanted = prefix or escrow.prefixes
    if not wanted:
        raise failure(NoEntry("escrow.prefixes names no prefix to make a deposit for"))
    log_lines.set_up("escrow", level=settings.log.level, form=settings.log.format)
    depositor = Depositor(escrow, lambda: datetime.now(UTC))
    for one in wanted:
        handed = run(depositor.deposit(one, kind.value if kind else None))
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
    rows = run(_newest(dsn_of(settings_of(config, data_dir, database)), limit))
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
        bool,
        typer.Option(
            "--compare",
            help="Compare the sample with the registry: it has to hold each, the same unless changed since.",
        ),
    ] = False,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Load nothing: check the files, and read what the key opens.")
    ] = False,
    sample: Annotated[int, typer.Option(min=1, max=SAMPLE_MAX, help="How many identifiers are looked up.")] = SAMPLE,
    scratch: Annotated[
        str,
        typer.Option(metavar="DSN", help="An empty database to load into; default: one made for the while."),
    ] = "",
    config: Config = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Check deposits: signatures, digests, manifests and rows; then load them and look a sample of identifiers up.

    What the key opens is loaded into an empty database, compared with what the deposit says the registry held, and
    identifiers chosen at random are answered from it. Progress goes to standard error.
    """
    settings = settings_of(config, data_dir, database)
    opener, public = ending(lambda: keys_for(settings, key, signer))
    with tempfile.TemporaryDirectory() as work:
        verdicts = run(verifying.verify(files, signer=public, key=opener, work=Path(work)))
    _say_verdicts(verdicts)
    if files_only or not any(one.read and one.manifest.type == "FULL" for one in verdicts):
        return
    trial = run(
        try_deposits(
            files,
            key=opener,
            signer=public,
            scratch=scratch,
            sample=sample,
            registry=dsn_of(settings) if compare else "",
            tell=_tell,
        )
    )
    typer.echo(
        f"{', '.join(trial.restored.deposits)}: loaded as the registry was, {trial.resolved} identifiers answered"
    )


def _tell(text: str) -> None:
    """Say how far something is, on standard error."""
    typer.echo(text, err=True)


def _say_verdicts(verdicts: Iterable[Verdict]) -> None:
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
    settings = settings_of(config, data_dir, database)
    opener, public = ending(lambda: keys_for(settings, key, signer))
    done = run(_restore(settings, files, opener, public))
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
    settings = settings_of(config, data_dir, database)
    run(_judge(dsn_of(settings), deposit_id, judgement.value, text))
    typer.echo(f"{deposit_id}: {judgement.value}")


async def _judge(dsn: str, deposit_id: str, judgement: str, text: str) -> None:
    async with connected(dsn) as connection:
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
                    prefixes=escrow_settings(settings, dsn).prefixes,
                    tell=_tell,
                )
    except NodeError as error:
        raise DatabaseFailed(str(error)) from error


async def _newest(dsn: str, limit: int) -> list[dict[str, Any]]:
    async with connected(dsn) as connection:
        return list(await log.newest(connection, limit))
