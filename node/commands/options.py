"""The options that several commands share: which node, with which token, and how to answer."""

from pathlib import Path
from typing import Annotated

import typer

from node.settings import Settings

Url = Annotated[
    str | None,
    typer.Option(
        envvar="IDNODE_URL", metavar="URL", help="The node, such as https://node.example.org. Default: the local one."
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="IDNODE_TOKEN",
        metavar="TOKEN",
        help="The access token; better in the environment, for all users of a machine can see arguments.",
    ),
]
DataDir = Annotated[
    Path,
    typer.Option(envvar="IDNODE_DATA_DIR", metavar="DIR", help="Where to look for the local node and its token."),
]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON on standard output.")]
RetryFor = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0, max=86_400, help="How long to go on trying while the node cannot answer."),
]

DATA_DIR = Settings().data_dir
"""The same default as the node's own."""
