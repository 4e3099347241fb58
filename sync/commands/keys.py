"""`idnode sync key …`: the key that signs requests to the collector (docking contract 9.11)."""

from pathlib import Path
from typing import Annotated

import typer

from identifiers import signing_keys
from identifiers.signing_keys import ALGORITHMS, KeyUnusable, PrivateKey
from sync import key_files
from sync.commands.asking import EXIT_USAGE, failure

app = typer.Typer(no_args_is_help=True, help="The key that signs requests to the top-level node.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The private key, PKCS#8 in PEM.")]
KeyId = Annotated[str, typer.Option(metavar="PREFIX#LABEL", help="How the collector knows it, such as 88.118#2031a.")]
Kind = Annotated[str, typer.Option(help=f"One of {', '.join(ALGORITHMS)}.")]


@app.command()
def new(file: File, *, key_id: KeyId, algorithm: Kind = "ed25519") -> None:
    """Make a key in a new file that only its owner may read, and show what the collector needs of it.

    Exit codes: 0 it is there; 2 the file exists, or the key id or algorithm is none.
    """
    if algorithm not in ALGORITHMS:
        raise failure(f"{algorithm!r} is none of {', '.join(ALGORITHMS)}", EXIT_USAGE)
    try:
        key = signing_keys.generate(key_id, algorithm)
        key_files.write_new(file, key)
    except KeyUnusable as error:
        raise failure(str(error), EXIT_USAGE) from error
    _show(key)


@app.command(name="show")
def show_(file: File, *, key_id: KeyId) -> None:
    """Show what the collector needs of a key: its id, its algorithm and its public half, never the private one.

    Exit codes: 0 it is shown; 2 the file cannot be used.
    """
    try:
        _show(key_files.load_private(file, key_id))
    except KeyUnusable as error:
        raise failure(str(error), EXIT_USAGE) from error


def _show(key: PrivateKey) -> None:
    typer.echo(f"keyid: {key.key_id}\nalg: {key.algorithm}\n{key.public().pem()}", nl=False)
