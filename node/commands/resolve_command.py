"""`idnode resolve`: what a node knows of codes."""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Annotated

import msgspec
import typer

from node.client.resolving import LOOKUP_CODES_MAX, Resolution, codes_in_requests, resolve_many, resolve_one, selected
from node.client.value_data import data_text
from node.commands import options
from node.commands.connection import BRIEF, NodeChoice
from node.commands.run import Exit, run, say
from node.commands.text_table import aligned

EXIT_CODES = """Exit codes:

0 all codes were found ·
1 at least one was not, or an unexpected failure ·
2 the command is wrong ·
4 the node cannot be reached or refused"""

CODE_OCTETS_MAX = 4_096

Codes = Annotated[
    list[str], typer.Argument(metavar="CODE...", help="Codes such as 88.118.8/SN0001; - reads them from stdin.")
]
Types = Annotated[
    list[str] | None, typer.Option("--type", metavar="T", help="Only values of this type; may be given repeatedly.")
]
Indexes = Annotated[
    list[int] | None, typer.Option("--index", metavar="N", min=0, help="Only the value at this index; repeatable.")
]

_WORDS = {
    "absent": "not registered here",
    "gone": "withdrawn",
    "referral": "registered at another node",
    "invalid": "not a valid code",
}


def resolve(
    codes: Codes,
    *,
    types: Types = None,
    indexes: Indexes = None,
    url: options.Url = None,
    token: options.Token = None,
    data_dir: options.DataDir = options.DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Look codes up and show their values.

    Example: idnode resolve 88.118.8/SN0001 --type URL

    Example: cut -f1 codes.tsv | idnode resolve - --json

    With --json there is one line for each code, an object. Public values
    are shown; those with restricted reading need --token and a command for
    one code.
    """
    run(_resolve(NodeChoice(url, token, data_dir), codes, types or [], indexes or [], as_json=as_json))


async def _resolve(
    choice: NodeChoice, codes: list[str], types: list[str], indexes: list[int], *, as_json: bool
) -> Exit:
    code = Exit.DONE
    async with choice.public_session(BRIEF) as session:
        if len(codes) == 1 and codes != ["-"]:
            return _show([await resolve_one(session, next(_all_codes(codes)), types, indexes)], as_json=as_json)
        requests = codes_in_requests(_all_codes(codes), 1 if sys.stdin.isatty() else LOOKUP_CODES_MAX)
        while batch := await asyncio.to_thread(next, requests, None):
            answers = (selected(one, types, indexes) for one in await resolve_many(session, batch))
            code = max(code, _show(answers, as_json=as_json))
    return code


def _show(answers: Iterable[Resolution], *, as_json: bool) -> Exit:
    code = Exit.DONE
    for answer in answers:
        if answer.outcome != "found":
            code = Exit.NOT_ALL
        if as_json:
            typer.echo(msgspec.json.encode(answer).decode())
        elif answer.outcome == "found":
            typer.echo(_table(answer))
        else:
            say(f"idnode: {answer.identifier}: {answer.message or _WORDS[answer.outcome]}")
    return code


def _table(answer: Resolution) -> str:
    rows = [(str(one.get("index", "")), str(one.get("type", "")), data_text(one.get("data"))) for one in answer.values]
    return aligned([(answer.identifier,)]) + ("\n" + aligned(rows, indent="  ") if rows else "\n  no such values")


def _all_codes(codes: list[str]) -> Iterator[str]:
    # An argument that is no UTF-8 comes with lone surrogates; as replacement characters it can be asked for.
    return chain.from_iterable(
        _standard_input() if code == "-" else [code.encode(errors="replace").decode()] for code in codes
    )


def _standard_input() -> Iterator[str]:
    """Yield the lines of standard input that are not blank; what is too long for a code is cut, and so not found."""
    while line := sys.stdin.buffer.readline(CODE_OCTETS_MAX):
        if code := line.decode(errors="replace").strip():
            yield code
