"""`idnode export`: the identifiers of a prefix as a file."""

from pathlib import Path
from typing import Annotated

import typer

from node.client.atomic_file import output_file
from node.client.exporting import ExportFormat, export_csv, export_ndjson, identifier_pages
from node.client.retry import RetryPolicy
from node.commands import options
from node.commands.connection import NodeChoice
from node.commands.run import Exit, run, say, waiting

EXIT_CODES = """Exit codes:

0 exported ·
1 unexpected failure ·
2 the command is wrong or the output cannot be written ·
4 the node cannot be reached or refused"""

Prefix = Annotated[str, typer.Option(metavar="P", help="The prefix to export, such as 88.118.8.")]
Format = Annotated[
    ExportFormat, typer.Option("--format", help="ndjson keeps everything and can be imported; csv is for spreadsheets.")
]
Output = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Written as a whole or not at all. Default: standard output.")
]


def export(
    *,
    prefix: Prefix,
    file_format: Format = "ndjson",
    output: Output = None,
    retry_for: options.RetryFor = 60.0,
    url: options.Url = None,
    token: options.Token = None,
    data_dir: options.DataDir = options.DATA_DIR,
) -> None:
    """Write the active identifiers of a prefix with their values.

    Example: idnode export --prefix 88.118.8 --output products.ndjson

    A line of NDJSON is an object with the members identifier and values,
    and template where the record follows one. The record of the prefix
    itself (0.NA/...) is left out.
    In a CSV the first column is the whole identifier, and each further one
    holds the values of one type at one index, in the order of the indexes;
    its heading is the type, with the index behind it where a type stands at
    several.
    """
    policy = RetryPolicy(give_up_after_s=retry_for)
    run(_export(NodeChoice(url, token, data_dir), policy, prefix, file_format, output))


async def _export(
    choice: NodeChoice, policy: RetryPolicy, prefix: str, file_format: ExportFormat, path: Path | None
) -> Exit:
    write = export_csv if file_format == "csv" else export_ndjson
    async with choice.session(policy, waiting(say)) as session:
        with output_file(path) as output:
            count = await write(identifier_pages(session, prefix), output)
    if path is not None:
        say(f"{count:,} identifiers in {path}")
    return Exit.DONE
