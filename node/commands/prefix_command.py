"""`idnode prefix create` and `idnode prefix list`."""

from typing import Annotated

import msgspec
import typer

from node.client.prefixes import create_prefix, prefix_pages
from node.commands import options
from node.commands.connection import BRIEF, NodeChoice
from node.commands.run import Exit, run
from node.commands.text_table import aligned

EXIT_CODES = """Exit codes:

0 done ·
1 unexpected failure ·
2 the command is wrong ·
4 the node cannot be reached or refused, as when the prefix exists"""

prefixes = typer.Typer(no_args_is_help=True, help="Prefixes: the names below which identifiers are registered.")

PrefixArgument = Annotated[str, typer.Argument(metavar="P", help="The new prefix, such as 88.118.8.")]
Name = Annotated[str, typer.Option(metavar="NAME", help="The name of the prefix, in words.")]
Enterprise = Annotated[
    str | None, typer.Option(metavar="ID", help="Its enterprise. Default: the one called NAME, made if need be.")
]


@prefixes.command("create", epilog=EXIT_CODES)
def create(
    prefix: PrefixArgument,
    *,
    name: Name,
    enterprise: Enterprise = None,
    url: options.Url = None,
    token: options.Token = None,
    data_dir: options.DataDir = options.DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Create a prefix, so that identifiers can be registered below it.

    Example: idnode prefix create 88.118.8 --name "Pump works"
    """
    run(_create(NodeChoice(url, token, data_dir), prefix, name, enterprise, as_json=as_json))


@prefixes.command("list", epilog=EXIT_CODES)
def list_(
    *,
    url: options.Url = None,
    token: options.Token = None,
    data_dir: options.DataDir = options.DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """List the prefixes that the token may see; with --json, one object a line.

    Example: idnode prefix list --json
    """
    run(_list(NodeChoice(url, token, data_dir), as_json=as_json))


async def _create(choice: NodeChoice, prefix: str, name: str, enterprise: str | None, *, as_json: bool) -> Exit:
    async with choice.session(BRIEF) as session:
        created = await create_prefix(session, prefix, name, enterprise)
    typer.echo(msgspec.json.encode(created).decode() if as_json else f"created {created.prefix}")
    return Exit.DONE


async def _list(choice: NodeChoice, *, as_json: bool) -> Exit:
    async with choice.session(BRIEF) as session:
        async for page in prefix_pages(session):
            if as_json:
                typer.echo(msgspec.json.Encoder().encode_lines(page).decode(), nl=False)
            elif page:
                typer.echo(aligned([(one.prefix, one.state, one.hosting, one.name) for one in page]))
    return Exit.DONE
