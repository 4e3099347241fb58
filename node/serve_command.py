"""`idnode serve`: runs a node in the foreground."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from node import log
from node.config import load
from node.serve import serve as run_node

EXIT_CODES = """Exit codes:

0 stopped as asked ·
2 a setting or argument is wrong ·
3 the data directory cannot be used ·
4 the address cannot be listened on ·
5 the database cannot be used ·
6 a process does not become ready ·
1 anything else"""


def serve(
    config: Annotated[
        Path | None, typer.Option(help="Configuration file (TOML); default: DATA_DIR/idnode.toml if it is there.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of the node's data; default: ./idnode-data.")] = None,
    http: Annotated[str | None, typer.Option(help="HOST:PORT to listen on; default: 127.0.0.1:8080.")] = None,
    handle: Annotated[
        str | None, typer.Option(help="HOST:PORT for the Handle protocol; default: 127.0.0.1:2641.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer lookups; default: one per core.")] = None,
    database: Annotated[
        str | None, typer.Option(help="Address (DSN) of a PostgreSQL 15 or newer; default: the embedded one.")
    ] = None,
) -> None:
    """Run a node: start its processes, keep them alive, stop them on SIGTERM or Ctrl-C.

    Settings come from the file, then the environment (IDNODE_…), then these options; `idnode config show` lists them.
    On the first start the administrator's token is written to DATA_DIR/admin-token.
    """
    flags = {
        "data_dir": None if data_dir is None else str(data_dir),
        "http.address": http,
        "handle.address": handle,
        "workers": workers,
        "database.dsn": database,
    }
    settings = load(flags=flags, environment=os.environ, file=config).settings
    log.set_up("supervisor", level=settings.log.level, form=settings.log.format)
    asyncio.run(run_node(settings, _say))


def _say(text: str) -> None:
    # Who started the node may have stopped reading; that is no reason to end it.
    with suppress(BrokenPipeError):
        typer.echo(text)
        sys.stdout.flush()
