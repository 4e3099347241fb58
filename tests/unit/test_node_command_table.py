"""The table of commands tells the truth about commands that it does not import."""

import subprocess
import sys

import pytest

from node.command_table import COMMANDS, CommandRow, LazyCommand

SLOW = {"aiohttp", "asyncpg", "asyncio", "lmdb", "prometheus_client", "uvloop", "openpyxl", "node.serve"}
REPORT = """
import sys
from node.cli import main
try:
    main()
finally:
    print("imported", *sorted(set(sys.modules) & set({slow!r})))
"""


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_a_command_s_line_in_the_help_is_the_first_of_its_own(row: CommandRow) -> None:
    command = LazyCommand(row).loaded()
    assert command.name == row.name
    assert command.help.splitlines()[0] == row.summary


@pytest.mark.parametrize("arguments", [["--help"], ["config", "show"], ["config", "--help"], ["--version"]])
def test_help_and_settings_are_shown_without_importing_what_they_do_not_need(arguments: list[str]) -> None:
    program = REPORT.format(slow=SLOW)
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported"


def test_a_command_that_does_not_exist_is_refused_with_a_suggestion() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(slow=SLOW), "reslove"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Did you mean 'resolve'?" in done.stderr
