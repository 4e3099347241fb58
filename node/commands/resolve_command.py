"""`idnode resolve`: what a node knows of codes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain
from typing import Annotated

import msgspec
import typer

from node.client.errors import UsageError
from node.client.handle_recursion import HandleNetwork
from node.client.handle_resolving import resolve_at
from node.client.handle_root import read_root
from node.client.resolving import LOOKUP_CODES_MAX, Resolution, codes_in_requests, resolve_many, resolve_one, selected
from node.client.value_data import data_text
from node.commands import handle_options, options
from node.commands.connection import BRIEF, NodeChoice
from node.commands.handle_options import HandleChoice
from node.commands.run import Exit, run, say
from node.commands.text_table import aligned

EXIT_CODES = """Exit codes:

0 all codes were found ·
1 at least one was not, or an unexpected failure ·
2 the command is wrong ·
4 the node cannot be reached or refused"""

CODE_OCTETS_MAX = 4_096

Resolver = Callable[[str, Sequence[str], Sequence[int]], Awaitable[Resolution]]

Codes = Annotated[
    list[str], typer.Argument(metavar="CODE...", help="Codes such as 88.118.8/SN0001; - reads them from stdin.")
]
Types = Annotated[
    list[str] | None, typer.Option("--type", metavar="T", help="Only values of this type; may be given repeatedly.")
]
Indexes = Annotated[
    list[int] | None, typer.Option("--index", metavar="N", min=0, help="Only the value at this index; repeatable.")
]
Protocol = Annotated[
    handle_options.Protocol, typer.Option(help="http asks a node; the others any Handle server, see --server.")
]
Recursive = Annotated[
    bool,
    typer.Option("--recursive", help="Find the server that is responsible, from --root on (not http)."),
]
Root = Annotated[
    str | None,
    typer.Option(
        envvar="IDNODE_HANDLE_ROOT", metavar="ROOT", help="Where to begin: HOST:PORT, or a file with a site record."
    ),
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
    protocol: Protocol = "http",
    server: handle_options.Server = None,
    recursive: Recursive = False,
    root: Root = None,
    auth: handle_options.Auth = None,
    key_file: handle_options.KeyFile = None,
    key_password_file: handle_options.KeyPasswordFile = None,
    secret_file: handle_options.SecretFile = None,
    in_session: handle_options.InSession = False,
    server_key: handle_options.ServerKey = None,
    timeout: handle_options.Timeout = 15.0,
) -> None:
    """Look codes up and show their values.

    Example: idnode resolve 88.118.8/SN0001 --type URL

    Example: cut -f1 codes.tsv | idnode resolve - --json

    With --json there is one line for each code, an object. Public values
    are shown; those with restricted reading need --token and a command for
    one code, or --auth.

    Example: idnode resolve 88.118.8/SN0001 --protocol handle-udp --server 192.0.2.1

    Example: idnode resolve 88.118.8/SN0001 --recursive --root 192.0.2.1:2641
    """
    if recursive and protocol == "http":
        protocol = "handle-tcp"
    asked = HandleChoice(
        server, data_dir, protocol, auth, key_file, key_password_file, secret_file, in_session, server_key, timeout
    )
    if recursive or protocol != "http":
        run(_resolve_handles(asked, root, codes, types or [], indexes or [], recursive=recursive, as_json=as_json))
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


async def _resolve_handles(
    choice: HandleChoice,
    root: str | None,
    codes: list[str],
    types: list[str],
    indexes: list[int],
    *,
    recursive: bool,
    as_json: bool,
) -> Exit:
    code = Exit.DONE
    every = _all_codes(codes)
    async with _resolver(choice, root, recursive=recursive) as resolver:
        while (asked := await asyncio.to_thread(next, every, None)) is not None:
            code = max(code, _show([await resolver(asked, types, indexes)], as_json=as_json))
    return code


@asynccontextmanager
async def _resolver(choice: HandleChoice, root: str | None, *, recursive: bool) -> AsyncIterator[Resolver]:
    if not recursive:
        async with choice.opened() as server:
            yield partial(resolve_at, server)
        return
    if root is None:
        raise UsageError("--recursive begins at a root: name it with --root HOST:PORT or --root FILE")
    if choice.auth or choice.in_session or choice.server_key:
        raise UsageError(
            "--recursive asks anonymously, for others choose the servers: leave --auth, --session, --server-key out"
        )
    async with HandleNetwork(read_root(root), choice.manner()) as network:
        yield network.resolve


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
