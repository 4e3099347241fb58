"""Which commands `idnode` has. Each is imported when it is run: for `--help` a name and a line are enough.

Imported all at once, they bring aiohttp, asyncpg and the node itself, half a second before the first word.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command: its name, where its function or group is, and the first line of its help."""

    name: str
    module: str
    attribute: str
    summary: str


COMMANDS: Final = (
    CommandRow(
        "serve",
        "node.serve_command",
        "serve",
        "Run a node: start its processes, keep them alive, stop them on SIGTERM or Ctrl-C.",
    ),
    CommandRow(
        "import",
        "node.commands.import_command",
        "import_",
        "Register the rows of a file, with one value for each cell.",
    ),
    CommandRow(
        "export",
        "node.commands.export_command",
        "export",
        "Write the active identifiers of a prefix with their values.",
    ),
    CommandRow("resolve", "node.commands.resolve_command", "resolve", "Look codes up and show their values."),
    CommandRow(
        "status",
        "node.commands.status_command",
        "status",
        "Show how a node is: processes, replica, journal, database, reports to the national node.",
    ),
    CommandRow(
        "top-node",
        "sync.top_node.command",
        "top_node",
        "Run a simulator of the national top-level node that takes reports strictly by the profile and shows them.",
    ),
    CommandRow(
        "loadtest",
        "loadtest.command",
        "loadtest_command",
        "Load a node with look-ups (and registrations), and measure what its users would see.",
    ),
    CommandRow("config", "node.config_command", "app", "Show or check the settings."),
    CommandRow(
        "prefix",
        "node.commands.prefix_command",
        "prefixes",
        "Prefixes: the names below which identifiers are registered.",
    ),
    CommandRow(
        "handle",
        "node.commands.handle_command",
        "app",
        "Records and prefixes of any Handle server: create, change, list, site.",
    ),
    CommandRow("sync", "sync.commands", "app", "How reporting to the national top-level node stands."),
    CommandRow(
        "escrow",
        "node.commands.escrow_command",
        "app",
        "Deposits with the disaster-recovery node: make, check, and rebuild a node from them.",
    ),
    CommandRow(
        "takeover",
        "node.commands.takeover_command",
        "app",
        "Emergency take-over: another body serves for this node, and gives back what it registered.",
    ),
)


class LazyCommand(TyperCommand):
    """Stands for a command until it is run."""

    def __init__(self, row: CommandRow) -> None:
        super().__init__(row.name, help=row.summary)
        self._row = row

    def loaded(self) -> Any:
        """Return the command itself: the library's object, with parameters, help and commands below it."""
        module = import_module(self._row.module)
        target = getattr(module, self._row.attribute)
        root = typer.Typer(add_completion=False)
        if isinstance(target, typer.Typer):
            root.add_typer(target, name=self._row.name)
            group: Any = typer.main.get_command(root)
            return group.commands[self._row.name]
        root.command(self._row.name, epilog=getattr(module, "EXIT_CODES", None))(target)
        return typer.main.get_command(root)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Let the command itself read the arguments; what is run then is that command."""
        return self.loaded().make_context(info_name, args, parent, **extra)


class CommandGroup(TyperGroup):
    """The program with all its commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for row in COMMANDS:
            self.add_command(LazyCommand(row))
