"""`idnode import`: a file of products becomes registered identifiers."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from identifiers.gtin import parse_gtin
from node.client.batch import BatchTerms, OnConflict
from node.client.import_progress import beside
from node.client.importing import ImportJob, Summary, import_file
from node.client.readers.record import IdentifierCheck
from node.client.readers.source import FileForm, FileFormat
from node.client.readers.table import Mould
from node.client.retry import RetryPolicy
from node.client.templates import template_items
from node.commands import options
from node.commands.connection import NodeChoice
from node.commands.progress_bar import ImportDisplay
from node.commands.run import Exit, run, waiting

EXIT_CODES = """Exit codes:

0 all rows are in ·
1 unexpected failure ·
2 the command, the file or a setting is wrong ·
3 finished, but some rows were rejected ·
4 the node cannot be reached or refused; nothing is lost, run the same command again to go on"""

CHECKS: dict[str | None, IdentifierCheck] = {"gtin": parse_gtin}
REJECTS_ENDING = ".rejects.csv"
PROGRESS_ENDING = ".idnode-import.json"
RESUMES = "nothing is lost; run the same command again to go on"


def _one_character(text: str | None) -> str | None:
    if text in {"tab", "\\t"}:
        return "\t"
    if text is not None and (len(text) != 1 or text in '"\r\n'):
        raise typer.BadParameter("give one character, or the word tab")
    return text


def _prefix(text: str) -> str:
    if not text or "/" in text or any(character.isspace() for character in text):
        raise typer.BadParameter("give a prefix without a slash, such as 88.118.8")
    return text


File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", exists=True, dir_okay=False, help="A CSV, NDJSON or XLSX file; CSV and XLSX with a header."
    ),
]
Prefix = Annotated[
    str, typer.Option(metavar="P", callback=_prefix, help="The prefix to register below, such as 88.118.8.")
]
Template = Annotated[
    str | None, typer.Option(metavar="T", help="A template of the node: columns become its items, by type or name.")
]
IdColumn = Annotated[
    str | None, typer.Option(metavar="C", help="The column with the identifier's suffix. Default: the first.")
]
IdScheme = Annotated[
    Literal["gtin"] | None, typer.Option(help="Check the identifier column: length, digits, check digit.")
]
Conflict = Annotated[OnConflict, typer.Option(help="What to do with an identifier that has other content already.")]
Format = Annotated[FileFormat | None, typer.Option("--format", help="The file's format. Default: by its name.")]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of a CSV file, such as gb18030. Default: UTF-8, or by its mark.")
]
Delimiter = Annotated[
    str | None,
    typer.Option(metavar="CHAR", callback=_one_character, help="Of a CSV file, or tab. Default: found in the file."),
]
Sheet = Annotated[str | None, typer.Option(metavar="NAME", help="Of an XLSX file. Default: the first.")]
Rejects = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where bad rows go, with reasons. Default: FILE.rejects.csv.")
]
ChunkRows = Annotated[int, typer.Option(min=1, max=5_000, help="Rows in one request.")]
Parallel = Annotated[int, typer.Option(min=1, max=16, help="Requests on their way at the same time.")]
Restart = Annotated[bool, typer.Option("--restart", help="Begin at the first record, even after an interrupted run.")]


def import_(
    file: File,
    *,
    prefix: Prefix,
    template: Template = None,
    id_column: IdColumn = None,
    id_scheme: IdScheme = None,
    on_conflict: Conflict = "fail",
    file_format: Format = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    rejects: Rejects = None,
    chunk_rows: ChunkRows = 2_000,
    parallel: Parallel = 2,
    restart: Restart = False,
    retry_for: options.RetryFor = 60.0,
    url: options.Url = None,
    token: options.Token = None,
    data_dir: options.DataDir = options.DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Register the rows of a file, with one value for each cell.

    Example: idnode import products.csv --prefix 88.118.8 --id-scheme gtin

    Without a template a value's type is the column's name, its index 2000
    for the first column. Bad rows go to the rejects file with line, column
    and reason, and good rows go in. An interrupted import goes on where it
    ended when the same command is run again.
    """
    job = ImportJob(
        file=file,
        form=FileForm(file_format, encoding, delimiter, sheet),
        mould=Mould(prefix, id_column, CHECKS.get(id_scheme)),
        terms=BatchTerms(on_conflict, template),
        rejects=rejects or beside(file, REJECTS_ENDING),
        progress=beside(file, PROGRESS_ENDING),
        id_scheme=id_scheme,
        chunk_rows=chunk_rows,
        parallel=parallel,
        restart=restart,
    )
    policy = RetryPolicy(give_up_after_s=retry_for)
    run(_import(job, NodeChoice(url, token, data_dir), policy, as_json=as_json), on_failure=RESUMES)


async def _import(job: ImportJob, choice: NodeChoice, policy: RetryPolicy, *, as_json: bool) -> Exit:
    with ImportDisplay(job.file.name) as display:
        async with choice.session(policy, waiting(display.note)) as session:
            if job.terms.template is not None:
                items = await template_items(session, job.terms.template)
                job = replace(job, mould=replace(job.mould, items=items))
            summary = await import_file(session, job, display)
    typer.echo(msgspec.json.encode(summary).decode() if as_json else _sentence(summary))
    return Exit.SOME_REJECTED if summary.rejected else Exit.DONE


def _sentence(summary: Summary) -> str:
    counts = {
        "created": summary.created,
        "replaced": summary.replaced,
        "unchanged": summary.unchanged,
        "skipped": summary.skipped,
        "rejected": summary.rejected,
    }
    told = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "no records"
    text = f"{summary.prefix}: {told} ({summary.seconds:.1f} s, {summary.rows_per_s:,} rows/s)"
    if summary.rejects_file is not None:
        text += f"\nthe rejected rows, with reasons, are in {summary.rejects_file}"
    if not summary.resolvable:
        text += "\nlookups will see the last of them when this host's replica has caught up"
    return text
