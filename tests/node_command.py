"""Running the commands that talk to a node, as the command line does."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from typer.testing import CliRunner

from node.cli import app
from tests.stand_in_node import TOKEN, StandInNode

PROGRAM = "from node.cli import main; main()"


class Outcome:
    """How a command ended: exit code, standard output, standard error."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"<exit code {self.code}\n{self.out}\n{self.err}>"


def run_command(
    *arguments: str, stdin: str | bytes | None = None, environment: Mapping[str, str] | None = None
) -> Outcome:
    """Run a command in this process; an unexpected exception is the test's."""
    clean: dict[str, Any] = {name: None for name in os.environ if name.startswith("IDNODE_")}
    result = CliRunner().invoke(app, list(arguments), input=stdin, env={**clean, **(environment or {})})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def run_at(node: StandInNode, *arguments: str, stdin: str | bytes | None = None) -> Outcome:
    """Run a command against `node`, with its token."""
    return run_command(*arguments, stdin=stdin, environment={"IDNODE_URL": node.url, "IDNODE_TOKEN": TOKEN})


def start_at(
    node: StandInNode, directory: Path, *arguments: str, stdout: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command against `node` as a process of its own, in `directory`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IDNODE_")}
    environment |= {"IDNODE_URL": node.url, "IDNODE_TOKEN": TOKEN, "PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=directory,
        env=environment,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
    )
