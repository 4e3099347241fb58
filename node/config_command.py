"""`idnode config`: shows the settings in force and where each comes from, and checks a file before it is used."""

import os
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from node.addresses import MASK, masked_dsn
from node.config import Configuration, load, load_file
from node.setting_table import SETTINGS, SettingRow, value_of

app = typer.Typer(help="Show or check the settings.", no_args_is_help=True)


@app.command()
def show(
    config: Annotated[Path | None, typer.Option(help="Configuration file; default: DATA_DIR/idnode.toml")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of the node's data")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show every setting, its value and where that comes from. Secrets are masked."""
    flags = {"data_dir": None if data_dir is None else str(data_dir)}
    found = load(flags=flags, environment=os.environ, file=config)
    if as_json:
        shown = {name: {"value": _plain(found, row), "source": found.sources[name]} for name, row in SETTINGS.items()}
        typer.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
        return
    width = max(map(len, SETTINGS))
    for name, row in SETTINGS.items():
        value = _plain(found, row)
        written = ", ".join(value) if isinstance(value, list) else str(value)
        written = written.lower() if isinstance(value, bool) else written
        typer.echo(f"{name:<{width}}  {written or '(none)':<30}  {found.sources[name]}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Configuration file to check")],
) -> None:
    """Check a configuration file: exit code 0 and a word, or 2 and everything that is wrong with it."""
    load_file(file)
    typer.echo(f"{file} is good")


def _plain(found: Configuration, row: SettingRow) -> Any:
    value = value_of(found.settings, row.name)
    if row.secret:
        return masked_dsn(value) if "://" in value else MASK * bool(value)
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return value if isinstance(value, int) else str(value)
