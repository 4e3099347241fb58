"""docs/commands.md names every command of the command line with its arguments, options and defaults, and no others."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from node.cli import app
from node.command_table import LazyCommand

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"
SECTION = re.compile(r"^## `(?P<command>idnode[a-z -]*)`\n(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?P<default>[^|]+) \| (?P<meaning>.+) \|$", re.MULTILINE)
ROOT = "idnode"


def commands(command: Any, name: str = ROOT) -> Iterator[tuple[str, Any]]:
    """Yield the program itself and whatever can be run, by the whole name; a group alone only shows its help."""
    command = command.loaded() if isinstance(command, LazyCommand) else command
    children = getattr(command, "commands", {})
    if not children or name == ROOT:
        yield name, command
    for child, definition in children.items():
        yield from commands(definition, f"{name} {child}")


def documented() -> dict[str, str]:
    return {found["command"]: found["body"] for found in SECTION.finditer(DOCUMENT.read_text(encoding="utf-8"))}


def default_of(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if parameter.default is None or parameter.default is False or parameter.default == "":
        return "–"
    return f"`{parameter.default:g}`" if isinstance(parameter.default, float) else f"`{parameter.default}`"


def names_of(parameter: Any) -> list[str]:
    if parameter.opts[0].startswith("-"):
        return [*parameter.opts, *parameter.secondary_opts]
    return [parameter.metavar or parameter.name.upper()]


def test_every_command_has_a_section_and_no_other_has() -> None:
    assert set(documented()) == {name for name, _ in commands(typer.main.get_command(app))}


def test_every_argument_and_option_stands_in_its_table_with_its_default_and_no_other_does() -> None:
    in_code = {
        name: {one: default_of(parameter) for parameter in command.params for one in names_of(parameter)}
        for name, command in commands(typer.main.get_command(app))
    }
    in_document = {
        name: {row["name"]: row["default"] for row in ROW.finditer(body)} for name, body in documented().items()
    }
    assert in_document == in_code


def test_every_environment_variable_of_an_option_stands_in_its_row() -> None:
    sections = documented()
    for name, command in commands(typer.main.get_command(app)):
        meanings = {row["name"]: row["meaning"] for row in ROW.finditer(sections[name])}
        for parameter in command.params:
            if parameter.envvar:
                assert f"`{parameter.envvar}`" in meanings[parameter.opts[0]], (name, parameter.name)


def test_every_section_has_an_example_of_its_command() -> None:
    for name, body in documented().items():
        assert re.search(rf"^    {name} ", body, re.MULTILINE), name
