"""The `idnode` command: puts the commands of every part under one roof, and turns errors into exit codes."""

import sys
from typing import Annotated

import typer

from node.command_table import CommandGroup
from node.errors import NodeError

app = typer.Typer(
    name="idnode",
    cls=CommandGroup,
    help="A secondary node of industrial-internet identifier resolution: register product identifiers, resolve them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - as slow as all that --help needs of ours

        typer.echo(f"idnode {version('idnode')}")
        raise typer.Exit


@app.callback()
def _idnode(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command line; errors of ours become one line on stderr and their exit code."""
    try:
        app()
    except NodeError as error:
        typer.echo(f"idnode: {error}", err=True)
        sys.exit(error.exit_code)
