"""`idnode status`: how the node is."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from node.client.errors import UnavailableError
from node.client.status import Status, node_status
from node.commands import options
from node.commands.connection import NodeChoice
from node.commands.run import Exit, run
from node.commands.text_table import aligned

EXIT_CODES = """Exit codes:

0 the node is ready ·
1 it answers but is not ready or serves lookups only, or an unexpected failure ·
2 the command is wrong ·
4 the node cannot be reached or refused"""

WATCH_INTERVAL_S = 1.0

Watch = Annotated[bool, typer.Option("--watch", help="Show it again every second, until interrupted.")]


def status(
    *,
    watch: Watch = False,
    url: options.Url = None,
    token: options.Token = None,
    data_dir: options.DataDir = options.DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Show how a node is: processes, replica, journal, database, reports to the national node.

    Example: idnode status --watch

    It takes an administrator's token. While the registry is down, the
    node's readiness is shown instead.
    """
    choice = NodeChoice(url, token, data_dir)
    run(_watch(choice, as_json=as_json) if watch else _once(choice, as_json=as_json))


async def _once(choice: NodeChoice, *, as_json: bool) -> Exit:
    async with choice.session() as session:
        now = await node_status(session)
    typer.echo(_shown(now, as_json=as_json))
    return Exit.DONE if now.condition == "ready" else Exit.NOT_ALL


async def _watch(choice: NodeChoice, *, as_json: bool) -> Exit:
    with Live(console=Console(), auto_refresh=False, screen=False) as live:
        while True:
            text = await _glance(choice, as_json=as_json)
            if as_json or not sys.stdout.isatty():
                typer.echo(text)
            else:
                live.update(Text(text), refresh=True)
            await asyncio.sleep(WATCH_INTERVAL_S)


async def _glance(choice: NodeChoice, *, as_json: bool) -> str:
    """Return the status now; a node that is away for a moment is part of what a watcher wants to see."""
    try:
        async with choice.session() as session:
            return _shown(await node_status(session), as_json=as_json)
    except UnavailableError as error:
        return orjson.dumps({"condition": "away", "error": str(error)}).decode() if as_json else f"away: {error}"


def _shown(now: Status, *, as_json: bool) -> str:
    if as_json:
        return orjson.dumps({"condition": now.condition, **now.members}).decode()
    return "\n".join([f"{now.url}  {now.condition}", *_sections(now.members)])


def _sections(members: dict[str, Any]) -> list[str]:
    """Show whatever the node tells, a line or a table for each part, those of other processes (`more`) among them."""
    more = members.get("more")
    if isinstance(more, dict):
        members = {name: part for name, part in members.items() if name != "more"} | more
    members = dict(_unfolded(members))
    plain = [(name, _text(part)) for name, part in members.items() if not _is_table(part)]
    lines = [aligned(plain)] if plain else []
    for name, part in members.items():
        if _is_table(part):
            names = list(dict.fromkeys(column for row in part for column in row))
            rows = [[_text(row.get(column, "")) for column in names] for row in part]
            lines += ["", name, aligned([names, *rows], indent="  ")]
    return lines


def _unfolded(members: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Take the tables out of the parts they are in, to stand on their own."""
    for name, part in members.items():
        tables = {key: value for key, value in part.items() if _is_table(value)} if isinstance(part, dict) else {}
        yield name, {key: value for key, value in part.items() if key not in tables} if tables else part
        for key, table in tables.items():
            yield f"{name}: {key}", table


def _is_table(part: Any) -> bool:
    return isinstance(part, list) and bool(part) and all(isinstance(row, dict) for row in part)


def _text(part: Any) -> str:
    match part:
        case dict():
            return ", ".join(f"{name} {_inner_text(value)}" for name, value in part.items())
        case list():
            return ", ".join(map(_inner_text, part)) or "-"
        case None:
            return "-"
        case bool():
            return "yes" if part else "no"
        case float():
            return f"{part:.3f}".rstrip("0").rstrip(".")
        case _:
            return str(part)


def _inner_text(part: Any) -> str:
    return f"({_text(part)})" if isinstance(part, dict) and part else _text(part)
