"""`idnode handle …`: records and prefixes of any Handle server, over its own protocol or HTTP."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import orjson
import typer

from identifiers.values import Value
from node.client.handle_admin import Administration
from node.client.handle_values import read_values
from node.client.problems import printable
from node.commands.handle_target import Target, at_server
from node.commands.run import Exit, run

EXIT_CODES = """Exit codes:

0 done ·
1 unexpected failure ·
2 the command is wrong ·
4 the server cannot be reached, refused, or is not to be trusted"""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The identifier, such as 88.118.8/SN0001.")]
Prefix = Annotated[str, typer.Argument(metavar="P", help="The prefix, such as 88.118.8.")]
Values = Annotated[
    list[str] | None,
    typer.Option("--value", metavar="INDEX:TYPE=DATA", help="A value, such as 1:URL=https://example.com/; repeatable."),
]
ValuesFile = Annotated[
    Path | None, typer.Option("--values", metavar="FILE", help="Values as Handle JSON; - reads standard input.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists already.")]
Mint = Annotated[bool, typer.Option("--mint", help="Let the server append a random suffix to NAME.")]
Indexes = Annotated[list[int], typer.Argument(metavar="INDEX...", min=1, help="The indexes of the values.")]
Derived = Annotated[bool, typer.Option("--derived", help="List the prefixes below P instead; not over http.")]

Action = Callable[[Administration], Awaitable[str]]
Listing = Callable[[Administration], AsyncGenerator[Sequence[str]]]

app = typer.Typer(no_args_is_help=True, help="Records and prefixes of any Handle server: create, change, list, site.")


@app.command("create", epilog=EXIT_CODES)
@at_server
def create(
    target: Target,
    name: Name,
    *,
    values: Values = None,
    values_file: ValuesFile = None,
    overwrite: Overwrite = False,
    mint: Mint = False,
) -> None:
    """Create a record with these values.

    Example: idnode handle create 88.118.8/P1 --value 1:URL=https://example.com/ --auth 300:88.118.8/ADMIN --key-file
    admin.pem
    """
    found = _values(values, values_file)
    _change(target, "created", lambda at: at.create(name, found(), overwrite=overwrite, mint=mint))


@app.command("delete", epilog=EXIT_CODES)
@at_server
def delete(target: Target, name: Name) -> None:
    """Delete a record.

    Example: idnode handle delete 88.118.8/P1 --auth 300:88.118.8/ADMIN --secret-file admin.secret
    """
    _change(target, "deleted", lambda at: _named(name, at.delete(name)))


@app.command("add", epilog=EXIT_CODES)
@at_server
def add(
    target: Target, name: Name, *, values: Values = None, values_file: ValuesFile = None, overwrite: Overwrite = False
) -> None:
    """Add values to a record.

    Example: idnode handle add 88.118.8/P1 --value 2:EMAIL=a@example.com --auth 300:88.118.8/ADMIN --key-file admin.pem
    """
    found = _values(values, values_file)
    _change(target, "changed", lambda at: _named(name, at.add(name, found(), overwrite=overwrite)))


@app.command("modify", epilog=EXIT_CODES)
@at_server
def modify(target: Target, name: Name, *, values: Values = None, values_file: ValuesFile = None) -> None:
    """Replace values of a record by others with the same indexes.

    Over http, values that are not there yet are added.

    Example: idnode handle modify 88.118.8/P1 --value 1:URL=https://example.com/2 --auth 300:88.118.8/ADMIN --key-file
    admin.pem
    """
    found = _values(values, values_file)
    _change(target, "changed", lambda at: _named(name, at.modify(name, found())))


@app.command("remove", epilog=EXIT_CODES)
@at_server
def remove(target: Target, name: Name, indexes: Indexes) -> None:
    """Remove values from a record.

    Example: idnode handle remove 88.118.8/P1 2 3 --auth 300:88.118.8/ADMIN --key-file admin.pem
    """
    _change(target, "changed", lambda at: _named(name, at.remove(name, indexes)))


@app.command("list", epilog=EXIT_CODES)
@at_server
def list_(target: Target, prefix: Prefix, *, derived: Derived = False) -> None:
    """List the names below a prefix, one a line.

    Example: idnode handle list 88.118.8 --auth 300:88.118.8/ADMIN --key-file admin.pem
    """
    run(_listed(target, lambda at: at.prefixes(prefix) if derived else at.names(prefix)))


@app.command("homed", epilog=EXIT_CODES)
@at_server
def homed(target: Target) -> None:
    """List the prefixes that a server answers for.

    Example: idnode handle homed --auth 301:88.118/NODE --key-file node.pem
    """
    run(_listed(target, lambda at: at.prefixes(None)))


@app.command("home", epilog=EXIT_CODES)
@at_server
def home(target: Target, prefix: Prefix) -> None:
    """Let a server answer for a prefix.

    Example: idnode handle home 88.118.8 --auth 301:88.118/NODE --key-file node.pem
    """
    _change(target, "homed", lambda at: _named(prefix, at.home(prefix, here=True)))


@app.command("unhome", epilog=EXIT_CODES)
@at_server
def unhome(target: Target, prefix: Prefix) -> None:
    """Let a server answer for a prefix no longer; its records stay.

    Example: idnode handle unhome 88.118.8 --auth 301:88.118/NODE --key-file node.pem
    """
    _change(target, "unhomed", lambda at: _named(prefix, at.home(prefix, here=False)))


@app.command("site", epilog=EXIT_CODES)
@at_server
def site(target: Target) -> None:
    """Show a server's site record, as JSON.

    Example: idnode handle site --server 192.0.2.1:2641
    """
    run(_site(target))


def _values(texts: list[str] | None, path: Path | None) -> Callable[[], Sequence[Value]]:
    """Return what reads the values, inside of what turns errors into exit codes."""
    return lambda: read_values(texts or [], path)


def _change(target: Target, done: str, action: Action) -> None:
    run(_changed(target, done, action))


async def _changed(target: Target, done: str, action: Action) -> Exit:
    async with target.administration() as administration:
        name = await action(administration)
    typer.echo(orjson.dumps({"handle": name, "done": done}).decode() if target.as_json else f"{done} {printable(name)}")
    return Exit.DONE


async def _named(name: str, change: Awaitable[None]) -> str:
    await change
    return name


async def _listed(target: Target, listing: Listing) -> Exit:
    async with target.administration() as administration, aclosing(listing(administration)) as parts:
        async for names in parts:
            for name in names:
                typer.echo(orjson.dumps(name).decode() if target.as_json else printable(name))
    return Exit.DONE


async def _site(target: Target) -> Exit:
    async with target.administration() as administration:
        shown = await administration.site()
    typer.echo(orjson.dumps(shown, option=0 if target.as_json else orjson.OPT_INDENT_2).decode())
    return Exit.DONE
