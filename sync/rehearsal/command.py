"""`idnode sync rehearse` tries the contract against a collector and prints what it kept."""

import asyncio
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.table import Table

from identifiers.signing_keys import KeyUnusable, PrivateKey, read_private
from sync.rehearsal.clause import Result
from sync.rehearsal.run import own_collector, reporting_to, try_clauses

EXIT_NOT_ALL: Final = 1
EXIT_USAGE: Final = 2

_PREFIX: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_COLOURS: Final = {"pass": "green", "fail": "bold red", "skipped": "yellow"}


def rehearse(
    *,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="The collector's base address; default: a simulator of its own.")
    ] = None,
    reporter: Annotated[
        str, typer.Option(metavar="PREFIX", help="Report as this secondary prefix, which must be one for tests.")
    ] = "88.999",
    key_id: Annotated[
        str | None,
        typer.Option(metavar="PREFIX#LABEL", help="The key that requests are signed with, with --sign-key-file."),
    ] = None,
    sign_key_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private part, PKCS#8 in PEM.")] = None,
    token: Annotated[str | None, typer.Option(envvar="IDNODE_SYNC_TOKEN", help="A bearer token to show.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON on standard output.")] = False,
) -> None:
    """Try the reporting contract clause by clause, also with what must be refused, and print a table of the outcome.

    It writes invented rows under the test prefix, which stay there. Exit codes: 0 every clause is kept; 1 some are
    not, or the collector does not answer; 2 the command is wrong.
    """
    if not _PREFIX.fullmatch(reporter):
        raise _failure(f"{reporter!r} is no prefix, such as 88.999")
    results = asyncio.run(_run(url, reporter, _key(key_id, sign_key_file), token))
    if as_json:
        typer.echo(orjson.dumps([asdict(one) for one in results], option=orjson.OPT_INDENT_2).decode())
    else:
        _show(results)
    if any(one.outcome == "fail" for one in results):
        raise typer.Exit(EXIT_NOT_ALL)


async def _run(url: str | None, prefix: str, key: PrivateKey | None, token: str | None) -> list[Result]:
    if url is not None:
        async with reporting_to(url, prefix, key=key, token=token) as reporter:
            return await try_clauses(reporter, _silent)
    async with own_collector(prefix) as (own, own_key), reporting_to(own, prefix, key=own_key) as reporter:
        return await try_clauses(reporter, _silent)


def _key(key_id: str | None, file: Path | None) -> PrivateKey | None:
    if key_id is None and file is None:
        return None
    if key_id is None or file is None:
        raise _failure("signing needs both --key-id and --sign-key-file")
    try:
        return read_private(key_id, file.read_text(encoding="ascii"))
    except (KeyUnusable, OSError, UnicodeError) as error:
        raise _failure(f"the key {key_id} cannot be read from {file}: {error}") from error


def _show(results: list[Result]) -> None:
    table = Table("clause", "what", "result", "seen", box=None)
    for one in results:
        colour = _COLOURS[one.outcome]
        table.add_row(one.clause, one.title, f"[{colour}]{one.outcome}[/{colour}]", _plain(one.detail))
    console = Console(width=None if sys.stdout.isatty() else 1_000, highlight=False)
    console.print(table)
    kept = sum(one.outcome == "pass" for one in results)
    skipped = sum(one.outcome == "skipped" for one in results)
    console.print(
        f"{kept} of {len(results)} clauses are kept, {len(results) - kept - skipped} broken, {skipped} skipped"
    )


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else "\ufffd" for one in text).replace("[", r"\[")


def _silent(_: Result) -> None:
    """Say nothing while it runs."""


def _failure(message: str) -> typer.Exit:
    typer.echo(f"idnode: {message}", err=True)
    return typer.Exit(EXIT_USAGE)
