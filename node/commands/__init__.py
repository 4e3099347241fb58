"""The commands that talk to a node over HTTP: import, export, prefix, resolve, status."""

import typer

from node.commands import export_command, import_command, prefix_command, resolve_command, status_command


def register(app: typer.Typer) -> None:
    """Add these commands to the command line `app`."""
    app.command("import", epilog=import_command.EXIT_CODES)(import_command.import_)
    app.command("export", epilog=export_command.EXIT_CODES)(export_command.export)
    app.command("resolve", epilog=resolve_command.EXIT_CODES)(resolve_command.resolve)
    app.command("status", epilog=status_command.EXIT_CODES)(status_command.status)
    app.add_typer(prefix_command.prefixes, name="prefix")
